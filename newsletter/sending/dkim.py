"""Signs finished messages by DKIM (RFC 6376, RFC 8301, RFC 8463), so that providers know whose they are.

Nearly all of the time goes into the signature itself. Headers are signed in their relaxed form; the body as it is
(`c=relaxed/simple`): it is quoted-printable or base64, where no line ends with a blank, so there is nothing that a
relay could squeeze, and looking for it in every message would cost a third of the signature's time. The body is hashed
once however many keys sign, and while it is hashed other threads run; the RSA signature holds them up.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from newsletter.errors import MessageError
from newsletter.sending.dkim_keys import Key, kind_of, read_key

if TYPE_CHECKING:
    from newsletter.project import Project

_OVERSIGNED: Final = (
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "mime-version",
    "content-type",
    "list-unsubscribe",
    "list-unsubscribe-post",
)
"""Fields that there may be once at most: listed once more than there are, so that adding one breaks the signature
(RFC 6376 section 8.15)."""

_SIGNED: Final = (
    "sender",
    "content-transfer-encoding",
    "in-reply-to",
    "references",
    "list-id",
    "list-help",
    "list-subscribe",
    "list-owner",
    "list-archive",
    "list-post",
    "feedback-id",
    "cfbl-address",
)
"""Fields that are signed where they stand (RFC 6376 section 5.4.1)."""

_LINE: Final = 76
_NO_FIELD: Final = "The message cannot be signed: a line of its header is not «Name: value»."
_MOST_PLANS: Final = 100
_RUN: Final = re.compile(rb"[ \t\r\n]+")
_PADDING: Final = PKCS1v15()
_HASH: Final = SHA256()


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key and where its public half is found.

    Attributes:
        selector: The name in DNS.
        key: The private key.
    """

    selector: str
    key: Key


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is signed of messages whose headers have the same names in the same order.

    Attributes:
        picks: Which of the fields, in the order in which they are signed, and what each begins with then.
        fields: For each key the signature's field as it is written, with room for the time and the body's hash.
        signed: The same as it is signed.
    """

    picks: tuple[tuple[int, bytes], ...]
    fields: tuple[bytes, ...]
    signed: tuple[bytes, ...]


class DkimSigner:
    """Signs messages for one domain; may be used by many threads at once.

    Args:
        domain: Whose signature it is; the From domain or one above it, or it will not count for DMARC.
        keys: Each makes a signature of its own.
    """

    def __init__(self, domain: str, keys: Sequence[DkimKey]) -> None:
        self.domain = domain
        self.keys = tuple(keys)
        self._plans: dict[tuple[bytes, ...], _Plan] = {}

    def sign(self, content: bytes, now: datetime) -> bytes:
        """The signature fields to put in front of a message, each with its CRLF.

        Args:
            content: The whole message, lines ended by CRLF.
            now: The time of signing, with its zone.

        Raises:
            MessageError: The header cannot be read with certainty.
        """
        end = content.find(b"\r\n\r\n")
        header = content if end < 0 else content[: end + 2]
        digest = b64encode(_body_hash(content, len(header) + 2))
        fields = _read(header)
        names = tuple([field[0] for field in fields])
        plan = self._plans.get(names) or self._plan(names)
        # split() takes runs of blanks for one and drops those at the ends; _read has refused what else it splits at
        signed = b"".join([name + b" ".join(fields[pick][1].split()) + b"\r\n" for pick, name in plan.picks])
        time = int(now.timestamp())
        signatures = [
            form % (time, digest) + _folded(_signature(key.key, signed + form_signed % (time, digest))) + b"\r\n"
            for key, form, form_signed in zip(self.keys, plan.fields, plan.signed, strict=True)
        ]
        return b"".join(signatures)

    def _plan(self, names: tuple[bytes, ...]) -> _Plan:
        places: dict[str, list[int]] = {}
        for place, found in enumerate(names):
            places.setdefault(found.rstrip(b" \t").lower().decode("latin-1"), []).append(place)
        if "" in places:
            raise MessageError(_NO_FIELD)
        picks: list[tuple[int, bytes]] = []
        listed: list[str] = []
        for name in (*_OVERSIGNED, *_SIGNED):
            there = places.get(name, [])
            picks += [(place, f"{name}:".encode("ascii")) for place in reversed(there)]  # the lowest first, as RFC 6376
            listed += [name] * (len(there) + (name in _OVERSIGNED))
        fields = [self._field(key, listed) for key in self.keys]
        signed = [_RUN.sub(b" ", field).replace(b"DKIM-Signature: ", b"dkim-signature:", 1) for field in fields]
        plan = _Plan(tuple(picks), tuple(fields), tuple(form.rstrip(b" ") for form in signed))
        if len(self._plans) >= _MOST_PLANS:  # foreign messages; ours need two or three
            self._plans = {}
        self._plans[names] = plan
        return plan

    def _field(self, key: DkimKey, listed: list[str]) -> bytes:
        """The signature's field up to `b=`, with `%d` for the time and `%b` for the body's hash."""
        name = f"s={key.selector};"
        lines = [
            f"DKIM-Signature: v=1; a={kind_of(key.key)}-sha256; c=relaxed/simple; t=%d;",
            f" d={self.domain}; {name}"
            if len(self.domain) + len(name) < _LINE - 5
            else f" d={self.domain};\r\n {name}",
        ]
        line = " h="
        for at, field in enumerate(listed):
            word = field + (":" if at < len(listed) - 1 else ";")
            if len(line) + len(word) > _LINE:
                lines.append(line)
                line = " "
            line += word
        return "\r\n".join([*lines, line, " bh=%b;", " b="]).encode("ascii")


def _body_hash(content: bytes, start: int) -> bytes:
    """SHA-256 of the body, empty lines at its end left out and its last line ended (RFC 6376 section 3.4.3)."""
    if content.endswith(b"\r\n") and not content.endswith(b"\r\n\r\n") and start < len(content):
        return hashlib.sha256(memoryview(content)[start:]).digest()  # no copy of what is long
    body = content[start:]
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return hashlib.sha256(body + b"\r\n").digest()


def _read(header: bytes) -> list[list[bytes]]:
    """Name and value of each field; folded lines are joined (RFC 5322 section 2.2.3).

    Raises:
        MessageError: There is a line that is no field, or a control that programs read in different ways.
    """
    lines = header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t").split(b"\r\n")
    whole = b"".join(lines)
    if lines.pop() or b"\n" in whole or b"\r" in whole or b"\v" in whole or b"\f" in whole:
        raise MessageError(
            "The message cannot be signed: its header holds a line break or a control where none may be."
        )
    fields = [line.split(b":", 1) for line in lines]
    if len(min(fields, key=len, default=())) < 2:
        raise MessageError(_NO_FIELD)
    return fields


def _signature(key: Key, signed: bytes) -> bytes:
    if isinstance(key, RSAPrivateKey):
        return key.sign(signed, _PADDING, _HASH)
    return key.sign(hashlib.sha256(signed).digest())  # RFC 8463 section 3


def _folded(signature: bytes) -> bytes:
    """In base64, on lines as long as they may be."""
    text = b64encode(signature)
    room = _LINE - len(" b=")
    return b"\r\n ".join([text[start : start + room] for start in range(0, len(text), room)])


def open_signer(project: "Project") -> DkimSigner | None:
    """The signer that newsletter.toml asks for; None without [dkim], or where the sender does not sign itself.

    Raises:
        ConfigError: A key cannot be used.
    """
    dkim = project.settings.dkim
    if dkim is None or project.settings.sender.kind != "smtp":
        return None
    return DkimSigner(dkim.domain, read_keys(project))


def read_keys(project: "Project") -> list[DkimKey]:
    """The keys that newsletter.toml names, the RSA key first; none without [dkim].

    Raises:
        ConfigError: A key cannot be used.
    """
    dkim = project.settings.dkim
    if dkim is None:
        return []
    keys = [DkimKey(dkim.selector, read_key(project.root / dkim.key_file, "rsa"))]
    if dkim.ed25519_selector and dkim.ed25519_key_file:
        keys.append(DkimKey(dkim.ed25519_selector, read_key(project.root / dkim.ed25519_key_file, "ed25519")))
    return keys
