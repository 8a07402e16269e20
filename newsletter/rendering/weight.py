"""How heavy a message is: Gmail cuts long ones, and those who read on a phone pay for each picture."""

from newsletter.edition.files import EditionFile, pictures
from newsletter.errors import Finding, Severity
from newsletter.project import Project
from newsletter.rendering.composition import Composition, Picture
from newsletter.rendering.images import prepare_picture
from newsletter.rendering.view import COLUMN_WIDTHS, CONTENT_WIDTH, Loc

CLIPPED_AT = 102_000
"""Bytes of HTML after which Gmail hides the rest behind a link."""
NEARLY_CLIPPED_AT = 80_000
HEAVY_PICTURE = 1_000_000
"""Bytes of one picture as readers get it (email-standards 63)."""

_FILLED = 40  # bytes that a slot may become


def weigh(composition: Composition, file: EditionFile, project: Project) -> tuple[Finding, ...]:
    """Findings about the weight of the message with all its conditional blocks shown, which is the heaviest.

    Raises:
        CompileError: It cannot be compiled.
    """
    return (*_clipped(composition, file), *_heavy_pictures(composition, file, project))


def _clipped(composition: Composition, file: EditionFile) -> tuple[Finding, ...]:
    heaviest = composition.variant((True,) * len(composition.conditions))
    size = sum(len(piece.encode()) if isinstance(piece, str) else _FILLED for piece in heaviest.html)
    what = f"The edition makes {size // 1000} KB of HTML; Gmail hides everything after {CLIPPED_AT // 1000} KB"
    if size > CLIPPED_AT:
        what, fix = (
            f"{what}, with it the unsubscribe link.",
            "Make it shorter, or move a part to the web and link to it.",
        )
        return (file.finding((), "weight", what, fix),)
    if size > NEARLY_CLIPPED_AT:
        return (file.finding((), "weight", f"{what}.", "Leave some room: make it shorter.", Severity.SHOULD_FIX),)
    return ()


def _heavy_pictures(composition: Composition, file: EditionFile, project: Project) -> list[Finding]:
    heavy = [picture for picture in composition.pictures if len(picture.content) > HEAVY_PICTURE]
    if not heavy:
        return []
    findings: list[Finding] = []
    for loc, src in pictures(file.edition):
        picture = prepare_picture(file.folder / src, max_width=_width(file, loc))
        if picture in heavy:
            findings.append(file.finding(loc, _RULE, _heavy(src, picture), _LIGHTER, Severity.SHOULD_FIX))
            heavy.remove(picture)
    for picture in heavy:
        what, severity = _heavy(str(project.settings.brand.logo), picture), Severity.SHOULD_FIX
        findings.append(project.settings.finding("brand.logo", rule=_RULE, what=what, fix=_LIGHTER, severity=severity))
    return findings


_RULE = "heavy-picture"
_LIGHTER = "Use a smaller or simpler picture; readers on phones pay for it."


def _heavy(src: str, picture: Picture) -> str:
    return f"The picture «{src}» weighs {len(picture.content) // 1000:,} KB even after scaling."


def _width(file: EditionFile, loc: Loc) -> int:
    """How wide a picture at this place may be shown."""
    block = file.edition.blocks[int(loc[1])]
    return COLUMN_WIDTHS[len(block.columns)] if block.kind == "columns" else CONTENT_WIDTH
