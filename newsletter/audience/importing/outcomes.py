"""What an import is asked to do, and what it says about each row afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a row."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOrder:
    """Where the people of a file go, and by whose word.

    Attributes:
        to_list: The list they agreed to be on; None only keeps their details.
        consent: What they agreed to, or where that is written down; None stands for the file's name.
        tags: Given to everybody in the file.
        columns: What a column of the file means, by its name: a field, `attributes.<name>`, or nothing to leave it out.
    """

    to_list: str | None = None
    consent: str | None = None
    tags: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of a row, or of several rows on following lines that came to the same end.

    Attributes:
        line: Where the row begins in the file, counted from 1.
        outcome: What became of it.
        reason: Why it was refused, one or more sentences; says nothing of what stands in the row.
        value: The cell at fault as a person sees it; is shown, and never kept.
        rows: How many rows, each one line after the one before.
    """

    line: int
    outcome: Outcome
    reason: str = ""
    value: str = ""
    rows: int = 1

    def __str__(self) -> str:
        """The outcome as one sentence."""
        return f"«{self.value}»: {self.reason}" if self.value else self.reason


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """How many rows came to which end; together, all rows of the file."""

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.new + self.updated + self.unchanged + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did, or would do.

    Attributes:
        receipt: Its id, for `--undo`; of a dry run, none.
        counts: How many rows came to which end.
        notes: What was found out about the file: its encoding, its columns, where it comes from.
    """

    receipt: int | None
    counts: ImportCounts
    notes: tuple[str, ...]
