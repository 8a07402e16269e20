"""From an edition file to a composition: the one path that the preview, the test and the real mailing share.

    edition file -> views (slots lifted, Markdown rendered, pictures prepared) -> theme -> MJML and plain text
                 -> serialised and cut at conditional blocks -> Composition

Nothing about any reader is known here, so the work is done once however many there are.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date
from markupsafe import Markup

from newsletter.config import Settings
from newsletter.edition.blocks import Block, ColumnsBlock
from newsletter.edition.files import EditionFile
from newsletter.errors import EditionInvalidError, Finding, ImageError, Severity, TemplateError
from newsletter.project import Project
from newsletter.rendering.composition import Composition, Picture, address_of
from newsletter.rendering.mjml import Segment, StructureError, serialise
from newsletter.rendering.palette import make_palette
from newsletter.rendering.plaintext import cut_blocks
from newsletter.rendering.slots import Marks
from newsletter.rendering.theme import MJML, TEXT, Theme
from newsletter.rendering.view import (
    CONTENT_WIDTH,
    HEAVY_PICTURE,
    BlockViews,
    Loc,
    Medium,
    Pictures,
    direction,
    locale_of,
)


def compose(file: EditionFile, project: Project) -> Composition:
    """Render an edition once, for all readers.

    Raises:
        EditionInvalidError: A picture is missing or cannot be used; all such problems at once.
        TemplateError: A template of the project is wrong; all of the edition's templates at once.
        ConfigError: A brand colour cannot be read against its background.
    """
    return _Composer(file, project).compose()


class _Composer:
    """The state of composing one edition."""

    def __init__(self, file: EditionFile, project: Project) -> None:
        self.file = file
        self.edition = file.edition
        self.project = project
        self.settings: Settings = project.settings
        self.theme = Theme(project.templates)
        self.language = self.edition.language or self.settings.newsletter.language
        self.direction = direction(self.language)
        self.marks = Marks.unlike(self.edition.model_dump_json() + self.settings.model_dump_json())
        self.pictures = Pictures(self._address)
        self.views = BlockViews(file, self.marks, self.pictures, ZoneInfo(self.settings.newsletter.timezone))
        self.sources: list[tuple[str, Loc]] = []  # for each block's number: its template and place

    def compose(self) -> Composition:
        frame = self._frame()
        segments = self._html(frame)
        self.sources.clear()
        self.marks.blocks.clear()
        text = self._text(frame)
        if self.pictures.findings:
            raise EditionInvalidError(findings=self.pictures.findings)
        return Composition(
            slug=self.file.slug,
            title=self.views.text(self.edition.title),
            language=self.language,
            direction=self.direction,
            subject=self.marks.cut_header(self.views.text(self.edition.subject)),
            sender=self.edition.from_,
            reply_to=self.edition.reply_to,
            pictures=tuple(self.pictures.prepared.values()),
            embedded=self.settings.sending.images == "embed",
            html_segments=segments,
            text_segments=cut_blocks(text, self.marks),
            marks=self.marks,
        )

    # The two parts

    def _html(self, frame: dict[str, Any]) -> tuple[Segment, ...]:
        blocks = self._blocks(self.edition.blocks, ("blocks",), "html", CONTENT_WIDTH, frame)
        page = self.theme.render(f"edition{MJML}", frame | {"blocks": blocks})
        try:
            return serialise(page, self.marks)
        except StructureError as error:
            raise self._structure(error) from None

    def _text(self, frame: dict[str, Any]) -> str:
        blocks = self._blocks(self.edition.blocks, ("blocks",), "text", CONTENT_WIDTH, frame)
        return self.theme.render(f"edition{TEXT}", frame | {"blocks": [str(block["text"]) for block in blocks]})

    def _blocks(  # noqa: PLR0913 it calls itself for columns
        self,
        blocks: Sequence[Block],
        loc: Loc,
        medium: Medium,
        width: int,
        frame: dict[str, Any],
        *,
        in_column: bool = False,
    ) -> list[dict[str, object]]:
        """Each block as its template made it, between the marks of its begin and end."""
        made: list[dict[str, object]] = []
        findings: list[Finding] = []
        for number, block in enumerate(blocks):
            place = (*loc, number)
            begin, end = self.marks.ends_of_block(block.when)
            name = f"blocks/{block.kind}{MJML if medium == 'html' else TEXT}"
            self.sources.append((name, place))
            view = self.views.view(block, place, medium, width)
            if isinstance(block, ColumnsBlock):
                inside = self.views.width_inside(block)
                view["columns"] = [
                    [
                        item["mjml" if medium == "html" else "text"]
                        for item in self._blocks(column, (*place, "columns", at), medium, inside, frame, in_column=True)
                    ]
                    for at, column in enumerate(block.columns)
                ]
            try:
                source = self.theme.render(name, frame | {"block": view, "in_column": in_column, "width": width})
            except TemplateError as error:
                findings += [finding for finding in error.findings if finding not in findings]
                continue
            if medium == "html":
                made.append({"kind": block.kind, "mjml": Markup(f"{begin}{source}{end}")})  # noqa: S704 the theme's own
            else:
                made.append({"kind": block.kind, "text": f"{begin}{source.strip(chr(10))}{end}"})
        if findings:
            raise TemplateError(findings=findings)
        return made

    def _structure(self, error: StructureError) -> TemplateError:
        """The error of the strict parser, at the template that made it."""
        name, place = self.sources[error.block] if error.block is not None else (f"edition{MJML}", ("",))
        lines = self.theme.source(name).splitlines()
        line = next((number for number, text in enumerate(lines, 1) if error.tag and f"<{error.tag}" in text), None)
        block = self.file.finding(place, "", "", "").block if error.block is not None else None
        finding = Finding(
            rule="template", what=error.what, fix=error.fix, file=self.theme.label(name), line=line, block=block
        )
        return TemplateError(findings=[finding])

    # What every template sees

    def _frame(self) -> dict[str, Any]:
        settings, text = self.settings, self.views.text
        palette = make_palette(settings)
        words = self.theme.words(self.language)
        base = settings.newsletter.base_url
        edition = self.edition
        date = _date_text(edition.date, self.language) if edition.date else None
        return {
            "brand": {
                "light": asdict(palette.light),
                "dark": asdict(palette.dark),
                "name": settings.newsletter.name,
                "logo": self._logo(),
                "heading_font": settings.brand.fonts.heading,
                "body_font": settings.brand.fonts.body,
            },
            "words": words,
            "edition": {
                "title": text(edition.title),
                "series": text(edition.series) if edition.series else None,
                "subject": text(edition.subject),
                "date_text": date,
                "language": self.language,
                "dir": self.direction,
                "public": edition.public,
            },
            "preheader": text(edition.preheader) if edition.preheader else None,
            "dir": self.direction,
            "start": "left" if self.direction == "ltr" else "right",
            "end": "right" if self.direction == "ltr" else "left",
            "footer": settings.footer.model_dump(),
            "publisher": {
                "name": settings.newsletter.name,
                "organisation": settings.newsletter.organisation,
                "postal_address": settings.identity.postal_address.strip().splitlines(),
                "list_title": self.marks.link("list_title"),
                "base_url": base,
            },
            "links": {
                "unsubscribe": self.marks.link("unsubscribe"),
                "preferences": self.marks.link("preferences"),
                "view": f"{base}/e/{self.file.slug}" if edition.public else None,
                "subscribe": f"{base}/subscribe",
            },
        }

    def _logo(self) -> dict[str, object] | None:
        brand = self.settings.brand
        if not brand.logo:
            return None
        alt = brand.logo_alt or self.settings.newsletter.name
        try:
            return self.pictures.show(self.project.root / brand.logo, alt, brand.logo_width)
        except ImageError as error:
            line, column = self.settings.place("brand.logo") or (None, None)
            self.pictures.findings.append(
                Finding(rule="image", what=str(error), file="newsletter.toml", line=line, column=column)
            )
            return None

    def _address(self, picture: Picture) -> str:
        embedded = self.settings.sending.images == "embed"
        return address_of(picture, embedded=embedded, base_url=self.settings.newsletter.base_url)


def _date_text(date: dt.date, language: str) -> str:
    return format_date(date, "long", locale=locale_of(language))


# What composing alone can tell

CLIPPED_AT = 102_000  # bytes of HTML after which Gmail hides the rest behind a link
NEARLY_CLIPPED_AT = 80_000


def weigh(composition: Composition, file: str) -> tuple[Finding, ...]:
    """Findings about the weight of the message: Gmail cuts long ones, and slow lines wait for heavy pictures.

    Args:
        composition: With all its conditional blocks shown, which is the heaviest message.
        file: The edition's file, for the findings.
    """
    findings: list[Finding] = []
    heaviest = composition.variant((True,) * len(composition.conditions))
    size = sum(len(piece.encode()) if isinstance(piece, str) else 40 for piece in heaviest.html)
    if size > CLIPPED_AT:
        findings.append(
            Finding(
                rule="weight",
                file=file,
                what=f"The edition makes {size // 1000} KB of HTML; Gmail hides everything after 102 KB, "
                "with it the unsubscribe link.",
                fix="Make it shorter, or move a part to the web and link to it.",
            )
        )
    elif size > NEARLY_CLIPPED_AT:
        findings.append(
            Finding(
                rule="weight",
                severity=Severity.SHOULD_FIX,
                file=file,
                what=f"The edition makes {size // 1000} KB of HTML; Gmail hides everything after 102 KB.",
                fix="Leave some room: make it shorter.",
            )
        )
    findings += [
        Finding(
            rule="heavy-picture",
            severity=Severity.SHOULD_FIX,
            file=file,
            what=f"The picture {picture.name} weighs {len(picture.content) // 1000:,} KB even after scaling.",
            fix="Use a smaller or simpler picture; readers on phones pay for it.",
        )
        for picture in composition.pictures
        if len(picture.content) > HEAVY_PICTURE
    ]
    return tuple(findings)
