"""From an edition file to a composition: the one path that the preview, the test and the real mailing share.

    edition file -> views (slots lifted, Markdown rendered, pictures prepared) -> theme -> MJML and plain text
                 -> serialised and cut at conditional blocks -> Composition

Nothing about any reader is known here, so the work is done once however many there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_date
from markupsafe import Markup

from newsletter.config import Settings
from newsletter.edition.blocks import Block, ColumnsBlock
from newsletter.edition.files import EditionFile
from newsletter.errors import EditionInvalidError, Finding, ImageError, TemplateError
from newsletter.project import Project
from newsletter.rendering.composition import Composition, Picture, address_of
from newsletter.rendering.mjml import MAX_BYTES, Segment, StructureError, serialise
from newsletter.rendering.palette import make_palette
from newsletter.rendering.plaintext import cut_blocks, gap_after
from newsletter.rendering.slots import Marks
from newsletter.rendering.theme import MJML, TEXT, open_theme
from newsletter.rendering.view import (
    CONTENT_WIDTH,
    BlockViews,
    Loc,
    Medium,
    Pictures,
    direction,
    locale_of,
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What blocks are put on: an edition, or a letter, whose frame is another one.

    Attributes:
        template: The templates of the whole, up to their endings.
        values: What templates see beside what every template does.
        own: What stands in texts and addresses for a value of the reader's own, or of all: `{list}` for `list_title`.
        embedded: Whether pictures travel inside the message; as the settings say if None.
    """

    template: str = "edition"
    values: Mapping[str, object] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    embedded: bool | None = None


_EDITION: Final = Sheet()


def compose(file: EditionFile, project: Project, sheet: Sheet = _EDITION) -> Composition:
    """Render an edition once, for all readers.

    Args:
        file: The edition.
        project: Whose theme, settings and pictures are used.
        sheet: What its blocks are put on.

    Raises:
        EditionInvalidError: A picture is missing or cannot be used, or the edition is far too long; all at once.
        TemplateError: Templates of the project are wrong; all that the edition uses, and its own mistakes, at once.
        ConfigError: A brand colour cannot be read against its background.
    """
    return _Composer(file, project, sheet).compose()


class _Composer:
    """The state of composing one edition."""

    def __init__(self, file: EditionFile, project: Project, sheet: Sheet) -> None:
        self.file = file
        self.sheet = sheet
        self.edition = file.edition
        self.project = project
        self.settings: Settings = project.settings
        self.theme = open_theme(project.templates)
        self.language = self.edition.language or self.settings.newsletter.language
        self.direction = direction(self.language)
        self.embedded = self.settings.sending.images == "embed" if sheet.embedded is None else sheet.embedded
        self.marks = Marks.unlike(self.edition.model_dump_json() + self.settings.model_dump_json())
        self.pictures = Pictures(self._address)
        zone = ZoneInfo(self.settings.newsletter.timezone)
        self.views = BlockViews(file, self.marks, self.pictures, zone, locale_of(self.language), sheet.own)
        self.frame: dict[str, Any] = {}
        self.sources: list[tuple[str, Loc, str]] = []  # for each block's number: its template, its place, what it made
        self.findings: list[Finding] = []  # what is wrong with templates
        self.mistakes = self.pictures.findings  # what is wrong with the edition

    def compose(self) -> Composition:
        self.frame = self._frame()
        segments = self._html()
        self.sources.clear()
        self.marks.blocks.clear()
        text = self._page(TEXT, self._blocks(self.edition.blocks, ("blocks",), "text", CONTENT_WIDTH)) or ""
        self._tell_lost(TEXT, text)
        if self.findings:
            raise TemplateError(findings=[*self.findings, *self.mistakes])
        if self.mistakes:
            raise EditionInvalidError(findings=self.mistakes)
        return Composition(
            slug=self.file.slug,
            title=self.views.text(self.edition.title),
            language=self.language,
            direction=self.direction,
            subject=self.marks.cut_header(self.views.text(self.edition.subject)),
            sender=self.edition.from_,
            reply_to=self.edition.reply_to,
            pictures=tuple(self.pictures.prepared.values()),
            embedded=self.embedded,
            html_segments=segments,
            text_segments=cut_blocks(text, self.marks),
            marks=self.marks,
            file=self.file,
        )

    # The two parts

    def _html(self) -> tuple[Segment, ...]:
        page = self._page(MJML, self._blocks(self.edition.blocks, ("blocks",), "html", CONTENT_WIDTH))
        if page is None:
            return ()
        if len(page) > MAX_BYTES:
            what = f"The edition is so long that it makes more than {MAX_BYTES // 1_000_000} MB; no mail may be."
            self.mistakes.append(self.file.finding(("blocks",), "weight", what, "Make several editions of it."))
            return ()
        try:
            segments = serialise(page, self.marks)
        except StructureError as error:
            self._tell_structure(error)
            return ()
        self._tell_lost(MJML, page)
        return segments

    def _whole(self, kind: str) -> str:
        """The template of the whole part."""
        return f"{self.sheet.template}{kind}"

    def _page(self, kind: str, blocks: list[dict[str, object]]) -> str | None:
        """The whole part, of finished blocks; None where its template is wrong."""
        name = self._whole(kind)
        try:
            page = self.theme.render(name, self.frame | {"blocks": blocks})
        except TemplateError as error:
            self._tell(error.findings)
            return None
        if not self.marks.whole(page):
            self._tell([self._mistake(name, "The template cuts finished blocks, or turns them around.", _AS_IT_IS)])
            return None
        return page

    def _blocks(self, blocks: Sequence[Block], loc: Loc, medium: Medium, width: int) -> list[dict[str, object]]:
        """Each block as its template made it, between the marks of its begin and end.

        What follows a block (in plain text: blank lines) stands inside its marks, so that a hidden block leaves no gap.
        """
        made: list[dict[str, object]] = []
        for number, block in enumerate(blocks):
            place, in_column = (*loc, number), len(loc) > 1
            begin, end = self.marks.ends_of_block(block.when)
            name = f"blocks/{block.kind}{MJML if medium == 'html' else TEXT}"
            at = len(self.sources)
            self.sources.append((name, place, ""))
            view = self.views.view(block, place, medium, width)
            if isinstance(block, ColumnsBlock):
                inside = self.views.width_inside(block)
                columns = [
                    self._blocks(column, (*place, "columns", column_number), medium, inside)
                    for column_number, column in enumerate(block.columns)
                ]
                view["columns"] = [
                    [item["mjml" if medium == "html" else "text"] for item in column] for column in columns
                ]
            try:
                source = self.theme.render(name, self.frame | {"block": view, "in_column": in_column, "width": width})
            except TemplateError as error:
                self._tell(error.findings, place)
                continue
            if medium == "html":
                source = f"{begin}{source.strip()}{end}"
                self.sources[at] = (name, place, source)
                rows = source.startswith((f"{begin}<mj-section", f"{begin}<mj-wrapper"))
                made.append({"kind": block.kind, "mjml": Markup(source), "rows": rows})  # noqa: S704 the theme's own
            else:
                gap = gap_after(block.kind, in_column=in_column)
                text = source.strip("\n")
                made.append({"kind": block.kind, "text": f"{begin}{text}{gap}{end}"})
        return made

    # What is wrong with templates

    def _tell(self, findings: Sequence[Finding], place: Loc | None = None) -> None:
        """Keep these findings; a template that is used often is told once, with the first block that uses it."""
        for finding in findings:
            if not any((f.file, f.line, f.what) == (finding.file, finding.line, finding.what) for f in self.findings):
                block = self.file.finding(place, "", "", "").block if place else None
                self.findings.append(replace(finding, block=block))

    def _tell_structure(self, error: StructureError) -> None:
        """Keep what the strict parser found; it stops at the first mistake, so each block is read once more alone."""
        found = len(self.findings)
        for _, _, source in self.sources:
            try:
                serialise(_alone(source, self.marks), self.marks)
            except StructureError as own:
                self._tell_misbuilt(own)
        if len(self.findings) == found:
            self._tell_misbuilt(error)

    def _tell_misbuilt(self, error: StructureError) -> None:
        inside = error.block is not None
        name, place, _ = self.sources[error.block] if error.block is not None else (self._whole(MJML), None, "")
        name, line = self.theme.locate(error.tag, name, _SHARED if inside else _FRAME)
        self._tell([self._mistake(name, error.what, error.fix, line)], place)

    def _tell_lost(self, kind: str, page: str) -> None:
        """Keep the first block that templates left out, if nothing else is wrong with them."""
        if (lost := self.marks.lost(page)) and not self.findings:
            place = self.sources[lost[0]][1]
            name = self._whole(kind) if len(place) == 2 else f"blocks/columns{kind}"  # who should have shown it
            self._tell([self._mistake(name, "The template leaves out a block.", "Show every block.")], place)

    def _mistake(self, name: str, what: str, fix: str, line: int | None = None) -> Finding:
        return Finding(rule="template", what=what, fix=fix, file=self.theme.label(name), line=line)

    # What every template sees

    def _frame(self) -> dict[str, Any]:
        """What every template sees beside its block; docs/reference/theme.md describes it."""
        settings, text = self.settings, self.views.text
        palette = make_palette(settings)
        words = self.theme.words(self.language)
        base = settings.newsletter.base_url
        edition = self.edition
        date = format_date(edition.date, "long", locale=self.views.locale) if edition.date else None
        return {
            **self.sheet.values,
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
            self.mistakes.append(self.settings.finding("brand.logo", rule="image", what=str(error)))
            return None

    def _address(self, picture: Picture) -> str:
        return address_of(picture, embedded=self.embedded, base_url=self.settings.newsletter.base_url)


_AS_IT_IS: Final = "Put each block in place as it is: no filter, no slice."
_SHARED: Final = (f"parts{MJML}",)
_FRAME: Final = tuple(f"{name}{MJML}" for name in ("head", "masthead", "footer", "parts"))
"""Templates whose mistakes come to light in a block, or in the frame around all blocks."""


def _alone(source: str, marks: Marks) -> str:
    """A whole document with only this block in it."""
    rows = marks.block.sub("", source).startswith(("<mj-section", "<mj-wrapper"))
    return f"<mjml><mj-body>{source if rows else _IN_A_ROW.format(source)}</mj-body></mjml>"


_IN_A_ROW: Final = "<mj-section><mj-column>\n{}\n</mj-column></mj-section>"
