"""An import while a mailing is being sent: two processes that write to one database, and nobody is lost to either."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.importing import Import, ImportOrder, import_file
from newsletter.database.connection import Database
from newsletter.database.schema import MailingState, SubscriptionStatus, import_receipt, subscription
from newsletter.sending.mailing import report
from tests.database.opened import NOW, SECRET, add_people
from tests.mailing.arranging import outbox_files

ROOT = Path(__file__).parents[2]
READERS = 80
COMING = 20_000


@pytest.mark.slow
@pytest.mark.parametrize("when", ["the sender waits for the import", "the import comes between two batches"])
def test_an_import_and_a_mailing_at_once_are_both_whole(database: Database, tmp_path: Path, when: str) -> None:
    """In the first case the sender wants to claim while the import writes, and has to wait until it is committed."""
    with database.write() as connection:
        add_people(connection, READERS)
    file = tmp_path / "people.csv"
    known = [f"reader{number}@example.com,Renamed\n" for number in range(1, READERS + 1)]
    file.write_text("email,first_name\n" + "".join([f"p{n}@example.com,P\n" for n in range(COMING)] + known))
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.mailing.sending", url, str(tmp_path / "outbox")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "10\n"
        progress: list[float] = []

        def go_on(done: float) -> None:
            progress.append(done)
            if when.startswith("the sender") and len(progress) == 1:
                process.stdin.write("\n" * READERS)  # type: ignore[union-attr] # asserted above
                process.stdin.flush()  # type: ignore[union-attr]

        order = ImportOrder(to_list="community")
        imported = import_file(
            database, Import(path=file, order=order, secret=SECRET, clock=lambda: NOW, on_progress=go_on)
        )
        told = process.communicate("\n" * READERS)[0].split()
    assert (imported.counts.new, imported.counts.updated, imported.counts.refused) == (COMING, READERS, 0)
    assert told[-1] == "sent", told
    assert len(progress) == 3
    now = report(database, 1)
    assert (now.mailing.state, now.counts["accepted"], now.mailing.audience) == (MailingState.SENT, READERS, READERS)
    assert sum(now.counts.values()) == READERS
    got = [path.read_bytes().split(b"\r\n")[1].decode().removeprefix("To: ") for path in outbox_files(tmp_path)]
    assert sorted(got) == sorted(f"reader{number}@example.com" for number in range(1, READERS + 1))
    with database.read() as connection:
        active = sa.select(sa.func.count()).where(subscription.c.status == SubscriptionStatus.ACTIVE)
        assert connection.execute(active).scalar_one() == COMING + READERS
        assert connection.execute(sa.select(import_receipt.c.new)).scalars().all() == [COMING]
