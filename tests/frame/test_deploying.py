"""What the documents tell people to type is what there is: commands, options, units of systemd, settings, forms."""

import configparser
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from newsletter.cli import app
from newsletter.config import load_settings
from newsletter.config.pages import FormTable
from tests.frame.tree import ROOT, files

DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])
GUIDES = [path for path in files() if path.suffix == ".md" and path.parent.name in {"how-to", "tutorial"}]
PROGRAM = "/opt/newsletter/bin/newsletter"
ROOT_COMMAND = typer.main.get_command(app)


def commands(text: str) -> Iterator[list[str]]:
    """Every command line that begins with our command, as words; placeholders of usage lines are left out."""
    shown = re.findall(r"^ {4}(?:\$ )?(?:\w+=\S+ )*newsletter (.*)$", text, re.MULTILINE)  # a block by indentation
    shown += re.findall(r"^(?:\$ )?newsletter (.*)$", text, re.MULTILINE)  # inside a fence
    shown += re.findall(r"`newsletter ([^`]+)`", text)
    shown += re.findall(rf"{PROGRAM} (.*)$", text, re.MULTILINE)
    for line in shown:
        if line.startswith("unix "):  # a service of that name in Postfix's master.cf
            continue
        bare = re.split(r" #| \||&&|;| > |…", line)[0].replace("\\", "")
        try:
            words = shlex.split(bare)
        except ValueError:  # a quotation that goes on in the next line
            words = bare.split()
        yield words


def unknown_in(words: list[str]) -> str | None:
    """The first word that our command does not know, where it would have to."""
    command, rest = ROOT_COMMAND, list(words)
    while rest and (parts := getattr(command, "commands", None)) is not None and re.fullmatch(r"[a-z-]+", rest[0]):
        if rest[0].startswith("-"):
            break
        if rest[0] not in parts:
            return None if command.invoke_without_command and command is not ROOT_COMMAND else rest[0]
        command = parts[rest.pop(0)]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "--debug"}
    return next((word for word in rest if re.match(r"--[a-z]", word) and word.partition("=")[0] not in known), None)


@pytest.mark.parametrize("path", [*GUIDES, *UNITS, ROOT / "README.md"], ids=lambda path: path.name)
def test_every_command_that_people_are_told_to_type_exists(path: Path) -> None:
    found = [(words, unknown_in(words)) for words in commands(path.read_text(encoding="utf-8"))]
    assert [" ".join(words) for words, unknown in found if unknown] == []
    assert found or path.suffix != ".service"


def test_a_command_that_does_not_exist_is_noticed() -> None:
    text = "    newsletter frob\n```console\n$ newsletter forms entries chat --jsn\n```\n`newsletter forms list`\n"
    assert [unknown_in(words) for words in commands(text)] == ["frob", "--jsn", None]
    assert unknown_in(["serve", "--public", "--port", "1"]) is None


def test_units_belong_together_and_are_careful() -> None:
    names = {path.name for path in UNITS}
    guide = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
    for path in UNITS:
        unit = configparser.ConfigParser(interpolation=None, strict=True)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(path, encoding="utf-8")
        assert path.stem in guide
        if path.suffix == ".timer":
            assert f"{path.stem}.service" in names
            assert unit["Install"]["WantedBy"] == "timers.target"
            continue
        service = unit["Service"]
        for name, value in (("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("UMask", "0077")):
            assert service[name] == value, path.name
        assert service["User"] == "newsletter"
        assert service["EnvironmentFile"] == "/etc/newsletter/environment"
        assert "/srv/newsletter" in service["ReadWritePaths"].split()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here; the units were read above")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace(PROGRAM, shutil.which("true") or "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_and_the_environment_file_are_what_they_claim() -> None:
    done = subprocess.run(["sh", "-n", str(DEPLOY / "newsletter-command")], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = (DEPLOY / "environment.example").read_text(encoding="utf-8").splitlines()
    given = [re.sub(r"^# (?=[A-Z_]+=)", "", line) for line in lines]
    names = [line.partition("=")[0] for line in given if re.match(r"[A-Z_]+=", line)]
    assert "NEWSLETTER_SECRET_KEY" in names
    environ = dict.fromkeys(names, "x" * 40) | {"NEWSLETTER_DATABASE__URL": "postgresql://news@db.example.org/news"}
    load_settings(ROOT / "newsletter.toml", environ)  # refuses names that mean nothing
    assert [line for line in lines if re.match(r"[A-Z_]+=.", line)] == [], "a secret stands in the example"


def test_the_proxies_pass_on_what_the_server_needs_and_log_no_visit() -> None:
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    container = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    assert "request>uri delete" in caddy
    assert caddy.count("{") == caddy.count("}")
    assert nginx.count("access_log off;") == nginx.count("server {") == 2
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in nginx
    assert "proxy_set_header Host $host;" in nginx
    for text in (caddy, nginx):
        assert "127.0.0.1:8600" in text
    assert "USER newsletter" in container
    assert "/healthz" in container
    assert "COPY . " not in container, "a list that lies in the checkout would come along"
    networks = re.search(r"^ENV NEWSLETTER_WEB__TRUSTED_PROXIES=(\S+)$", container, re.MULTILINE)
    assert networks is not None
    settings = load_settings(ROOT / "newsletter.toml", {"NEWSLETTER_WEB__TRUSTED_PROXIES": networks[1]})
    assert len(settings.web.trusted_proxies) == 3


def test_forms_in_the_guide_can_be_used() -> None:
    text = (ROOT / "docs" / "how-to" / "publish-forms.md").read_text(encoding="utf-8")
    first = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0]
    assert FormTable.model_validate(tomllib.loads(first)["forms"]["chat"]).fields
