"""What an edition may point at: web, mail and telephone addresses, its own pictures, and who it comes from."""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote, unquote

from email_validator import EmailNotValidError, validate_email

from newsletter.edition.problems import Problem

Slots = Sequence[tuple[int, int]]
"""Where slots stand in a text: the start and end of each, in order."""

RULE: Final = "address"
LONGEST_ADDRESS: Final = 2_000

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(r"//([^/?#]*)")
_LIKE_A_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?::\d+)?(?:[/?#].*)?", re.DOTALL)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_TELEPHONE = re.compile(r"\+?[0-9](?:[0-9().-]*[0-9])?", re.ASCII)
_HOST_CHARACTER = re.compile(r"[\w.-]+")
_MAILBOX = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<angle>[^<>]*)>|(?P<bare>[^<>]*)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\["\\])*"')
_WHOLE: Final = "Write the whole address, beginning with https://."


def address_problem(address: str, slots: Slots = ()) -> Problem | None:
    """What is wrong with a link's address.

    Args:
        address: The address; where a slot stands, letters or digits in its stead.
        slots: Where slots stand: start and end in `address`.
    """
    problem = _character_problem(address)
    scheme = _SCHEME.match(address)
    if problem is None and slots and slots[0][0] < (scheme.end() if scheme else 1):
        problem = Problem(RULE, "A slot cannot choose the web site.", _WHOLE, slots[0][0])
    if problem:
        return problem
    if scheme is None or (_LIKE_A_HOST.fullmatch(address) and "." in scheme[1]):
        return _relative(address)
    judge = _JUDGES.get(scheme[1].lower())
    if judge is None:
        return Problem(RULE, f"A link cannot begin with «{scheme[0]}».", "Begin it with https://, mailto: or tel:.")
    return judge(address, scheme.end(), slots)


def _character_problem(address: str) -> Problem | None:
    if not address:
        return Problem(RULE, "There is no address here.", _WHOLE)
    if len(address) > LONGEST_ADDRESS:
        what = f"This address has {len(address):,} characters; {LONGEST_ADDRESS:,} are the most."
        return Problem(RULE, what, "Use a shorter one: many mail programs cut long links.", LONGEST_ADDRESS)
    for at, character in enumerate(address):
        if character.isspace():
            what, fix = "There is a blank in this address.", "Take it out, or write %20 for it."
        elif unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn", "Zs"}:
            what = f"There is an invisible character in this address (U+{ord(character):04X})."
            fix = "Copy the address anew, or type it."
        elif character in '<>"\\^`{|}':
            what, fix = f"{character} cannot stand in an address.", f"Write {quote(character)} for it."
        elif character == "%" and not _PERCENT.match(address, at):
            what, fix = "A % in an address must be followed by two digits.", "Write %25 for a percent sign."
        else:
            continue
        return Problem(RULE, what, fix, at)
    return None


def _relative(address: str) -> Problem:
    """What to say of an address that does not say what it is."""
    what = "This is only a part of an address; a message needs the whole."
    if address.startswith("//"):
        return Problem(RULE, what, f"Write https:{address[:60]}")
    if address.startswith("#"):
        fix = "Links to a place inside the same message do not work in mail; link to a web page, or take the link out."
        return Problem(RULE, what, fix)
    if "@" in address and "/" not in address:
        return Problem(RULE, what, f"Write mailto:{address[:60]}")
    if _LIKE_A_HOST.fullmatch(address):
        return Problem(RULE, what, f"Write https://{address[:60]}")
    return Problem(RULE, what, _WHOLE)


def _web(address: str, start: int, slots: Slots) -> Problem | None:
    match = _AUTHORITY.match(address, start)
    if match is None:
        return Problem(RULE, "Two slashes are missing after the colon.", _WHOLE, start)
    if slots and slots[0][0] < match.end():
        fix = "Slots may stand after the first slash that follows the site's name."
        return Problem(RULE, "A slot cannot choose the web site.", fix, slots[0][0])
    authority = match[1]
    if "@" in authority:
        what = "There is a name or password before the web site, which mail filters take for a trick."
        return Problem(RULE, what, "Take it out, with its @.", match.start(1))
    if not _is_host(authority):
        what = f"«{authority[:60]}» is no name of a web site." if authority else "The web site's name is missing."
        return Problem(RULE, what, "Write it like https://www.example.org/page.", match.start(1))
    return None


def _is_host(authority: str) -> bool:
    """Whether this is a host (RFC 3986, section 3.2.2; letters of all scripts as in RFC 3987), with or without port."""
    host, colon, port = authority.rpartition(":")
    if colon and not authority.endswith("]"):
        if not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535):
            return False
    else:
        host = authority
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
        return host.endswith("]")
    bare = "".join(c for c in host if not unicodedata.category(c).startswith("M"))  # vowel signs and other marks
    if len(host) > 253 or not _HOST_CHARACTER.fullmatch(bare):
        return False
    labels = host.removesuffix(".").split(".")
    return all(0 < len(label) <= 63 and label[0] != "-" and label[-1] != "-" for label in labels)


def _telephone(address: str, start: int, slots: Slots) -> Problem | None:
    if slots:
        return Problem(RULE, "A slot cannot stand in a telephone number.", "Write the number.", slots[0][0])
    if _TELEPHONE.fullmatch(address, start):
        return None
    fix = "Write it with the country's code and without blanks, like tel:+41-22-555-0100."
    return Problem(RULE, "This is no telephone number.", fix, start)


def _mail(address: str, start: int, slots: Slots) -> Problem | None:
    path, question, _ = address[start:].partition("?")
    if slots and slots[0][0] < start + len(path) + len(question):
        fix = "Write the address; slots may stand after the ?, as in mailto:team@example.org?subject=…"
        return Problem(RULE, "A slot cannot choose whom a mail goes to.", fix, slots[0][0])
    if not path:
        if question:
            return None  # a mail to whom the reader likes (RFC 6068, section 2)
        return Problem(RULE, "The mail address is missing.", "Write it like mailto:team@example.org.", start)
    for part in path.split(","):
        problem = _mail_address_problem(unquote(part))
        if problem:
            return Problem(RULE, problem, "Write it like mailto:team@example.org.", start)
    return None


def _mail_address_problem(address: str) -> str | None:
    try:
        validate_email(address, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError as error:
        return f"«{address[:60]}» is no mail address: {str(error)[0].lower()}{str(error)[1:]}"
    return None


_JUDGES: Final[dict[str, Callable[[str, int, Slots], Problem | None]]] = {
    "http": _web,
    "https": _web,
    "mailto": _mail,
    "tel": _telephone,
}
"""What may be the first part of an address, and what judges the rest of it."""


def mailbox_problem(text: str) -> Problem | None:
    """What is wrong with a mailbox, written as `Name <address>` or as an address alone."""
    rule, example = "mailbox", "Write it like Data Team <team@example.org>."
    match = _MAILBOX.fullmatch(text)
    if match is None:
        what = "There is more than one pair of < and > here." if text.count("<") > 1 else "A < or > has no partner."
        return Problem(rule, what, f"One mailbox can stand here. {example}")
    name = match["name"] or ""
    if '"' in name and not _QUOTED.fullmatch(name):
        return Problem(rule, "The quotes around the name do not fit.", f"Take them out. {example}")
    address = match["angle"] if match["bare"] is None else match["bare"]
    at = text.find(address)
    problem = (
        _mail_address_problem(address.strip()) if address.strip() == address else "There is a blank around the address."
    )
    if problem is None and len(address) <= 254:  # RFC 5321, section 4.5.3.1.3, less the angle brackets
        return None
    return Problem(rule, problem or "The address has more than 254 characters.", example, max(at, 0))


def picture_path_problem(path: str) -> Problem | None:
    """What is wrong with the path of a picture inside the edition's folder."""
    rule, fix = "picture-path", "Put the picture into the edition's folder images/ and write src: images/name.png."
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path) or path.startswith("//"):
        what = "A picture must be a file of this edition, not an address or a place on your computer."
        return Problem(rule, what, fix)
    if path.startswith(("/", "~")):
        return Problem(rule, "A picture's path begins inside the edition's folder.", fix)
    if (at := path.find("\\")) >= 0:
        return Problem(
            rule, "There is a backslash in this path.", f"Write slashes: {path.replace(chr(92), '/')[:60]}", at
        )
    if ".." in path.split("/"):
        return Problem(rule, "A path cannot leave the edition's folder with ..", fix, path.index(".."))
    if path.endswith("/") or not path.strip("./"):
        return Problem(rule, "This is a folder, not a picture.", fix)
    return None
