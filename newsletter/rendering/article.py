"""An edition as a web page that everybody may read: its own clean HTML, not the tables of the mail.

It comes from the same views as the mail, for nobody in particular: slots show what they show when nothing is known,
and blocks with `when` are there only if they show to such a reader. Nothing in it comes from another machine.
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from newsletter.edition.blocks import (
    Block,
    CalloutBlock,
    ColumnsBlock,
    EventBlock,
    HeadingBlock,
    LinksBlock,
    SpotlightBlock,
)
from newsletter.edition.files import EditionFile
from newsletter.edition.prose import SCHEMES
from newsletter.errors import CompileError, EditionInvalidError
from newsletter.expressions import parse_expression
from newsletter.project import Project
from newsletter.rendering.composition import NOBODY, Composition, Picture
from newsletter.rendering.escaping import fill_pieces, one_spaced
from newsletter.rendering.slots import Marks
from newsletter.rendering.theme import open_theme
from newsletter.rendering.view import CONTENT_WIDTH, BlockViews, Loc, Pictures, direction, locale_of

PICTURES: Final = "/images/"
"""Where pictures are, in an article's own HTML; `Article.html_at` puts what stands before it."""

_ANYBODY: Final = {**NOBODY, "email": None}
"""Who reads a web page: not even an address is known."""

_SOURCE: Final = '<img src="'
_EMPTY: Final = re.compile(r"<(h2|h3|p)>\s*</\1>")
_LINES: Final = re.compile(r"\n{2,}")
_CARDS: Final = (SpotlightBlock, EventBlock, CalloutBlock, LinksBlock)
_TAGS: Final = frozenset(
    {
        *("a", "br", "cite", "em", "img", "span", "strong", "time"),
        *("h2", "h3", "hr", "p", "ol", "ul", "li", "dl", "dt", "dd"),
        *("aside", "blockquote", "div", "figcaption", "figure", "section"),
    }
)
_ATTRIBUTES: Final = {
    "*": {"class"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "loading"},
    "ol": {"start"},
    "time": {"datetime"},
    "ul": {"aria-label"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """An edition as everybody may read it.

    Attributes:
        slug: The edition's name in addresses.
        title: Its title.
        series: The series that it belongs to.
        language: BCP 47 tag.
        direction: `ltr` or `rtl`.
        date: The day that its writer put on it.
        description: What it is about, in a sentence; may be empty.
        public: Whether everybody may read it.
        html: Its blocks as HTML; pictures are at `/images/<name>`. Headings begin at the second level.
        picture: The name of its first picture.
        picture_alt: What that picture shows.
        pictures: The names of all its pictures.
    """

    slug: str
    title: str
    series: str | None
    language: str
    direction: str
    date: dt.date | None
    description: str
    public: bool
    html: str = field(repr=False)
    picture: str | None = None
    picture_alt: str = ""
    pictures: tuple[str, ...] = ()

    def html_at(self, address: str) -> str:
        """The HTML with its pictures under an address, such as `https://news.example.org`."""
        # Between tags every < is written as &lt;, so this finds pictures alone.
        return self.html.replace(f"{_SOURCE}{PICTURES}", f"{_SOURCE}{escape(address)}{PICTURES}")

    def dump(self) -> bytes:
        """The article as bytes that `load` reads; the same article always gives the same bytes."""
        data = asdict(self) | {"date": self.date and self.date.isoformat()}
        return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def load(cls, stored: bytes) -> "Article":
        """The article that `dump` wrote.

        Raises:
            CompileError: These bytes are not an article of this version.
        """
        try:
            data = json.loads(stored)
            date = data.pop("date")
            pictures = tuple(data.pop("pictures"))
            return cls(**data, date=date and dt.date.fromisoformat(date), pictures=pictures)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CompileError("The stored web page cannot be read by this version.") from error


def make_article(file: EditionFile, project: Project) -> tuple[Article, tuple[Picture, ...]]:
    """An edition as a web page, and the pictures that it shows.

    Raises:
        EditionInvalidError: A picture is missing or cannot be used.
        TemplateError: A file of words of the project cannot be read.
    """
    edition = file.edition
    language = edition.language or project.settings.newsletter.language
    marks = Marks.unlike(edition.model_dump_json())
    pictures = Pictures(lambda picture: f"{PICTURES}{picture.name}")
    zone = ZoneInfo(project.settings.newsletter.timezone)
    views = BlockViews(file, marks, pictures, zone, locale_of(language))
    maker = _Maker(views)
    blocks = list(maker.views_of(edition.blocks, ("blocks",), CONTENT_WIDTH))
    if pictures.findings:
        raise EditionInvalidError(findings=pictures.findings)
    page = _template().render(blocks=blocks, words=open_theme(project.templates).words(language))

    def filled(text: str) -> str:
        return one_spaced(fill_pieces(marks.cut_header(views.text(text)), _ANYBODY, {}))

    html = _clean(fill_pieces(marks.cut_html(page), _ANYBODY, {}))
    first = next(iter(pictures.prepared), None)
    article = Article(
        slug=file.slug,
        title=edition.title,
        series=edition.series,
        language=language,
        direction=direction(language),
        date=edition.date,
        description=filled(edition.preheader or ""),
        public=edition.public,
        html=html,
        picture=first,
        picture_alt=filled(maker.alt_of_first or ""),
        pictures=tuple(pictures.prepared),
    )
    return article, tuple(pictures.prepared.values())


def web_page(composition: Composition, project: Project) -> tuple[Article | None, tuple[Picture, ...]]:
    """What goes to the web with the mailing of a composition: its page, and all pictures that are fetched from there.

    Returns:
        The page, None for an edition that is not public; and the pictures, of the messages too where they do not travel
        inside.

    Raises:
        EditionInvalidError: As for `make_article`.
    """
    if composition.file is None:
        raise CompileError("A composition that was stored has lost its edition. Compose it again.")
    pictures = () if composition.embedded else composition.pictures
    if not composition.file.edition.public:
        return None, pictures
    article, shown = make_article(composition.file, project)
    return article, tuple({each.name: each for each in (*pictures, *shown)}.values())


class _Maker:
    """Makes what the template sees of each block that shows, with the level of its heading.

    Attributes:
        alt_of_first: What the first picture shows, as its writer wrote it; None as long as there is none.
    """

    def __init__(self, views: BlockViews) -> None:
        self._views = views
        self._under_heading = False
        self.alt_of_first: str | None = None

    def views_of(self, blocks: Sequence[Block], loc: Loc, width: int) -> Iterator[dict[str, Any]]:
        """The views of these blocks, in order."""
        for number, block in enumerate(blocks):
            if block.when is not None and not parse_expression(block.when).test(_ANYBODY):
                continue
            place, in_column = (*loc, number), len(loc) > 1
            # As wide as in the mail, so that both show the same files.
            view = self._views.view(block, place, "html", width)
            view |= {"level": self._level(block, in_column=in_column), "room": width}
            if isinstance(block, EventBlock):
                view["datetime"] = self._machine_readable(block.starts)
            if isinstance(block, ColumnsBlock):
                inside = self._views.width_inside(block)
                view["columns"] = [
                    list(self.views_of(column, (*place, "columns", at), inside))
                    for at, column in enumerate(block.columns)
                ]
            self._remember_first(block)
            yield view

    def _level(self, block: Block, *, in_column: bool) -> int:
        """Of a block's heading: no level is left out on the way down, as screen readers read the page by them."""
        if isinstance(block, HeadingBlock):
            level = block.level if self._under_heading else 2
            self._under_heading = True
            return level
        if isinstance(block, LinksBlock) and not in_column:
            return 2
        return 3 if self._under_heading and isinstance(block, _CARDS) else 2

    def _remember_first(self, block: Block) -> None:
        if self.alt_of_first is not None:
            return
        if block.kind == "image":
            self.alt_of_first = block.alt
        elif block.kind == "video":
            self.alt_of_first = block.title
        elif isinstance(block, SpotlightBlock) and block.image is not None:
            self.alt_of_first = block.image.alt

    def _machine_readable(self, moment: dt.date) -> str:
        if isinstance(moment, dt.datetime) and moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._views.timezone)
        return moment.isoformat()


def _clean(html: str) -> str:
    """The page once more through the cleaner that bodies went through, and without what slots left empty."""
    clean = nh3.clean(
        html,
        tags=set(_TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        link_rel=None,
    )
    return _LINES.sub("\n", _EMPTY.sub("", clean)).strip()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("article.html.j2")
