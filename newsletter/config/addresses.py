"""The addresses that settings hold: web sites, links, mailboxes, machines, databases; read strictly."""

import ipaddress
import re
import unicodedata
from typing import Annotated, Final
from urllib.parse import urlsplit

import idna
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator

from newsletter.config.values import UNSEEN, refuse, shown

LONGEST_BOUNCES: Final = 23
"""Characters of the bounces address before the @: of 64, up to 41 are for the code of each message."""
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII | re.IGNORECASE)
_MAILBOX = re.compile(r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^<>"]*?)) ?<(?P<address>[^<>]*)>')
_UNFIT = re.compile(r'[\s<>"\\^`{|}\x00-\x1f\x7f]')
"""What cannot stand in any address (RFC 3986 section 2)."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def ascii_host(host: str) -> str | None:
    """A host name as it travels, in lower case; None if it is not one."""
    try:
        ascii_name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
        ascii_name = ascii_name.removesuffix(".")
    except idna.IDNAError:
        return None
    return ascii_name if _HOST.fullmatch(ascii_name) else None


def _service_url(value: str) -> str:
    """A web address of our own: https (http on this machine only), without question mark, fragment or last slash."""
    example = "Write it like https://news.example.org."
    text = value.strip()
    if "://" not in text:
        raise refuse(f": {shown(value)} does not begin with https://.", example)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise refuse(f": {shown(value)} is not a web address.", example) from None
    if parts.username is not None or parts.password is not None:
        raise refuse("holds a user name or password.", "Take out what stands before the @, and the @.")
    if parts.scheme not in {"http", "https"}:
        raise refuse(f": {shown(value)} does not begin with https://.", example)
    if "?" in text or "#" in text:
        raise refuse("holds a ? or a #.", "Leave out the question mark or # and what follows.")
    if _UNFIT.search(text) or not parts.path.isascii():
        raise refuse(f": {shown(value)} holds a character that cannot stand in a web address.", example)
    address = parts.hostname or ""
    host = f"[{address}]" if ":" in address else ascii_host(address)
    if not host:
        raise refuse(f": {shown(value)} has no name of a web site.", example)
    if parts.scheme == "http" and not is_loopback(host):
        fix = f"Write https://{host}; http is for trying things out on this machine (localhost) only."
        raise refuse("begins with http://, which anybody on the way can read.", fix)
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _origin(value: str) -> str:
    """A web site as browsers name it (RFC 6454): scheme, host, port, and nothing after it."""
    text = _service_url(value)
    if urlsplit(text).path:
        fix = f"Write {text[: text.index('/', 8)]}"
        raise refuse(f": {shown(value)} is a page, and not a whole web site.", fix)
    return text


def _link(value: str) -> str:
    """The address of a link that readers see: https, http, mailto or tel, whole."""
    text = value.strip()
    scheme = text.partition(":")[0].lower()
    if _UNFIT.search(text):
        raise refuse(f": {shown(value)} holds a character that cannot stand in a link.", "Write %20 for a blank.")
    if len(text) > 2_000:
        raise refuse("has more than 2,000 characters.", "Use a shorter address: many mail programs cut long links.")
    if scheme in {"mailto", "tel"} and len(text) > len(scheme) + 1:
        return text
    if scheme in {"http", "https"} and re.match(r"https?://[^/?#@]+(?:[/?#]|$)", text, re.IGNORECASE):
        return text
    if scheme in {"http", "https"}:
        raise refuse(f": {shown(value)} is not a whole web address.", "Write it like https://www.example.org/page.")
    if "@" in text and "/" not in text:
        raise refuse(f": {shown(value)} is not a link.", f"Write mailto:{text[:60]}")
    if re.match(r"[\w-]+(?:\.[\w-]+)+(?:[/?#]|$)", text):
        raise refuse(f": {shown(value)} is not a whole web address.", f"Write https://{text[:60]}")
    raise refuse(f": {shown(value)} is not a link.", "Begin it with https://, mailto: or tel:.")


def _mailbox(value: str) -> str:
    """One mailbox, `Name <address>` or a bare address, checked without asking the network."""
    text = unicodedata.normalize("NFC", value).strip()
    example = "Write it like: Data for Change <news@example.org>"
    if UNSEEN.search(text) or "\n" in text:
        raise refuse("holds a line break or an invisible character.", example, "mailbox")
    match = _MAILBOX.fullmatch(text)
    address = match["address"].strip() if match else text
    if not match and re.search(r"[<>,;\s]", address):
        raise refuse(f": {shown(value)} is not one mailbox.", example, "mailbox")
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise refuse(f": {shown(address)} is not an email address. {error}", example, "mailbox") from None
    return text


def _bounces(value: str) -> str:
    """A bare address in ASCII, short enough for what is added for each message (RFC 5321 section 4.5.3.1.1)."""
    text = _mailbox(value)
    local, _, domain = text.rpartition("@")
    if "<" in text or not re.fullmatch(r"[A-Za-z0-9._-]+", local):
        raise refuse(f": {shown(value)} is not a plain address.", "Write it like bounces@news.example.org.")
    if len(local) > LONGEST_BOUNCES:
        what = f"has more than {LONGEST_BOUNCES} characters before the @."
        raise refuse(what, "Use a shorter one: each message adds a code of its own to it.")
    host = ascii_host(domain)
    if not host:
        raise refuse(f": {shown(value)} is not an address of mail.", "Write it like bounces@news.example.org.")
    return f"{local}@{host}"


def _host_name(value: str) -> str:
    text = value.strip()
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        host = ascii_host(text)
    if not host:
        raise refuse(f": {shown(value)} is not the name of a machine.", "Write it like mail.example.org.")
    return host


def _domain(value: str) -> str:
    host = ascii_host(value.strip())
    if not host or "." not in host:
        raise refuse(f": {shown(value)} is not a domain.", "Write it like example.org.")
    return host


def _database_url(value: str) -> str:
    """An address that SQLAlchemy opens; never shown in an error, since it may hold a password."""
    text = value.strip()
    scheme, separator, rest = text.partition("://")
    forms = "Write sqlite:///subscribers/newsletter.db, or postgresql://user@host/database."
    if not separator or re.search(r"\s", text):
        raise refuse("is not the address of a database.", forms)
    if scheme.lower() in {"postgres", "postgresql", "postgresql+psycopg"} and rest:
        return f"postgresql+psycopg://{rest}"
    if scheme.lower() == "sqlite" and rest.strip("/") and rest.startswith("/") and ":memory:" not in rest:
        return f"sqlite://{rest}"
    raise refuse("names a database that is not known here.", forms)


ServiceUrl = Annotated[str, AfterValidator(_service_url)]
"""Where a service answers: no slash at the end, host in ASCII."""
Origin = Annotated[str, AfterValidator(_origin)]
"""A web site: scheme, host and port."""
LinkUrl = Annotated[str, AfterValidator(_link)]
"""The address of a link that readers see."""
MailboxText = Annotated[str, AfterValidator(_mailbox)]
"""`Name <address>` or a bare address."""
BouncesAddress = Annotated[str, AfterValidator(_bounces)]
"""A bare address for returned messages."""
HostName = Annotated[str, AfterValidator(_host_name)]
"""A host name in ASCII, or an IP address."""
Domain = Annotated[str, AfterValidator(_domain)]
"""A domain in ASCII, with at least one dot."""
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
"""An address for SQLAlchemy; PostgreSQL always with psycopg."""
