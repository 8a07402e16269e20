"""Makes the piece of HTML that puts a form of ours into a page of another web site: plain, without script or style."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from newsletter.config import Settings
from newsletter.web.public.forms import Question
from newsletter.web.public.words import choose_language

_PAGES: Final = Path(__file__).parent / "pages"


def form_snippet(settings: Settings, slug: str) -> str:
    """The HTML of a form, to be pasted into a page.

    It has no stamp, since that would be good once only: so our page shows the form once more before it is kept.

    Args:
        settings: The project's.
        slug: The form; there must be one.
    """
    templates = Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    form = settings.forms[slug]
    return templates.get_template("form_snippet.html.j2").render(
        t=choose_language(None, "", settings.newsletter.language),
        action=f"{settings.newsletter.base_url}/forms/{slug}",
        form=form,
        questions=[Question(ask) for ask in form.fields],
    )
