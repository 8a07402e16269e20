"""Everything that reading and composing an edition can find wrong with it, as findings instead of errors."""

from collections.abc import Iterator
from dataclasses import replace

from pydantic import BaseModel

from newsletter.edition.files import EditionFile, read_edition
from newsletter.errors import Finding, NewsletterError, Severity
from newsletter.expressions import Slot, parse_text
from newsletter.project import Project
from newsletter.rendering.compose import compose
from newsletter.rendering.composition import Composition
from newsletter.rendering.theme import open_theme
from newsletter.rendering.view import Loc
from newsletter.rendering.weight import weigh


def check(slug: str, project: Project) -> tuple[Finding, ...]:
    """Everything that is wrong with an edition, as the project weighs it.

    Raises:
        EditionNotFoundError: There is no such edition.
    """
    path = project.edition_file(slug)
    try:
        file = read_edition(path, project.root)
        return check_composed(file, project, compose(file, project))
    except NewsletterError as error:
        if error.findings:
            return weighed(error.findings, project)
        if isinstance(error, LookupError):
            raise
        return (Finding(rule="compile", what=str(error), file=path.relative_to(project.root).as_posix()),)


def check_composed(file: EditionFile, project: Project, composition: Composition) -> tuple[Finding, ...]:
    """What is wrong with an edition that could be composed."""
    where = file.finding((), "", "", "").file
    try:
        findings = [
            *file.findings,
            *weigh(composition, file, project),
            *_bare_slots(file),
            *_foreign_words(file, project),
        ]
    except NewsletterError as error:
        findings = [Finding(rule="compile", what=str(error), file=where)]
    return weighed(findings, project)


def weighed(findings: list[Finding] | tuple[Finding, ...], project: Project) -> tuple[Finding, ...]:
    """The findings with the severities that `[checks]` gives; what must be fixed cannot be made less."""
    wanted = project.settings.checks
    kept: list[Finding] = []
    for finding in findings:
        severity = wanted.get(finding.rule)
        if severity is None or finding.severity is Severity.MUST_FIX:
            kept.append(finding)
        elif severity != "off":
            kept.append(replace(finding, severity=Severity(severity)))
    return tuple(kept)


def _bare_slots(file: EditionFile) -> list[Finding]:
    """Slots that leave a hole for a reader of whom the field is not known: «Dear ,»."""
    findings: list[Finding] = []
    for loc, text in _texts(file.edition, ()):
        empty = [piece for piece in parse_text(text) if isinstance(piece, Slot) and piece.expression.may_be_empty]
        findings += [
            file.finding(
                loc,
                "slot-without-default",
                f"Readers of whom «{piece.source}» is not known will see nothing there.",
                f'Say what they see instead:  {{{{ {piece.source} | default("…") }}}}',
                severity=Severity.SHOULD_FIX,
            )
            for piece in empty
        ]
    return findings


def _texts(value: object, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """Every text of an edition in which slots work, with its place."""
    if isinstance(value, str):
        if "{{" in value:
            yield loc, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if name not in {"when", "silence"}:
                yield from _texts(getattr(value, name), (*loc, field.alias or name))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _texts(item, (*loc, number))


def _foreign_words(file: EditionFile, project: Project) -> list[Finding]:
    """An edition in a language for which the theme has no words of its own."""
    language = file.edition.language or project.settings.newsletter.language
    if open_theme(project.templates).speaks(language):
        return []
    return [
        file.finding(
            ("language",),
            "language-without-words",
            f"The theme has no words in «{language}»; its footer and labels will be in English.",
            f"Put a file templates/words/{language.split('-')[0].lower()}.toml beside the others.",
            severity=Severity.SHOULD_FIX,
        )
    ]
