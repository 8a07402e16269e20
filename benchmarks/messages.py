"""What a personal message costs: against the standard library building the same one, and against one SHA-256 over it.

The letter is the size of a real one: about 45 kB of table-based HTML and its plain text, ten fills, two variants;
readers have short, long, accented, Arabic, Japanese and missing names. Ours does everything that a mailing does for a
message: choosing the variant, evaluating, escaping, signing the links, headers, encoding. The standard library gets the
finished texts for nothing and only builds the message. The best of many runs counts for each. Ratios:

- messages per second of ours over those of `email` (goal: at least 200);
- time of one message of ours over the time of `hashlib.sha256` over its bytes (goal: at most 1);
- the most memory that a process needs for 1,000,000 readers over that for 1,000 (goal: at most 1.1).
"""

import datetime as dt
import hashlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cached_property
from typing import cast

from benchmarks.row import Row
from newsletter.config import Settings
from newsletter.expressions import parse_expression
from newsletter.rendering.composition import Composition, Person, Picture, Variant
from newsletter.rendering.pieces import Context, Fill, Pieces
from newsletter.sending.message import MessageWriter, Reader
from newsletter.tokens import Signer

NOW = dt.datetime(2026, 3, 5, 9, 7, 2, tzinfo=dt.UTC)
ROUNDS = 10
READERS = 200  # take about as long as one message of the standard library
FEW, MANY = 1_000, 1_000_000

NAMES = (
    ("Ana", "Lima"),
    ("Ngozi", "Okafor"),
    ("Mary Jane", "O'Neil"),
    ("Zoë", "Brontë"),
    ("Wolfeschlegelsteinhausenbergerdorff", "Hubert Blaine"),
    ("محمد", "الأحمد"),
    ("田中", "さくら"),
    ("Jean-Luc", "Moreau"),
    ("Fatima", None),
    (None, None),
)
NAME = 'first_name | default("friend")'
PARAGRAPH = (
    "Data is an institutional asset, and a resource with public value when it is shared responsibly. Sharing needs "
    "governance, interoperability and a clear purpose, always centred on children. "
)
STYLE = "font-family:Helvetica Neue, Helvetica, Arial, sans-serif;font-size:16px;line-height:1.5;color:#1f2933"
CARD = (
    '<div class="card" style="margin:0px auto;max-width:600px">\n<table align="center" border="0" cellpadding="0" '
    'cellspacing="0" role="presentation" style="width:100%"><tbody><tr><td style="direction:ltr;font-size:0px;'
    'padding:16px 24px;text-align:center">\n<table border="0" cellpadding="0" cellspacing="0" role="presentation" '
    f'width="100%"><tbody><tr><td align="left" style="word-break:break-word"><div style="{STYLE}"><h2>Édition · '
    f'Governance</h2><p>{PARAGRAPH * 6}</p><p><a href="https://example.org/stories/story?lang=en&amp;from=letter" '
    'style="color:#0b5563">Read the story</a></p></div></td></tr></tbody></table>\n</td></tr></tbody></table></div>\n'
)
PLAIN_CARD = (
    "Édition · Governance\n\n" + PARAGRAPH.replace(". ", ".\n") * 6 + "Read the story:\nhttps://example.org/s\n\n"
)


@dataclass(frozen=True)
class Letter:
    """What a composition offers to those who write messages, without compiling MJML."""

    slug: str = "benchmark"
    title: str = "Benchmark"
    language: str = "en"
    subject: Pieces = ("Data sharing that protects children: for ", Fill(NAME, Context.HEADER))
    sender: str | None = None
    reply_to: str | None = None
    conditions: tuple[str, ...] = ('"researcher" in tags',)
    pictures: tuple[Picture, ...] = ()
    embedded: bool = False
    digest: str = hashlib.sha256(b"benchmark").hexdigest()

    @cached_property
    def _test(self) -> Callable[[Person], bool]:
        return parse_expression(self.conditions[0]).test

    def key_for(self, person: Person) -> tuple[bool, ...]:
        """Which conditions hold."""
        return (self._test(person),)

    def variant(self, key: tuple[bool, ...]) -> Variant:
        """About 45 kB of HTML, ten fills in it and in the text."""
        cards = 24 + key[0]
        html: Pieces = (
            f'<!doctype html>\n<html lang="en"><head><title>Letter</title></head>\n<body><p style="{STYLE}">Dear ',
            Fill(NAME, Context.HTML),
            f",</p>\n{CARD * (cards // 2)}<p>For our readers in ",
            Fill('country | default("all countries")', Context.HTML),
            ':</p><p><a href="https://example.org/search?who=',
            Fill("first_name", Context.URL),
            f'&amp;lang=en">search</a></p>\n{CARD * (cards - cards // 2)}<p>You get this because you joined ',
            Fill("list_title", Context.HTML, link=True),
            '. <a href="',
            Fill("preferences", Context.ATTRIBUTE, link=True),
            '">Preferences</a> <a href="',
            Fill("unsubscribe", Context.ATTRIBUTE, link=True),
            '">Unsubscribe</a></p>\n</body></html>\n',
        )
        text: Pieces = (
            "Dear ",
            Fill(NAME, Context.PLAIN),
            f",\n\n{PLAIN_CARD * (cards // 3)}Preferences: ",
            Fill("preferences", Context.PLAIN, link=True),
            "\nUnsubscribe: ",
            Fill("unsubscribe", Context.PLAIN, link=True),
            "\n",
        )
        return Variant(key=key, html=html, text=text, mjml="")


def make_writer() -> MessageWriter:
    """A writer with the settings of an ordinary project."""
    settings = Settings.model_validate(
        {
            "newsletter": {"name": "Data for Change", "base_url": "https://news.example.org"},
            "identity": {"from": "Safe Online <news@example.org>", "postal_address": "1 Example Street\nExampletown"},
            "lists": {"community": {"title": "Data for Change community"}},
        }
    )
    return MessageWriter(
        cast("Composition", Letter()),
        settings,
        signer=Signer(b"benchmark" * 4),
        mailing_id=12,
        list_slug="community",
        list_id=2,
        list_title="Data for Change community",
    )


def readers(count: int) -> Iterator[Reader]:
    """People, made one after the other."""
    for number in range(count):
        first, last = NAMES[number % len(NAMES)]
        email = f"person.{number}@example.com"
        person: dict[str, object] = {
            "email": email,
            "first_name": first,
            "last_name": last,
            "language": "en",
            "country": "KE" if number % 3 else None,
            "tags": ("researcher",) if number % 2 else (),
            "joined": None,
            "attributes": {},
        }
        yield Reader(subscriber_id=number, delivery_id=1_000_000 + number, email=email, person=person)


def with_standard_library(writer: MessageWriter, reader: Reader) -> Callable[[], bytes]:
    """A function that builds the same message with `email`; the texts are filled before, the clock is not running."""
    subject, html, text = writer.subject_for(reader), writer.html_for(reader), writer.text_for(reader)
    unsubscribe = writer.own_values(reader)["unsubscribe"]
    name = " ".join(str(part) for part in (reader.person["first_name"], reader.person["last_name"]) if part)

    def build() -> bytes:
        message = EmailMessage(policy=SMTP)
        message["From"] = Address("Safe Online", addr_spec="news@example.org")
        message["To"] = Address(name, addr_spec=reader.email)
        message["Subject"] = subject
        message["Date"] = NOW
        message["Message-ID"] = f"<{reader.delivery_id}@example.org>"
        message["List-Unsubscribe"] = f"<{unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message["List-Id"] = "Data for Change community <community.example.org>"
        message["List-Owner"] = "<mailto:news@example.org>"
        message["List-Post"] = "NO"
        message["Precedence"] = "list"
        message.set_content(text, cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        return message.as_bytes()

    return build


def rows() -> Iterator[Row]:
    """Three rows."""
    writer = make_writer()
    people = list(readers(READERS))
    content = writer.write(people[0], NOW).content
    builders = [with_standard_library(writer, person) for person in people[: len(NAMES)]]

    def write_all() -> None:
        for person in people:
            writer.write(person, NOW)

    def hash_all() -> None:
        for _ in people:
            hashlib.sha256(content).digest()

    write_all()  # compiles both variants
    ours, hashing = [], []
    theirs: list[list[float]] = [[] for _ in builders]
    for _ in range(ROUNDS):  # in turn, in stretches of like length, so that a busy machine is as busy for all of them
        for build, times in zip(builders, theirs, strict=True):
            ours.append(_seconds(write_all) / READERS)
            hashing.append(_seconds(hash_all) / READERS)
            times.append(_seconds(build))
    written, hashed, built = min(ours), min(hashing), sum(map(min, theirs)) / len(theirs)
    yield Row(
        name=f"personal messages of {len(content) / 1000:.0f} kB, one core",
        ours=f"{1 / written:,.0f} /s",
        theirs=f"standard library's email: {1 / built:,.0f} /s",
        ratio=built / written,
        goal=200,
    )
    yield Row(
        name="one message, all work included",
        ours=f"{written * 1e6:.1f} µs",
        theirs=f"one SHA-256 over its bytes: {hashed * 1e6:.1f} µs",
        ratio=written / hashed,
        goal=1,
        better="lower",
    )
    few, many = _peak(FEW), _peak(MANY)
    yield Row(
        name=f"memory for {MANY:,} readers' messages",
        ours=f"{many / 1000:.1f} MB",
        theirs=f"for {FEW:,} readers: {few / 1000:.1f} MB",
        ratio=many / few,
        goal=1.1,
        better="lower",
    )


def _seconds(work: Callable[[], object]) -> float:
    """Of processor time, which other programs on the machine disturb least."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _peak(count: int) -> int:
    """The most memory, in kB, of a process of its own that writes so many messages."""
    command = [sys.executable, "-m", __name__, str(count)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _write_and_tell_memory(count: int) -> None:
    writer = make_writer()
    for reader in readers(count):
        writer.write(reader, NOW)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    _write_and_tell_memory(int(sys.argv[1]))
