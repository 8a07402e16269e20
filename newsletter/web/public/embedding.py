"""The sign-up form as a piece of HTML for the pages of another web site.

It is a form and nothing else: no script, no style, nothing that is loaded from us before the visitor presses the
button. It posts to our page, which shows what was typed and asks to press the button there.
"""

from newsletter.app import Newsletter
from newsletter.errors import UsageError
from newsletter.web.public.site import Site
from newsletter.web.public.words import choose_language, languages


def write_snippet(newsletter: Newsletter, slug: str, language: str | None = None) -> str:
    """The HTML of a form to sign up for a list.

    Args:
        newsletter: The project.
        slug: The list.
        language: Of its words; the project's own if not given.

    Raises:
        ListNotFoundError: There is no such list.
        UsageError: Nobody may sign up for it, or there are no words in that language.
    """
    newsletter.list_title(slug)  # which says what lists there are, if this is none
    site = Site(newsletter)
    kept = site.settings.lists[slug]
    if not kept.sign_up:
        raise UsageError(
            f"Nobody may sign up for the list «{slug}» yet. Write sign_up = true under [lists.{slug}] in "
            "newsletter.toml first."
        )
    if language and language.lower().partition("-")[0] not in languages():
        raise UsageError(f"The pages have no words in «{language}» yet. They have: {', '.join(sorted(languages()))}.")
    words = choose_language(language, "", site.settings.newsletter.language)
    return site.render("embed.html.j2", words, slug=slug, title=kept.title)
