"""What we send to SendGrid, judged by its own OpenAPI document, which Prism (npm `@stoplight/prism-cli`) serves.

The document is SendGrid's (repository twilio/sendgrid-oai, file `spec/json/tsg_mail_v3.json`, MIT) and is not copied
here: it is looked for where the variable SENDGRID_OPENAPI says, and in `../shared/data/sendgrid` beside the checkout.
"""

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from newsletter.edition.files import read_edition
from newsletter.project import open_project
from newsletter.rendering.compose import compose
from newsletter.sending.message import MessageWriter
from newsletter.sending.senders.protocol import Handover, Origin, Verdict
from newsletter.sending.senders.sendgrid import SendgridSender
from newsletter.sending.senders.sendgrid.client import Client
from newsletter.sending.substitution import SubstitutionWriter
from newsletter.tokens import Signer
from tests.message.letters import reader
from tests.parts import missing

ROOT = Path(__file__).parents[2]
NAME = "tsg_mail_v3.json"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SIGNER = Signer(b"k" * 32)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prism")]


def openapi_document() -> Path:
    """SendGrid's document; a clone elsewhere has none, and the other tests stand without it."""
    given = os.environ.get("SENDGRID_OPENAPI")
    places = [Path(given)] if given else [ROOT.parent / "shared" / "data" / "sendgrid" / NAME]
    for place in places:
        if place.is_file():
            return place
    pytest.skip(f"SendGrid's OpenAPI document is not here. Set SENDGRID_OPENAPI to the path of its {NAME}.")


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    """The address of a running Prism."""
    document = openapi_document()
    node, program = shutil.which("node"), ROOT / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    if node is None or not program.is_file():
        missing("Prism is not here.")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [node, str(program), "mock", "--host", "127.0.0.1", "--port", str(port), str(document)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if "is listening" in line:
            break
    else:
        pytest.fail(f"Prism did not start: {''.join(said)}")
    reading = threading.Thread(target=process.stdout.read)  # so that it never waits for somebody to read
    reading.start()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=10)
    reading.join()
    process.stdout.close()


def sender(prism: str, **more: Any) -> SendgridSender:
    return SendgridSender(Client("SG.any.key", api_url=prism), SIGNER, now=lambda: NOW, **more)


def batch(slug: str, count: int, *, images: str = "link") -> list[Handover]:
    """An edition of ours for some readers."""
    environ = {"NEWSLETTER_SENDING__IMAGES": images, "NEWSLETTER_IDENTITY__REPLY_TO": "Répondre <hello@example.net>"}
    project = open_project(ROOT, environ)
    writer = SubstitutionWriter(
        MessageWriter(
            compose(read_edition(project.edition_file(slug), project.root), project),
            project.settings,
            signer=SIGNER,
            mailing_id=7,
            list_slug="community",
            list_id=1,
            list_title="Équité",
        )
    )
    names = ["Ana", "محمد", None, "<b>", "Doe, J"]
    return [
        Handover(
            row,
            Origin(7, slug, NOW),
            writer.write(
                reader(f"reader{row}@example.com", delivery_id=row, first_name=names[row % 5], tags=("a",)), NOW
            ),
        )
        for row in range(1, count + 1)
    ]


@pytest.mark.parametrize("images", ["link", "embed"])
@pytest.mark.parametrize("slug", ["data-sharing", "collection-and-use"])
def test_our_editions_fit_the_document(prism: str, slug: str, images: str) -> None:
    outcomes = sender(prism).deliver(batch(slug, 5, images=images))
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.ACCEPTED, None)}


def test_a_full_request_fits_the_document(prism: str) -> None:
    outcomes = sender(prism).deliver(batch("data-sharing", 1000))
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.ACCEPTED, None)}


def test_the_sandbox_fits_the_document(prism: str) -> None:
    (outcome,) = sender(prism, sandbox=True).deliver(batch("data-sharing", 1))
    assert outcome.verdict is Verdict.ACCEPTED


def test_the_document_is_asked(prism: str) -> None:
    """Prism does refuse what the document does not allow."""
    client = Client("SG.any.key", api_url=prism)
    reply = client.post("mail/send", b'{"personalizations": [{"to": [{"email": "no address"}]}], "subject": "x"}')
    assert reply.status == 400
    assert re.search(r"\S", reply.complaint())
