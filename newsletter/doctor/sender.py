"""Whether the sender that newsletter.toml names can hand letters over now; nothing is sent to find out."""

import datetime as dt
import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from newsletter.doctor.diagnosis import Check, Diagnosis
from newsletter.doctor.here import is_writable
from newsletter.errors import ConfigError, NewsletterError, SenderUnavailableError
from newsletter.project import Project
from newsletter.sending.senders import open_sender

_GROUP: Final = "Sender"
_PATIENCE: Final = 10.0
_SOON: Final = dt.timedelta(days=14)


def examine_outbox(project: Project) -> Iterator[Diagnosis]:
    """Whether the folder can be written to."""
    check = Check(_GROUP, "outbox")
    if not is_writable(project.outbox):
        yield check.must(
            f"Nothing can be written to the folder {project.outbox}.",
            "Make it yours, or choose another in newsletter.toml, [sender.outbox] dir.",
        )
        return
    yield check.good(f"Letters are written as files into {project.settings.sender.outbox.dir}/; nobody is mailed.")


def examine_smtp(project: Project, now: dt.datetime, context: ssl.SSLContext | None = None) -> Iterator[Diagnosis]:
    """Whether the mail server lets us in, up to the point where a letter would begin."""
    from newsletter.sending.senders.smtp.connection import Timeouts  # noqa: PLC0415 needed for this sender only
    from newsletter.sending.senders.smtp.opening import open_connection  # noqa: PLC0415
    from newsletter.sending.senders.smtp.sender import SmtpSender  # noqa: PLC0415

    check = Check(_GROUP, "smtp")
    unsigned = replace(
        project, settings=project.settings.model_copy(update={"dkim": None})
    )  # its key is another check's
    try:
        server = SmtpSender.open(unsigned).server
    except ConfigError as error:
        yield _told(check, error)
        return
    ends: list[dt.datetime] = []
    timeouts = Timeouts(connect=_PATIENCE, greeting=3 * _PATIENCE, command=3 * _PATIENCE, block=_PATIENCE)
    try:
        open_connection(server, _noting_certificates(context, ends), timeouts).quit()
    except SenderUnavailableError as error:
        yield _told(check, error)
        return
    login = f", and takes the login of {server.username}" if server.username else ""
    how = "encrypted" if ends else "on this machine"
    yield check.good(f"{server.host}, port {server.port}, answers ({how}){login}.")
    if ends:
        yield _certificate(ends[-1], now, server.host)


def examine_sendgrid(project: Project, *, network: bool) -> Iterator[Diagnosis]:
    """Whether SendGrid knows our key, and lets it send."""
    from newsletter.sending.senders.sendgrid.client import Client, Fate  # noqa: PLC0415 needed for this sender only

    check = Check(_GROUP, "sendgrid")
    table = project.settings.sender.sendgrid
    key = project.sendgrid_key
    if key is None:
        yield check.must("There is no key for SendGrid.", "Set the variable SENDGRID_API_KEY.")
        return
    if table.sandbox:
        yield Check(_GROUP, "sendgrid-sandbox").should(
            "SendGrid only checks letters and delivers none (sandbox).",
            "Write sandbox = false in newsletter.toml, [sender.sendgrid], when you mean it.",
        )
    if not network:
        yield check.unasked("SendGrid was not asked whether it knows the key.")
        return
    reply = Client(key, region=table.region, api_url=table.api_url, timeout=_PATIENCE).get("scopes")
    if reply.fate is not Fate.ANSWERED:
        yield check.must(
            f"SendGrid cannot be reached: {reply.reason}.", "See that this machine is on the network, and try again."
        )
    elif reply.status in {401, 403}:
        yield check.must(
            f"SendGrid does not take the key: {reply.complaint()}.",
            "Make a new key with the right to send mail, in the same region, and set SENDGRID_API_KEY to it.",
        )
    elif reply.status != 200:
        yield check.unasked(
            f"SendGrid has a problem of its own (it answers {reply.status}).", "Ask again in some minutes."
        )
    elif "mail.send" not in _scopes(reply.json()):
        yield check.must("SendGrid knows the key, but it may not send mail.", "Give the key the right «Mail Send».")
    else:
        yield check.good("SendGrid knows the key, and it may send mail.")


def examine_other(project: Project) -> Iterator[Diagnosis]:
    """Whether a sender of another package can be opened."""
    kind = project.settings.sender.kind
    check = Check(_GROUP, "sender")
    try:
        open_sender(project, kind).close()
    except NewsletterError as error:
        yield _told(check, error)
        return
    yield check.good(f"The sender «{kind}» is there and can be opened.")


def _scopes(answer: Any) -> list[Any]:
    scopes = answer.get("scopes") if isinstance(answer, dict) else None
    return scopes if isinstance(scopes, list) else []


def _told(check: Check, error: NewsletterError) -> Diagnosis:
    """An error's sentences: what is wrong, and what to do."""
    what, _, fix = str(error).partition(". ")
    return check.must(f"{what.rstrip('.')}.", fix)


def _certificate(end: dt.datetime, now: dt.datetime, host: str) -> Diagnosis:
    check = Check(_GROUP, "smtp-certificate")
    days = (end - now).days
    if end - now < _SOON:
        return check.should(
            f"The certificate of {host} ends in {days} {'day' if days == 1 else 'days'}; then nothing can be sent.",
            "Ask whoever runs the server to renew it.",
        )
    return check.good(f"The certificate of {host} is valid for {days} more days.")


def _noting_certificates(context: ssl.SSLContext | None, ends: list[dt.datetime]) -> ssl.SSLContext:
    """A context that notes until when each certificate holds that it has verified."""
    context = context or ssl.create_default_context()

    class NotingSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 as the class above has it
            super().do_handshake(block)
            if certificate := self.getpeercert():
                seconds = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
                ends.append(dt.datetime.fromtimestamp(seconds, dt.UTC))

    context.sslsocket_class = NotingSocket
    return context
