"""The body of a message as MIME has it: encoded once for each variant, with gaps for what differs between readers."""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.errors import MessageError
from newsletter.rendering.composition import Person, Picture, Variant
from newsletter.rendering.escaping import ESCAPES, Escape, escape_own, expression_of
from newsletter.rendering.pieces import Context, Fill, Pieces
from newsletter.sending.quoted_printable import encode_stretch

_DIGEST: Final = re.compile(r"[0-9a-f]{32,}")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_MEDIA_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif"})
_BROKEN: Final = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\ufeff\\ud800-\\udfff\ufffe\uffff]")
_BASE64_LINE: Final = 57  # octets that make a line of 76 columns (RFC 2045 section 6.8)


@dataclass(frozen=True, slots=True)
class Gap:
    """Where one value goes in one context.

    Attributes:
        escape: Makes the value ready for the context.
        places: Which of the frame's stretches it becomes.
    """

    escape: Escape
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The body of one variant, its own header fields first.

    Attributes:
        stretches: Encoded bytes in order; the gaps are empty.
        values: What works out a value for a person, and where that goes.
        tokens: For each of the reader's own links, which stretches its token becomes; what stands before it is static.
    """

    stretches: tuple[bytes, ...]
    values: tuple[tuple[Callable[[Person], str], tuple[Gap, ...]], ...]
    tokens: Mapping[str, tuple[int, ...]]


class FrameBuilder:
    """Builds the frames of one composition.

    Args:
        digest: The composition's, in hexadecimal; it becomes the boundary between parts.
        pictures: Those of the composition when they travel inside the message, else none.
        same_for_all: Values of fills marked `link` that do not differ between readers, by name.
        pages: For each of the reader's own links, its URL up to the token; a token is letters, digits, `-` and `_`.
    """

    def __init__(
        self,
        digest: str,
        pictures: tuple[Picture, ...],
        same_for_all: Mapping[str, str],
        pages: Mapping[str, str],
    ) -> None:
        if not _DIGEST.fullmatch(digest):
            raise MessageError("The composition has no digest. Build the edition again.")
        # `=_` can stand neither in quoted-printable nor in base64, so no part can hold a boundary.
        self._alternative = f"=_{digest[:32]}_a"
        self._related = f"=_{digest[:32]}_r"
        self._same_for_all = same_for_all
        self._pages = pages
        self._pictures = tuple((f"cid:{picture.content_id}", _picture_part(picture)) for picture in pictures)

    def build(self, variant: Variant) -> Frame:
        """The frame of one variant, with those pictures that it shows.

        Raises:
            MessageError: The static text holds control characters or half characters, or asks for an unknown link.
        """
        page = "".join(piece for piece in variant.html if isinstance(piece, str))
        pictures = [part for address, part in self._pictures if address in page]
        stretches: list[bytes | Fill] = [_multipart("alternative", self._alternative)]
        stretches += [_delimiter(self._alternative), _text_part("plain"), *self._encoded(variant.text)]
        stretches += [_delimiter(self._alternative)]
        if pictures:
            stretches += [_multipart("related", self._related, ';\r\n type="text/html"'), _delimiter(self._related)]
        stretches += [_text_part("html"), *self._encoded(variant.html)]
        for part in pictures:
            stretches += [_delimiter(self._related), part]
        if pictures:
            stretches += [_delimiter(self._related, "--")]
        stretches += [_delimiter(self._alternative, "--")]
        return frame_of(stretches)

    def settled(self, pieces: Pieces) -> Iterator[str | Fill]:
        """The pieces with all put in that is the same for every reader; a link stands up to its token.

        Raises:
            MessageError: The static text holds control characters or half characters, or asks for an unknown link.
        """
        static = ""
        for piece in pieces:
            if isinstance(piece, str):
                static += piece
            elif piece.link and piece.name in self._same_for_all:
                static += escape_own(self._same_for_all[piece.name], piece.context)
            else:
                if piece.link:
                    static += escape_own(self._page(piece.name), piece.context)
                yield _static(static)
                yield piece
                static = ""
        yield _static(static if static.endswith("\n") else f"{static}\n")

    def _encoded(self, pieces: Pieces) -> Iterator[bytes | Fill]:
        for piece in self.settled(pieces):
            yield piece if isinstance(piece, Fill) else encode_stretch(piece)

    def _page(self, link: str) -> str:
        if link not in self._pages:
            known = f"Use {' or '.join(self._pages)}." if self._pages else "Take it out."
            raise MessageError(f"The theme asks for a link «{link}», which no reader has. {known}")
        return self._pages[link]


def frame_of(stretches: Sequence[bytes | Fill]) -> Frame:
    """The stretches of a body, with its fills gathered by what they need to be worked out."""
    values: dict[str, dict[Context, list[int]]] = {}
    tokens: dict[str, list[int]] = {}
    for number, stretch in enumerate(stretches):
        if not isinstance(stretch, Fill):
            continue
        if stretch.link:
            tokens.setdefault(stretch.name, []).append(number)
        else:
            values.setdefault(stretch.name, {}).setdefault(stretch.context, []).append(number)
    return Frame(
        stretches=tuple(b"" if isinstance(stretch, Fill) else stretch for stretch in stretches),
        values=tuple(
            (
                expression_of(name).text,
                tuple(Gap(ESCAPES[context], tuple(numbers)) for context, numbers in contexts.items()),
            )
            for name, contexts in values.items()
        ),
        tokens={name: tuple(numbers) for name, numbers in tokens.items()},
    )


def _static(text: str) -> str:
    if found := _BROKEN.search(text):
        raise MessageError(
            f"The edition holds the character U+{ord(found[0]):04X}, which no message may hold, near "
            f"«{_BROKEN.sub('�', text[max(0, found.start() - 30) : found.end() + 30]).strip()}». Take it out."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _multipart(kind: str, boundary: str, more: str = "") -> bytes:
    return f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"{more}\r\n'.encode("ascii")


def _delimiter(boundary: str, end: str = "") -> bytes:
    """The line between parts; the CRLF before it belongs to it, or ends the header (RFC 2046 section 5.1.1)."""
    return f"\r\n--{boundary}{end}\r\n".encode("ascii")


def _text_part(kind: str) -> bytes:
    header = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return header.encode("ascii")


def _picture_part(picture: Picture) -> bytes:
    if not _FILE_NAME.fullmatch(picture.name) or picture.media_type not in _MEDIA_TYPES:
        raise MessageError(
            f"The picture «{picture.name[:80]}» cannot travel in a message, because of its name or its type. "
            "Save it as JPEG or PNG, with letters and digits in its name."
        )
    starts = range(0, len(picture.content), _BASE64_LINE)
    lines = [base64.b64encode(picture.content[start : start + _BASE64_LINE]) for start in starts]
    header = (
        f"Content-Type: {picture.media_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{picture.content_id}>\r\n"
        f'Content-Disposition: inline;\r\n filename="{picture.name}"\r\n\r\n'
    )
    return header.encode("ascii") + b"\r\n".join(lines)
