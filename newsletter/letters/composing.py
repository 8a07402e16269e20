"""Composes letters with the theme: by the path that editions take, once for all letters that say the same."""

from pathlib import Path

from newsletter.edition.files import EditionFile
from newsletter.edition.tree import Document
from newsletter.edition.wording import Place
from newsletter.letters.wording import OWN, Matter, edition_of, question_name, question_sign, why
from newsletter.project import Project
from newsletter.rendering.compose import Sheet, compose
from newsletter.rendering.composition import Composition
from newsletter.rendering.theme import open_theme


def compose_letter(project: Project, matter: Matter) -> Composition:
    """A letter rendered for everybody who gets one like it.

    Its pictures (the logo) travel inside: it is one message, and nothing that it shows has to be on the web.

    Raises:
        TemplateError: Templates, or words, of the project are wrong.
        EditionInvalidError: The logo cannot be used.
        ConfigError: A brand colour cannot be read against its background.
        CompileError: What the templates made cannot become HTML.
    """
    theme = open_theme(project.templates)
    slug = f"letter-{matter.kind}"
    file = EditionFile(
        edition_of(theme, matter),
        slug,
        project.templates / "letter.mjml.j2",
        Path(project.templates),
        place=Place(slug, Document("", None, "")),
    )
    sheet = Sheet(
        template="letter",
        values={"letter": {"kind": str(matter.kind), "why": why(theme, matter)}},
        own={**OWN, **{question_sign(number): question_name(number) for number in range(matter.questions)}},
        embedded=True,
    )
    return compose(file, project, sheet)
