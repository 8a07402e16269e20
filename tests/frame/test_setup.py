"""scripts/setup says in plain words what is missing, and leaves alone what is already there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ["cat", "cksum", "dirname", "head", "id", "rm", "sh", "tr", "uname"]
LOCKS = ["requirements.lock", "requirements-build.lock", "requirements-test.lock"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the scripts are for POSIX shells")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but what setup reads, and a PATH with nothing but the tools it may count on."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    (folder / "bin").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts")
    for name in [*LOCKS, "pyproject.toml"]:
        (folder / name).write_text("# nothing\n", encoding="utf-8")
    for tool in TOOLS:
        if found := shutil.which(tool):
            (folder / "bin" / tool).symlink_to(found)
    return folder


def put(path: Path, script: str) -> None:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def setup(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/setup with the checkout's own PATH."""
    return subprocess.run(
        ["/bin/sh", "scripts/setup", *arguments],
        cwd=checkout,
        env={"PATH": str(checkout / "bin")},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_without_python_it_says_what_to_install(checkout: Path) -> None:
    done = setup(checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("The newsletter needs Python 3.11 or newer, and this machine has no Python. Install")


def test_with_an_old_python_it_says_which_one_it_found(checkout: Path) -> None:
    put(checkout / "bin" / "python3", 'case $1 in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    done = setup(checkout)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, and this machine has Python 3.9.2." in done.stderr


def test_a_python_that_cannot_make_environments_names_the_package(checkout: Path) -> None:
    """As Debian ships it: new enough, but without ensurepip."""
    put(
        checkout / "bin" / "python3",
        f'case $2 in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"',
    )
    done = setup(checkout)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert f"apt-get install python{version}-venv" in done.stderr


def test_a_wrong_argument_is_told(checkout: Path) -> None:
    done = setup(checkout, "everything")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'everything'" in done.stderr


def installing(checkout: Path) -> Path:
    """A Python whose environments only write down what they are asked to install; returns that record."""
    record, fake = checkout / "record", checkout / "fake"
    put(
        fake,
        f"""case "$*" in
*"pip --version"*) exit 0 ;;
*"pip install"*) echo "$*" >>"{record}"; exec "{sys.executable}" -c "import time; time.sleep(0.3)" ;;
esac
exec "{sys.executable}" "$@\"""",
    )
    put(
        checkout / "bin" / "python3",
        f"""if [ "$1 $2" = "-m venv" ]; then
    "{shutil.which("mkdir")}" -p "$3/bin"
    "{shutil.which("cp")}" "{fake}" "$3/bin/python"
    echo made >>"{record}"
    exit
fi
exec "{sys.executable}" "$@\"""",
    )
    return record


def test_two_runs_at_once_install_once(checkout: Path) -> None:
    record = installing(checkout)
    command = ["/bin/sh", "scripts/setup"]
    environment = {"PATH": str(checkout / "bin")}
    runs = [subprocess.Popen(command, cwd=checkout, env=environment) for _ in range(2)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert [line.split()[0] for line in record.read_text(encoding="utf-8").splitlines()] == ["made", "-m", "-m"]


def test_everything_is_installed_by_hash(checkout: Path) -> None:
    record = installing(checkout)
    assert setup(checkout).returncode == 0
    _, packages, ours = record.read_text(encoding="utf-8").splitlines()
    assert "--require-hashes -r requirements.lock -r requirements-build.lock" in packages
    assert "--no-deps --no-build-isolation" in ours


def test_it_works_only_when_something_changed(checkout: Path) -> None:
    record = installing(checkout)

    def count() -> int:
        assert setup(checkout, "tools").returncode == 0
        return len(record.read_text(encoding="utf-8").splitlines())

    assert (count(), count()) == (3, 3)
    (checkout / "requirements-test.lock").write_text("# another\n", encoding="utf-8")
    assert (count(), count()) == (5, 5)


def test_what_the_tools_need_holds_what_the_product_needs(checkout: Path) -> None:
    record = installing(checkout)
    assert setup(checkout, "tools").returncode == 0
    before = record.read_text(encoding="utf-8")
    assert setup(checkout).returncode == 0
    assert record.read_text(encoding="utf-8") == before


def test_a_moved_checkout_gets_a_new_environment(checkout: Path) -> None:
    record = installing(checkout)
    assert setup(checkout).returncode == 0
    moved = checkout.with_name("moved")
    shutil.copytree(checkout, moved, symlinks=True)
    assert setup(moved).returncode == 0
    assert record.read_text(encoding="utf-8").count("made") == 2
