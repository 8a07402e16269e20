"""The guards of all forms: they keep robots out, and nobody who waits or whose machine works; no visitor is kept."""

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from newsletter.audience.allowances import Use
from newsletter.web.public.guards import LASTS, SHARE, WAIT, Guards, is_proof
from newsletter.web.public.site import Site
from tests.pictures.chromium import Viewer
from tests.web.served import Project, free_port
from tests.web.visiting import Eyes, axe_script, visiting

ANN = "ann@example.org"
THANKS = "Please look into your mailbox"
AGAIN = "wait five seconds"


@pytest.fixture
def strict(tmp_path: Path, empty_file: Path) -> Project:
    """A project whose forms want time and work, and are few."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    return strict_project(tmp_path / "project", f"sqlite:///{path}")


def strict_project(root: Path, url: str) -> Project:
    project = Project(root, url)
    settings = root / "newsletter.toml"
    strict = "patience = 3\nwork = 8\nsign_ups = 4\nall_sign_ups = 6"
    settings.write_text(settings.read_text().replace("patience = 0\nwork = 0", strict))
    clock = project.clock
    project.newsletter = project.newsletter.open(root, project.newsletter.project.environ)
    project.newsletter._clock = clock
    return project


def stamp_of(page: str) -> str:
    found = re.search(r'name="form-stamp" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def prove(stamp: str, bits: int = 8) -> str:
    return next(str(n) for n in range(10**6) if is_proof(stamp, str(n), bits))


class Visits:
    """Somebody who fills in the form to sign up."""

    def __init__(self, project: Project, client: TestClient) -> None:
        self.project = project
        self.client = client
        self.come_from(2)

    def come_from(self, network: int) -> None:
        self.client._transport.client = (f"192.0.{network}.9", 1)  # type: ignore[attr-defined]

    def stamp(self) -> str:
        return stamp_of(self.client.get("/subscribe").text)

    def send(self, stamp: str, proof: str = "", headers: dict[str, str] | None = None, **more: str) -> Any:
        data = {"email": ANN, "list": "community", "form-stamp": stamp, "form-proof": proof, **more}
        return self.client.post("/subscribe", data=data, headers=headers)


@pytest.fixture
def visits(strict: Project) -> Iterator[Visits]:
    with strict.client() as client:
        yield Visits(strict, client)


def test_a_form_with_time_and_work_is_taken_once(visits: Visits) -> None:
    stamp = visits.stamp()
    visits.project.clock.pass_(seconds=4)
    proof = prove(stamp)
    assert THANKS in visits.send(stamp, proof).text
    rows = visits.project.rows()
    assert AGAIN in visits.send(stamp, proof).text
    assert visits.project.rows() == rows


def test_a_robot_in_the_trap_is_thanked_and_nothing_happens(visits: Visits) -> None:
    before = visits.project.rows()
    stamp = visits.stamp()
    trapped = visits.send(stamp, **{"web-page": "https://spam.example"})
    assert visits.project.rows() == before
    visits.project.clock.pass_(seconds=4)
    assert visits.send(stamp, prove(stamp)).text == trapped.text


@pytest.mark.parametrize(
    "spoil",
    [
        "no stamp",
        "another form's",
        "cut",
        "no proof",
        "wrong proof",
        "odd proof",
        "too quick",
        "too old",
        "elsewhere",
        "hidden",
    ],
)
def test_what_lacks_something_is_asked_to_wait_and_press_again(visits: Visits, spoil: str) -> None:
    """Nobody is refused: the page comes back with what was typed, and waiting is enough."""
    stamp, clock = visits.stamp(), visits.project.clock
    if spoil == "another form's":
        stamp = Guards(Site(visits.project.newsletter)).challenge("form-updates").stamp
    clock.pass_(seconds=2 if spoil == "too quick" else LASTS.total_seconds() if spoil == "too old" else 4)
    proof = prove(stamp)
    proof = {"no proof": "", "wrong proof": str(int(proof) - 1), "odd proof": "٣"}.get(spoil, proof)
    stamp = {"no stamp": "", "cut": stamp[:-1]}.get(spoil, stamp)
    before = visits.project.rows()
    headers = {
        "elsewhere": {"Origin": "https://evil.example"},
        "hidden": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    }.get(spoil, {})
    again = visits.send(stamp, proof, headers, first_name="Ann")
    assert again.status_code == 200
    assert AGAIN in again.text
    assert ANN in again.text
    assert 'value="Ann"' in again.text
    assert visits.project.rows() == before
    waiting = stamp_of(again.text)
    early = visits.send(waiting)
    assert AGAIN in early.text
    assert stamp_of(early.text) == waiting  # the time goes on
    clock.pass_(seconds=WAIT)
    assert THANKS in visits.send(waiting).text
    assert visits.project.status(ANN) == "pending"


def test_a_network_has_so_many_forms_an_hour_and_is_told_when_to_come_back(visits: Visits) -> None:
    """Checklist item 148."""
    clock = visits.project.clock
    for number in range(5):
        stamp = visits.stamp()
        clock.pass_(seconds=60)
        answer = visits.send(stamp, prove(stamp), email=f"a{number}@example.org")
        assert answer.status_code == (200 if number < 4 else 429)
    assert "Too many at once" in answer.text
    assert int(answer.headers["retry-after"]) == 3600 - 4 * 60
    before = visits.project.rows()
    assert visits.send(stamp, prove(stamp), {"Accept": "application/json"}).json()["ok"] is False
    assert visits.project.rows() == before  # a flood is not written down
    assert "192.0" not in repr(before)
    visits.come_from(3)
    assert THANKS in visits.send(stamp, prove(stamp)).text
    visits.come_from(2)
    clock.pass_(hours=1)
    stamp = visits.stamp()
    clock.pass_(seconds=4)
    assert THANKS in visits.send(stamp, prove(stamp)).text


def test_all_networks_together_have_a_limit_too(visits: Visits) -> None:
    codes = []
    for network in range(7):
        visits.come_from(network)
        stamp = visits.stamp()
        visits.project.clock.pass_(seconds=4)
        codes.append(visits.send(stamp, prove(stamp), email=f"a{network}@example.org").status_code)
    assert codes == [200] * 6 + [429]


def test_those_without_proof_share_a_smaller_part(visits: Visits) -> None:
    codes = []
    for number in range(2):
        waiting = stamp_of(visits.send(visits.stamp()).text)
        visits.project.clock.pass_(seconds=WAIT)
        codes.append(visits.send(waiting, email=f"a{number}@example.org").status_code)
    assert codes == [200] * (4 // SHARE) + [429]
    stamp = visits.stamp()
    visits.project.clock.pass_(seconds=4)
    assert visits.send(stamp, prove(stamp)).status_code == 200  # and takes nothing from the others


@given(st.text(alphabet="AZaz09-_", max_size=60), st.text(max_size=24), st.integers(1, 24))
def test_a_proof_is_what_the_hash_says(stamp: str, proof: str, bits: int) -> None:
    begins = bin(int.from_bytes(hashlib.sha256(f"{stamp}:{proof}".encode("utf-8", "replace")).digest()) | 1 << 256)[3:]
    plain = proof.isascii() and proof.isdigit() and len(proof) <= 20
    assert is_proof(stamp, proof, bits) == (plain and begins.startswith("0" * bits))


def test_uses_are_counted_together_or_not_at_all(project: Project) -> None:
    hour = dt.timedelta(hours=1)
    one, two = Use("one", "x", 1, hour), Use("two", "x", 3, hour)
    door = project.newsletter.sign_ups
    assert door.spend([one, two]) is None
    refused = door.spend([two, one])
    assert refused is not None
    assert (refused.use, refused.until) == (one, project.clock.now + hour)
    assert [door.spend([two]) for _ in range(2)] == [None, None]
    assert door.spend([two]) is not None
    project.clock.pass_(hours=1)
    assert door.spend([one, two]) is None
    assert sorted(row[1] for row in project.rows()["allowance"]) == ["1", "1"]


def test_the_machine_does_the_work_while_a_person_types(tmp_path: Path, empty_file: Path, viewer: Viewer) -> None:
    """In a real browser, under the strict policy: the form leaves once the proof is there."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    port = free_port()
    project = Project(tmp_path / "project", f"sqlite:///{path}", f"http://127.0.0.1:{port}")
    settings = project.root / "newsletter.toml"
    settings.write_text(settings.read_text().replace("work = 0", "work = 12"))
    project.newsletter = project.newsletter.open(project.root, project.newsletter.project.environ)
    texts = ["", "abc", *("x" * length for length in (54, 55, 56, 63, 64, 65, 119, 120, 200))]
    expected = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
    axe = axe_script()

    def visit(browser: Browser) -> tuple[list[str], list[int]]:
        with visiting(browser, base, Eyes()) as visitor:
            page = visitor.page
            visitor.go("/subscribe")
            visitor.look(axe)
            words = page.evaluate("async t => t.map((await import('/assets/work.js')).firstWord)", texts)
            page.get_by_label("Community").check()
            page.get_by_label("Your email address").fill(ANN)
            page.get_by_role("button", name="Sign up").click()
            page.get_by_role("heading", name=THANKS).wait_for()
            visitor.look(axe)
            return visitor.troubles, words

    with project.server(port) as base:
        troubles, words = viewer.run(visit)
    assert troubles == []
    assert words == expected
    assert project.status(ANN) == "pending"
    assert len(project.rows()["allowance"]) == 4  # taken at once, with its proof
