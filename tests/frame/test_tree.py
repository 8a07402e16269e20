"""The tree is in order: nothing of one machine in it, locks that hold everywhere, files of a readable length."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import newsletter
from tests.frame.tree import ROOT, files, texts

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ["requirements.lock", "requirements-build.lock", "requirements-test.lock"]
CODE = {".py", ".j2", ".js", ".mjs", ".css", ".sh"}
# Written in parts, so that this file does not hold what it looks for.
HOSTS = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "yarn" + "pkg.com",
    "deb." + "debian.org",
]
MACHINE = re.compile(r"(?<![\w.:*])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me/\w+|Us" + r"ers/\w+)/")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b")
NOBODYS = re.compile(r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|example|test|invalid|localhost)$")


def modules() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Package -> version and number of hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = {}
    for line in entries:
        match = re.match(r"([\w.-]+)==(\S+)(?P<rest>.*)", line)
        assert match, f"{name}: «{line[:60]}» is not pinned."
        found[canonicalize_name(match[1])] = (match[2], match["rest"].count("--hash=sha256:"))
    return found


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    found = [
        f"{name}:{number}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if MACHINE.search(line) or any(host in line for host in HOSTS)
    ]
    assert found == []


def test_addresses_outside_the_tests_belong_to_nobody() -> None:
    found = [
        f"{name}: {address}"
        for name, text in texts()
        if not name.startswith(("tests/", "package-lock"))
        for address in ADDRESS.findall(text)
        if not NOBODYS.search(address)
    ]
    assert found == []


def test_no_file_is_too_long_to_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Above 400 lines a file asks to be divided, above 600 it has to be."""
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_bytes().splitlines())
        for path in files()
        if path.suffix in CODE
    }
    if long := [f"{name} has {length} lines" for name, length in lengths.items() if 400 < length <= 600]:
        with capsys.disabled():
            sys.stdout.write(f"\nFiles that ask to be divided: {', '.join(long)}.\n")
    assert [f"{name} has {length} lines" for name, length in lengths.items() if length > 600] == []


def test_every_module_opens_with_a_sentence() -> None:
    found = []
    for path in modules():
        source = path.read_text(encoding="utf-8")
        opening = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0]
        if source.strip() and not re.search(r"[.:!?)]$", opening.strip()):
            found.append(f"{path.relative_to(ROOT)}: {opening[:60]!r}")
    assert found == []


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = Counter(path.name for path in modules() if path.name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_hashes_and_no_address(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")
    assert [name for name, (_, hashes) in locked(lock).items() if not hashes] == []


def test_the_locks_agree_and_the_one_for_tests_holds_all() -> None:
    everything = locked("requirements-test.lock")
    for lock in ("requirements.lock", "requirements-build.lock"):
        parts = {name: version for name, (version, _) in locked(lock).items()}
        assert {name: everything.get(name, ("missing", 0))[0] for name in parts} == parts


def test_the_locks_satisfy_the_project() -> None:
    project = PROJECT["project"]
    extras = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
    groups = PROJECT["dependency-groups"]
    wanted = {
        "requirements.lock": project["dependencies"],
        "requirements-build.lock": groups["build"],
        "requirements-test.lock": [*extras, *(line for group in groups.values() for line in group)],
    }
    for lock, lines in wanted.items():
        versions = locked(lock)
        for requirement in map(Requirement, lines):
            version, _ = versions.get(canonicalize_name(requirement.name), ("", 0))
            assert requirement.specifier.contains(version or "0", prereleases=True), (
                f"{lock}: {requirement}; scripts/lock"
            )


def test_the_node_lock_names_no_registry_and_checks_everything() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry and not entry.get("inBundle")] == []


def test_every_package_imported_is_a_dependency() -> None:
    """What only comes along with another package can go away with it."""
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    # These two are their parents' own interface: Jinja's safe strings, Pydantic's errors.
    declared |= {"markupsafe", "pydantic-core"}
    packages = importlib.metadata.packages_distributions()
    found = set()
    for path in modules():
        if path.is_relative_to(ROOT / "newsletter"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module or ""]
                found |= {name.split(".")[0] for name in names}
    outside = {name for name in found if name not in sys.stdlib_module_names and name != "newsletter"}
    undeclared = [
        name for name in outside if not declared & {canonicalize_name(dist) for dist in packages.get(name, [])}
    ]
    assert undeclared == []


@pytest.mark.skipif(os.name == "nt", reason="the scripts are for POSIX shells")
def test_scripts_can_be_run() -> None:
    scripts = [path for path in files() if path.parent.name == "scripts" and not path.suffix]
    assert {path.name for path in scripts} >= {"setup", "demo", "test", "check", "lock"}
    for script in [*scripts, ROOT / ".ci" / "run"]:
        assert os.access(script, os.X_OK), f"{script.name} is not executable."
        assert "\nset -eu\n" in script.read_text(encoding="utf-8"), f"{script.name} goes on after an error."
        shell = "bash" if script.name == "run" else "sh"
        assert subprocess.run([shell, "-n", str(script)], check=False).returncode == 0


def test_every_exported_name_is_there() -> None:
    assert [name for name in newsletter.__all__ if not hasattr(newsletter, name)] == []


def test_the_version_is_the_projects() -> None:
    assert newsletter.__version__ == PROJECT["project"]["version"]


@pytest.mark.parametrize("group", ["console_scripts", "newsletter.senders"])
def test_every_entry_point_can_be_loaded(group: str) -> None:
    ours = [point for point in importlib.metadata.entry_points(group=group) if point.value.startswith("newsletter.")]
    assert ours
    assert all(callable(point.load()) for point in ours)


def test_no_database_is_kept_in_the_tree() -> None:
    """A list of people must never get into a repository, whatever the file is called."""
    assert [path.name for path in files() if path.read_bytes()[:15] == b"SQLite format 3"] == []
