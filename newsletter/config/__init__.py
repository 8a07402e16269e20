"""newsletter.toml and the environment, read into frozen settings; every mistake is told at once and with its place."""

import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from newsletter.config.environment import override
from newsletter.config.problems import explain
from newsletter.config.secrets import refuse_secrets
from newsletter.config.settings import Settings
from newsletter.config.toml import LARGEST, read_toml
from newsletter.config.values import parse_duration
from newsletter.errors import ConfigError

__all__ = ["Settings", "load_settings", "parse_duration"]


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read a project's settings.

    Args:
        path: newsletter.toml.
        environ: The environment; its NEWSLETTER_… variables go before what the file says.

    Raises:
        ConfigError: Something is wrong; `findings` holds all of it, with line and column, or with the variable.
    """
    data, places = read_toml(_read(path), path.name)
    data, findings = refuse_secrets(data, places)
    data, variables, wrong = override(data, environ)
    places = replace(places, variables=variables)
    findings += wrong
    try:
        settings = Settings.placed(data, places)
    except ValidationError as error:
        findings += explain(error, places)
    if findings:
        findings.sort(key=lambda finding: (finding.line or 0, finding.column or 0, finding.file))
        raise ConfigError(findings=findings)
    return settings


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path.name} is not a file. Put a file of settings in its place.")
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError:
        advice = "Make a project with: newsletter init DIR"
        raise ConfigError(f"There is no {path.name} in {path.parent}. {advice}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Ask for the right to read it.") from error
