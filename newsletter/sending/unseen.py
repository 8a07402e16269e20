"""Tells which blocks of an edition nobody would see, or everybody, at their places in its file."""

from collections.abc import Iterator

from newsletter.edition.files import EditionFile
from newsletter.errors import Finding, Severity
from newsletter.sending.branches import Branches


def unseen_blocks(branches: Branches, file: EditionFile) -> tuple[Finding, ...]:
    """A finding for each block whose condition never holds, and for each whose condition always does."""
    return tuple(_findings(branches, file))


def _findings(branches: Branches, file: EditionFile) -> Iterator[Finding]:
    never = {frozenset(conditions) for conditions in branches.never}
    outer: str | None = None
    for loc, block in file.edition.walk():
        if len(loc) == 2:
            outer = block.when
        if block.when is None:
            continue
        conditions = frozenset((block.when,) if len(loc) == 2 or outer is None else (outer, block.when))
        if conditions in never:
            together = "" if len(conditions) == 1 else f", where the block around it shows only when {outer}"
            what = f"No reader was found who sees this block: it shows only when {block.when}{together}."
            fix = "See how it is written; if it is right, look at the block in a copy without its condition."
            yield file.finding((*loc, "when"), "unreachable-block", what, fix, Severity.SHOULD_FIX)
        elif block.when in branches.always:
            what = f"Every reader that was found sees this block, though it shows only when {block.when}."
            fix = "Leave the condition out if everybody is meant."
            yield file.finding((*loc, "when"), "needless-condition", what, fix, Severity.GOOD_TO_KNOW)
