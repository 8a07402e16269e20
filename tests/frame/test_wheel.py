"""What people install is what was tested: the wheel, made through the source archive, works outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import newsletter
from tests.frame.tree import ROOT, files

pytestmark = pytest.mark.xdist_group("wheel")

UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class Installed:
    """The wheel, and an environment with it and the locked packages and nothing else."""

    wheel: Path
    bin: Path
    folder: Path

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The installed command, far from the checkout and from this process's environment."""
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "SYSTEMROOT": os.environ.get("SYSTEMROOT", ""),
        }
        return subprocess.run(
            [str(self.bin / "newsletter"), *arguments],
            cwd=cwd or self.folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )


def uv(*arguments: str) -> None:
    """Install from uv's cache where that holds everything, else from the package index."""
    command = [str(UV), "--quiet", "--no-progress", "--no-python-downloads"]
    if subprocess.run([*command, "--offline", *arguments], capture_output=True, check=False).returncode:
        subprocess.run([*command, *arguments], check=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    uv("venv", "--python", sys.executable, str(environment))
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    target = ["pip", "install", "--python", str(python)]
    uv(*target, "--require-hashes", "-r", str(ROOT / "requirements.lock"))
    uv(*target, "--no-deps", str(wheel))
    return Installed(wheel, python.parent, folder)


def test_the_command_starts_with_nothing_but_its_own_dependencies(installed: Installed) -> None:
    done = installed.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("init", "build", "send"):
        assert command in done.stdout


def test_the_command_knows_its_version(installed: Installed) -> None:
    done = installed.run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"newsletter {newsletter.__version__}\n", "")


@pytest.mark.parametrize(("source", "packed"), [("templates", "newsletter/_templates"), ("newsletter", "newsletter")])
def test_the_wheel_holds_every_file_byte_for_byte(installed: Installed, source: str, packed: str) -> None:
    """Templates, starter project, migrations and type marker included."""
    wanted = {
        f"{packed}/{path.relative_to(ROOT / source).as_posix()}": path.read_bytes()
        for path in files()
        if path.is_relative_to(ROOT / source)
    }
    with zipfile.ZipFile(installed.wheel) as wheel:
        found = {
            name: wheel.read(name)
            for name in wheel.namelist()
            if name.startswith(f"{packed}/") and name.startswith("newsletter/_templates/") == (source == "templates")
        }
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if found[name] != wanted[name]] == []


def test_nothing_but_the_package_and_its_papers_is_in_the_wheel(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        tops = {name.split("/")[0] for name in wheel.namelist()}
        (metadata,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/METADATA"))
    assert tops == {"newsletter", next(top for top in tops if top.endswith(".dist-info"))}
    assert "License-Expression: MIT\n" in metadata
    assert "License-File: LICENSE\n" in metadata


def test_a_new_project_composes_and_sends_its_first_edition(installed: Installed, tmp_path: Path) -> None:
    project = tmp_path / "community"
    done = installed.run("init", str(project))
    assert done.returncode == 0, done.stderr
    done = installed.run("build", "welcome", "--out", str(tmp_path / "out"), cwd=project)
    assert done.returncode == 0, done.stderr + done.stdout
    written = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert written >= {"edition.html", "edition.txt", "edition.mjml", "edition.eml", "edition.json"}
    done = installed.run("subscribers", "import", "subscribers/example.csv", "--list", "community", cwd=project)
    assert done.returncode == 0, done.stderr
    send = ["send", "welcome", "--list", "community", "--hold", "0", "--yes", "--json"]
    done = installed.run(*send, cwd=project)
    assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout)
    assert told["audience"] == told["counts"]["accepted"] == 12
    again = installed.run(*send, cwd=project)
    assert "Traceback" not in again.stderr
    assert len(list((project / "outbox").rglob("*.eml"))) == 12, "a second sending reaches nobody twice"


def test_the_sources_are_not_needed(installed: Installed) -> None:
    """Proof that the tests above looked at the installed package: it lies in its own environment."""
    python = installed.bin / Path(sys.executable).name
    shown = subprocess.run(
        [str(python), "-c", "import newsletter; print(newsletter.__file__)"],
        cwd=installed.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()).is_relative_to(installed.folder)
    assert shutil.which("newsletter", path=str(installed.bin))
