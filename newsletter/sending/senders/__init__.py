"""The adapters that hand messages to the world, one file each; opened here by their kind."""

import difflib
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from newsletter.errors import ConfigError, SenderError
from newsletter.sending.senders.protocol import Sender

if TYPE_CHECKING:
    from newsletter.project import Project

GROUP: Final = "newsletter.senders"
"""The entry-point group through which other packages add senders."""

_OURS: Final = {
    "outbox": ("newsletter.sending.senders.outbox", "OutboxSender"),
    "smtp": ("newsletter.sending.senders.smtp", "SmtpSender"),
    "sendgrid": ("newsletter.sending.senders.sendgrid", "SendgridSender"),
}
"""Our own, so that a checkout that was never installed finds them too; another package cannot take their place."""


def sender_kinds() -> list[str]:
    """Every kind of sender there is."""
    return sorted({*_OURS, *(entry.name for entry in entry_points(group=GROUP))})


def open_sender(project: "Project", kind: str) -> Sender:
    """The sender of a kind, ready for a project.

    Raises:
        ConfigError: There is no such kind, or its settings are wrong.
        SenderError: Another package offers it, and it does not work.
    """
    if kind in _OURS:
        module, name = _OURS[kind]
        ours: Sender = getattr(import_module(module), name).open(project)
        return ours
    for entry in entry_points(group=GROUP, name=kind):
        return _open_foreign(entry, project)
    near = difflib.get_close_matches(kind, sender_kinds(), n=1)
    hint = f"Did you mean «{near[0]}»?" if near else f"There are: {', '.join(sender_kinds())}."
    raise ConfigError(f"There is no sender «{kind}». {hint} It is set in newsletter.toml, [sender] kind.")


def _open_foreign(entry: EntryPoint, project: "Project") -> Sender:
    """A sender of another package, which may be broken in any way."""
    try:
        opened: Sender = entry.load().open(project)
    except (ImportError, AttributeError, TypeError) as error:
        package = entry.dist.name if entry.dist else entry.value
        raise SenderError(
            f"The sender «{entry.name}» of the package {package} does not work here ({type(error).__name__}: {error}). "
            "Install another version of it, or choose another sender in newsletter.toml, [sender] kind."
        ) from error
    return opened
