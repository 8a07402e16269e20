"""The outbox: files that appear whole, once, under names that tell nothing, where only their owner can look."""

import errno
import os
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.sending.senders.outbox import OutboxSender
from newsletter.sending.senders.protocol import Origin, Outcome, Unknown, Verdict
from tests.senders.contract import ORIGIN, Letter, SenderContract, handover

FOLDER = "20261122-093000-data-sharing-7"


class TestOutboxContract(SenderContract):
    def make(self, directory: Path) -> OutboxSender:
        return OutboxSender(directory / "outbox")

    def delivered(self, directory: Path) -> list[bytes]:
        return [path.read_bytes() for path in sorted(directory.glob("outbox/*/*.eml"))]


@pytest.fixture
def outbox(tmp_path: Path) -> OutboxSender:
    return OutboxSender(tmp_path / "outbox")


def files(outbox: OutboxSender) -> list[str]:
    return sorted(str(path.relative_to(outbox.directory)) for path in outbox.directory.rglob("*") if path.is_file())


def test_names_are_the_same_every_time_and_hold_no_address(outbox: OutboxSender) -> None:
    outbox.deliver([handover(42), handover(1_234_567_890)])
    assert files(outbox) == [f"{FOLDER}/00000042.eml", f"{FOLDER}/1234567890.eml"]


def test_only_the_owner_can_look_inside(outbox: OutboxSender) -> None:
    before = os.umask(0)
    try:
        outbox.deliver([handover(1)])
        outbox.close()
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [outbox.directory, *outbox.directory.rglob("*")]}
    assert modes == {"outbox": 0o700, FOLDER: 0o700, "00000001.eml": 0o600, "index.html": 0o600}


def test_a_second_copy_is_impossible_and_the_first_stays(outbox: OutboxSender) -> None:
    outbox.deliver([handover(1, Letter("first@example.com"))])
    again = OutboxSender(outbox.directory).deliver([handover(1, Letter("second@example.com"))])
    assert [outcome.verdict for outcome in again] == [Verdict.ACCEPTED]
    assert files(outbox) == [f"{FOLDER}/00000001.eml"]
    assert b"first@example.com" in (outbox.directory / FOLDER / "00000001.eml").read_bytes()


def test_two_at_once_make_one_whole_file(outbox: OutboxSender) -> None:
    letters = [Letter(f"thread{number}@example.com", "x" * 100_000) for number in range(8)]
    start = threading.Barrier(len(letters))
    outcomes: list[Outcome] = []

    def write(letter: Letter) -> None:
        start.wait()
        outcomes.extend(OutboxSender(outbox.directory).deliver([handover(1, letter)]))

    threads = [threading.Thread(target=write, args=(letter,)) for letter in letters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 8
    assert files(outbox) == [f"{FOLDER}/00000001.eml"]
    assert (outbox.directory / FOLDER / "00000001.eml").read_bytes() in [letter.content for letter in letters]


def test_a_mailing_of_another_database_with_the_same_id_has_its_own_folder(outbox: OutboxSender) -> None:
    later = Origin(ORIGIN.mailing, ORIGIN.edition, ORIGIN.created_at + timedelta(seconds=1))
    outbox.deliver([handover(1), handover(1, origin=later)])
    assert len(files(outbox)) == 2


@pytest.mark.parametrize("slug", ["../../etc", "a/b", "", "x" * 300, "spaced out", "\N{SNOWMAN}"])
def test_no_edition_gets_a_message_out_of_the_outbox(outbox: OutboxSender, slug: str) -> None:
    (outcome,) = outbox.deliver([handover(1, origin=Origin(7, slug, ORIGIN.created_at))])
    assert outcome.verdict is Verdict.ACCEPTED
    (path,) = outbox.directory.rglob("*.eml")
    assert path.parent.parent == outbox.directory


def test_settling_removes_what_a_killed_worker_was_writing(outbox: OutboxSender) -> None:
    outbox.deliver([handover(1)])
    part = outbox.directory / FOLDER / ".00000002.eml.abc.part"
    part.write_bytes(b"From: half a mess")
    outcomes = outbox.settle([Unknown(1, ORIGIN), Unknown(2, ORIGIN)])
    assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED, Verdict.UNSENT]
    assert files(outbox) == [f"{FOLDER}/00000001.eml"]


def test_settling_before_anything_was_written_finds_nothing(outbox: OutboxSender) -> None:
    assert [outcome.verdict for outcome in outbox.settle([Unknown(1, ORIGIN)])] == [Verdict.UNSENT]


def refuse(number: int) -> object:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_full_disk_defers_and_leaves_no_piece_of_a_message(
    outbox: OutboxSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.deliver([handover(1)])
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse(errno.ENOSPC))
        (outcome,) = outbox.deliver([handover(2)])
    assert outcome.verdict is Verdict.DEFERRED
    assert "No space left on device" in str(outcome.reason)
    assert files(outbox) == [f"{FOLDER}/00000001.eml"]
    assert outbox.deliver([handover(2)])[0].verdict is Verdict.ACCEPTED


def test_a_file_in_the_place_of_the_outbox_defers_everything(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("not a folder")
    outcomes = OutboxSender(tmp_path / "outbox").deliver([handover(1), handover(2)])
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DEFERRED] * 2


def test_when_the_folder_may_not_be_on_the_disk_nobody_knows(
    outbox: OutboxSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.deliver([handover(1)])
    real = os.fsync

    def fail_for_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    (outcome,) = outbox.deliver([handover(2)])
    assert outcome.verdict is Verdict.UNKNOWN
    assert outbox.settle([Unknown(2, ORIGIN)])[0].verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_file_systems_without_hard_links_do_as_well(
    outbox: OutboxSender, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", refuse(number))
    assert outbox.deliver([handover(1), handover(1)])[1].verdict is Verdict.ACCEPTED
    assert files(outbox) == [f"{FOLDER}/00000001.eml"]


def test_the_index_lists_who_got_what_with_nothing_alive_in_it(outbox: OutboxSender) -> None:
    outbox.deliver([handover(1, Letter("ada@example.com", "<script>alert(1)</script>")), handover(2)])
    outbox.close()
    page = (outbox.directory / FOLDER / "index.html").read_text(encoding="utf-8")
    assert "ada@example.com" in page
    assert "reader2@example.com" in page
    assert '<a href="00000002.eml">' in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_the_index_of_many_messages_stays_short(outbox: OutboxSender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.sending.senders.outbox._LISTED", 3)
    outbox.deliver([handover(number) for number in range(1, 11)])
    outbox.close()
    page = (outbox.directory / FOLDER / "index.html").read_text(encoding="utf-8")
    assert page.count(".eml</a>") == 3
    assert "and 7 more" in page
