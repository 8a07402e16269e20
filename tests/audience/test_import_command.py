"""The commands about imports: try, import, look at the receipt, take it back; and what a kill leaves behind."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.app import Newsletter
from newsletter.audience.importing import ImportOrder
from newsletter.cli import run
from newsletter.database.schema import import_receipt, subscriber
from newsletter.imports import Imports
from newsletter.starter import start_project
from tests.audience.imports import addresses, export, run_import

MESSY = """\
email;first_name;Shoe size
ada@example.com;Ada;39
not an address;Bob;40
few@example.com;Few
-n@example.org;N;41
ada@example.com;Augusta;39
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, with the messy file in it; the commands run there."""
    start_project(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    Path("messy.csv").write_text(MESSY, encoding="utf-8")
    return tmp_path / "project"


def people(project: Path) -> list[str]:
    with Newsletter.open(project).database() as database:
        return addresses(database)


def test_a_dry_run_tells_what_the_import_then_does(project: Path, capsys) -> None:
    assert run(["subscribers", "import", "messy.csv", "--list", "community", "--dry-run"]) == 1
    tried = capsys.readouterr().out
    assert "Nothing is changed yet; this would happen: 2 people new, 1 updated, 0 unchanged, 2 refused." in tried
    assert "new: lines 2, 5" in tried
    assert "messy.csv:3: «not an address»: This is not an email address" in tried
    assert "messy.csv:4: The row has 2 cells, and there are 3 columns." in tried
    assert "«Shoe size» is kept as attributes.shoe_size" in tried
    assert people(project) == []
    assert run(["subscribers", "import", "messy.csv", "--list", "community"]) == 1
    done = capsys.readouterr().out
    assert "2 people new, 1 updated, 0 unchanged, 2 refused." in done
    assert "newsletter subscribers import --undo 1" in done
    assert people(project) == ["ada@example.com", "-n@example.org"]


def test_the_receipt_is_shown_written_and_undone(project: Path, capsys) -> None:
    options = ["--tags", "ngo,donor", "--consent", "paper form 12", "--map", "Shoe size=attributes.shoe", "--json"]
    assert run(["subscribers", "import", "messy.csv", "--list", "community", *options]) == 1
    told = json.loads(capsys.readouterr().out)
    counts = (told["receipt"], told["new"], told["updated"], told["unchanged"], told["refused"])
    assert counts == (1, 2, 1, 0, 2)
    assert run(["subscribers", "receipts", "--json"]) == 0
    (receipt,) = json.loads(capsys.readouterr().out)
    assert receipt["options"]["columns"]["Shoe size"] == "attributes.shoe"
    assert run(["subscribers", "receipts", "1"]) == 0
    assert "paper form 12" in capsys.readouterr().out
    assert run(["subscribers", "receipts", "1", "--csv", "rows.csv"]) == 0
    with Path("rows.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["line"], row["outcome"]) for row in csv.DictReader(file)]
    assert rows == [("2", "new"), ("3", "refused"), ("4", "refused"), ("5", "new"), ("6", "updated")]
    assert "not an address" not in Path("rows.csv").read_text(encoding="utf-8"), "what stood in the file is not kept"
    capsys.readouterr()
    assert run(["subscribers", "import", "--undo", "1", "--yes"]) == 0
    assert "Import 1 is undone: 2 people gone again, 0 as before, 0 left alone." in capsys.readouterr().out
    assert people(project) == []
    assert run(["subscribers", "import", "--undo", "1"]) == 1
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say which file"),
        (["messy.csv", "--undo", "1"], "--undo stands alone"),
        (["messy.csv", "--map", "x"], "cannot be understood"),
        (["messy.csv", "--list", "comunity"], "There is no list"),
    ],
)
def test_wrong_use_is_a_sentence(project: Path, capsys, arguments: list[str], sentence: str) -> None:
    assert run(["subscribers", "import", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_two_imports_at_once_wait_for_each_other(database, tmp_path: Path) -> None:
    files = []
    for number in range(2):
        file = tmp_path / f"{number}.csv"
        file.write_text("email\n" + "".join(f"p{n}@example.com\n" for n in range(300)), encoding="utf-8")
        files.append(file)
    done = []
    threads = [threading.Thread(target=lambda file=file: done.append(run_import(database, file)[0])) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.counts.new for one in done) == [0, 300]
    assert len(addresses(database)) == 300


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from newsletter.audience.importing import Import, ImportOrder, import_file
from newsletter.database.connection import open_database
def die(done): os.kill(os.getpid(), signal.SIGKILL)
with open_database(sys.argv[1]) as database:
    order = ImportOrder(to_list="community")
    job = Import(path=Path(sys.argv[2]), order=order, secret=b"s", clock=lambda: datetime.now(UTC), on_progress=die)
    import_file(database, job)
"""


def test_a_kill_in_the_middle_leaves_nothing_half_done(database, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\n" + "".join(f"p{n}@example.com\n" for n in range(20_000)), encoding="utf-8")
    before = export(database)
    killed = subprocess.run([sys.executable, "-c", KILLED, database_url, str(file)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert export(database) == before
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(import_receipt)) == 0
    assert run_import(database, file)[0].counts.new == 20_000
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(subscriber)) == 20_000


def test_a_stopped_import_says_what_to_run_next(project: Path, capsys, monkeypatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Imports, "run", stop)
    assert run(["subscribers", "import", "messy.csv"]) == 1
    assert "Nothing was imported; run the same command again" in capsys.readouterr().err


def test_progress_goes_up_to_the_end_of_the_file(project: Path) -> None:
    Path("many.csv").write_text("email\n" + "".join(f"p{n}@example.com\n" for n in range(20_000)), encoding="utf-8")
    seen: list[float] = []
    Newsletter.open(project).imports.run(Path("many.csv"), ImportOrder(), on_progress=seen.append)
    assert len(seen) == 3
    assert seen == sorted(seen)
    assert seen[-1] == 1
