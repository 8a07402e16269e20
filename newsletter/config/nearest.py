"""What somebody probably meant who wrote a name that is not known."""

import difflib
from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The known name most like `word`, whatever its case, hyphens and underscores; None if none is near."""
    known = {_plain(name): name for name in names}
    near = difflib.get_close_matches(_plain(word[:80]), known, n=1, cutoff=0.6)
    return known[near[0]] if near else None


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")
