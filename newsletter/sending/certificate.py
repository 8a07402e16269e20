"""Certificates: what became of a mailing, signed, so that anybody can see later whether the record was changed.

A certificate is a JSON file: the edition with its digest, the rule that chose the audience, how many deliveries ended
in which state and why, and a hash chain over all deliveries in the order of their ids. Each link of the chain is

    SHA-256(link before, id, state, reason code, when claimed, when answered, keyed hash of the address)

The keyed hash is the one that the delivery got when it was claimed. It stays when a person changes the address, is
merged with another or is erased, so that none of this breaks the chain. The file names nobody.

It is signed with Ed25519 (RFC 8032), by a key that is derived from the project's secret key (HKDF, RFC 5869). The
signature proves that whoever held the secret key wrote exactly this file; anybody can check that with the public key
in it, if its fingerprint is known from elsewhere. It does not prove that the ledger was true when it was written, nor
when that was: the clock and the database are those of the signer.

Of a delivery whose end was not known yet (`claimed`, `unknown`) only id and address are in the chain, since an answer
may still come. Verification tells what became of them.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from newsletter import __version__
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState, delivery
from newsletter.errors import MailingNotFoundError, SendError
from newsletter.sending import mailings
from newsletter.sending.mailings import Mailing

FORMAT: Final = 1
"""Of the file; verification refuses others."""

_BLOCK: Final = 1000
"""Deliveries between two links that the file shows, so that a difference can be placed."""

_OPEN: Final = frozenset({DeliveryState.CLAIMED, DeliveryState.UNKNOWN})
_COLUMNS: Final = ("id", "state", "reason", "claimed_at", "answered_at", "address_hash", "subscriber_id")
_OVER: Final = (MailingState.SENT, MailingState.CANCELLED)
_PURPOSE: Final = b"newsletter certificate"

# Between blanks or brackets only: what a mail server says may hold an address, which erasing takes out.
_CODES: Final = tuple(
    re.compile(rf"(?<![\w.@+-]){code}(?![\w.@+-])") for code in (r"[245]\.\d{1,3}\.\d{1,3}", r"[245]\d\d")
)
_WORD: Final = re.compile(r"[a-z]+")
_ERASED: Final = re.escape("erased@example.invalid")
"""What erasing puts in the place of an address in a condition."""

_NAMES: Final = {"where": "the condition that chose the audience", "title": "the title", "digest": "the edition's text"}


@dataclass(frozen=True, slots=True)
class Verification:
    """What the comparison of a certificate with the ledger showed.

    Attributes:
        mailing: Which one; None if the file cannot be believed at all.
        problems: What is wrong, in sentences; empty if all is as it was certified.
        notes: What has happened since, and is not wrong.
        fingerprint: Of the key that signed; None if nothing did.
    """

    mailing: int | None
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fingerprint: str | None = None

    @property
    def good(self) -> bool:
        """Whether all is as it was certified."""
        return not self.problems


def make_certificate(database: Database, mailing_id: int, *, secret: bytes, now: datetime) -> dict[str, Any]:
    """The signed certificate of a mailing that is over, as plain values; `write_certificate` makes the file of it.

    Reads the ledger once, in bounded memory but for the ids of deliveries whose end is not known.

    Raises:
        MailingNotFoundError: There is no such mailing.
        SendError: It is not over.
    """
    with database.read() as connection:
        about = mailings.read_mailing(connection, mailing_id)
        if about.state not in _OVER:
            raise SendError(
                f"Mailing {mailing_id} is {about.state}: it can be certified when it is sent or cancelled. "
                f"See how it stands:  newsletter mailings show {mailing_id}"
            )
        summary = _summarise(connection, mailing_id)
        digest = mailings.read_composition(connection, about.digest)
    data = {
        "format": FORMAT,
        "made_at": _moment(now),
        "program": f"stayintheloop {__version__}",
        "mailing": _mailing(about) | {"composition": hashlib.sha256(digest).hexdigest()},
        **summary.as_json(),
    }
    key = _private_key(secret)
    data["key"] = key.public_key().public_bytes_raw().hex()
    return data | {"signature": key.sign(write_certificate(data)).hex()}


def write_certificate(data: dict[str, Any]) -> bytes:
    """The one way to write a certificate as a file; the signature is over the same without `signature`."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1).encode() + b"\n"


def fingerprint(data: dict[str, Any]) -> str:
    """A short name for the key that signed a certificate: SHA-256, its first 16 bytes."""
    digest = hashlib.sha256(bytes.fromhex(data["key"])).hexdigest()
    return ":".join(digest[place : place + 4] for place in range(0, 32, 4))


def verify_certificate(database: Database, content: bytes, *, secret: bytes) -> Verification:
    """Compare a certificate, as it stands in its file, with its own signature and with the ledger."""
    data = _believed(content)
    if data is None:
        return Verification(None, ("The file is not a certificate, or was changed after it was signed.",))
    if data["key"] != _private_key(secret).public_key().public_bytes_raw().hex():
        problem = (
            "The file is signed, and unchanged, but not with the key of this project: "
            "it is of another project, or the secret key was replaced since."
        )
        return Verification(None, (problem,), (), fingerprint(data))
    if data.get("format") != FORMAT:
        return Verification(
            None, ("The certificate was made by a newer version of this program.",), (), fingerprint(data)
        )
    return _compare(database, data)


def _compare(database: Database, data: dict[str, Any]) -> Verification:
    """Compare what our own key has signed with the ledger."""
    certified = data["mailing"]
    number, key = int(certified["id"]), fingerprint(data)
    still_open = frozenset(row for rows in data["open"].values() for row in rows)
    with database.read() as connection:
        try:
            about = mailings.read_mailing(connection, number)
        except MailingNotFoundError:
            return Verification(number, (f"There is no mailing {number} in this database.",), (), key)
        if _moment(about.created_at) != certified["created_at"]:
            problem = f"Mailing {number} of this database is another one, made at {about.created_at:%Y-%m-%d %H:%M:%S}."
            return Verification(number, (problem,), (), key)
        now = _summarise(connection, number, still_open)
        stored = hashlib.sha256(mailings.read_composition(connection, about.digest)).hexdigest()
    problems: list[str] = []
    notes: list[str] = []
    for name, value in (_mailing(about) | {"composition": stored}).items():
        if value == certified[name]:
            continue
        if name == "where" and _is_cleaned(certified[name], value):
            notes.append("Somebody named in the condition was erased since.")
        else:
            problems.append(f"{_NAMES.get(name, name).capitalize()} is not what was certified.")
    problems += _differences(data, now)
    notes += _later(data, now)
    return Verification(number, tuple(problems), tuple(notes), key)


def _differences(data: dict[str, Any], now: "_Summary") -> Iterator[str]:
    """What the chain and the counts say about the ledger of today."""
    then = data["deliveries"]
    if now.rows != then["rows"]:
        yield f"{then['rows']:,} deliveries were certified; the ledger has {now.rows:,}."
    if now.link.hex() == then["link"]:
        return
    shown = zip([*then["links"], then["link"]], [*now.links, now.link.hex()], strict=False)
    block = next((number for number, (one, other) in enumerate(shown) if one != other), 0)
    first, last = block * _BLOCK + 1, min((block + 1) * _BLOCK, max(now.rows, then["rows"]))
    yield f"A delivery was changed, added or taken away; the first such is among numbers {first:,} to {last:,}."
    counts = now.counts(data["open"])
    for state, reason in sorted({(each["state"], each["reason"]) for each in data["counts"]} | set(counts)):
        certified = sum(
            each["deliveries"] for each in data["counts"] if (each["state"], each["reason"]) == (state, reason)
        )
        if certified != counts[state, reason]:
            told = f"{state} ({reason})" if reason else state
            yield f"{told}: {certified:,} were certified; the ledger has {counts[state, reason]:,}."


def _later(data: dict[str, Any], now: "_Summary") -> Iterator[str]:
    """What has happened since, as it may."""
    if gone := now.nameless - data["deliveries"]["nameless"]:
        yield f"Since then {gone:,} of the people were erased or merged; their deliveries are as certified."
    for (was, state), number in sorted(now.settled(data["open"]).items()):
        if state != was:
            yield f"Since then {number:,} that was {was} became {state}."


class _Summary:
    """What a walk through the deliveries of a mailing adds up to; `start` is where its chain begins."""

    def __init__(self, start: bytes, settled_later: frozenset[int] | None) -> None:
        self.link = hashlib.sha256(start).digest()
        self.links: list[str] = []
        self.rows = self.nameless = 0
        self._certified_open = settled_later
        self._open: dict[int, str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, row: tuple[Any, ...]) -> None:
        """Take in the next delivery, the columns of `_COLUMNS`."""
        if self.rows and self.rows % _BLOCK == 0:
            self.links.append(self.link.hex())
        self.rows += 1
        number, state, reason, claimed_at, answered_at, address_hash, person = row
        self.nameless += person is None
        hashed = b"" if address_hash is None else address_hash
        is_open = state in _OPEN if self._certified_open is None else number in self._certified_open
        if is_open:
            self._open[number] = state
            line = f"{number}\nopen\n{hashed.hex()}"
        else:
            code = _reason_code(state, reason)
            self._counts[state, code] += 1
            line = f"{number}\n{state}\n{code}\n{_moment(claimed_at)}\n{_moment(answered_at)}\n{hashed.hex()}"
        self.link = hashlib.sha256(self.link + line.encode()).digest()

    def counts(self, certified_open: dict[str, list[int]]) -> Counter[tuple[str, str]]:
        """How many there are of each state and reason, the open ones as they were certified."""
        found = self._counts.copy()
        for state, rows in certified_open.items():
            found[state, ""] += sum(row in self._open for row in rows)
        return found

    def settled(self, certified_open: dict[str, list[int]]) -> Counter[tuple[str, str]]:
        """What became of those that were certified as open."""
        return Counter(
            (was, self._open[row]) for was, rows in certified_open.items() for row in rows if row in self._open
        )

    def as_json(self) -> dict[str, Any]:
        """The parts of the certificate that it makes up."""
        still_open: dict[str, list[int]] = {}
        for row, state in self._open.items():
            still_open.setdefault(state, []).append(row)
        counts = [
            {"state": state, "reason": reason, "deliveries": number}
            for (state, reason), number in sorted(self.counts(still_open).items())
        ]
        chain = {"rows": self.rows, "nameless": self.nameless, "links": self.links, "link": self.link.hex()}
        return {"counts": counts, "open": still_open, "deliveries": chain}


def _summarise(connection: sa.Connection, mailing_id: int, settled_later: frozenset[int] | None = None) -> _Summary:
    """Walk through the deliveries of a mailing in the order of their ids, a block at a time."""
    summary = _Summary(b"%b %d" % (_PURPOSE, mailing_id), settled_later)
    ids = sa.select(sa.func.min(delivery.c.id), sa.func.max(delivery.c.id)).where(delivery.c.mailing_id == mailing_id)
    first, last = connection.execute(ids).one()
    if first is None:
        return summary
    # The sum keeps the database from an index by which it would have to sort all rows for every block.
    of_mailing = (delivery.c.mailing_id + 0) == mailing_id
    query = sa.select(*(delivery.c[name] for name in _COLUMNS)).where(of_mailing, delivery.c.id <= last)
    after = first - 1
    while block := connection.execute(query.where(delivery.c.id > after).order_by(delivery.c.id).limit(_BLOCK)).all():
        for row in block:
            summary.add(row)
        after = block[-1].id
    return summary


def _mailing(about: Mailing) -> dict[str, Any]:
    """What a certificate says about a mailing."""
    plain = {name: getattr(about, name) for name in ("id", "edition", "title", "digest", "where", "sender", "audience")}
    moments = {name: _moment(getattr(about, name)) for name in ("created_at", "started_at", "finished_at")}
    corrects = {"recipients_of": about.recipients_of, "recipients_state": about.recipients_state}
    return plain | {"list": about.list_slug, "state": str(about.state)} | moments | corrects


def _reason_code(state: str, reason: str | None) -> str:
    """A reason without the words of others, which may hold an address: a status code, or a word of ours."""
    if not reason:
        return ""
    if state == DeliveryState.SKIPPED:
        return reason if _WORD.fullmatch(reason) else "not written"
    return next((found[0] for code in _CODES if (found := code.search(reason))), "other")


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _is_cleaned(before: str | None, after: str | None) -> bool:
    """Whether a condition differs only by addresses that erasing took out of it."""
    if before is None or after is None or "erased@example.invalid" not in after:
        return False
    return re.fullmatch(re.escape(after).replace(_ERASED, r"[^\s\"']+"), before) is not None


def _private_key(secret: bytes) -> Ed25519PrivateKey:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
    return Ed25519PrivateKey.from_private_bytes(derived)


def _believed(content: bytes) -> dict[str, Any] | None:
    """What a file says, if it is signed by the key in it, and written in the one way that we write."""
    try:
        data = json.loads(content)
        if not isinstance(data, dict) or write_certificate(data) != content:
            return None
        unsigned = {name: value for name, value in data.items() if name != "signature"}
        signature = bytes.fromhex(data["signature"])
        if signature.hex() != data["signature"]:
            return None
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(data["key"])).verify(signature, write_certificate(unsigned))
    except (ValueError, KeyError, TypeError, RecursionError, InvalidSignature):
        return None
    return data
