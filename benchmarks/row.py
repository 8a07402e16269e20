"""One line of the benchmark table, so that every benchmark says the same things in the same words.

A benchmark is a module of this package with a function `rows() -> Iterable[Row]`; `python -m benchmarks` runs them all.
"""

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured, against what, and whether the goal is met.

    Attributes:
        name: What was measured, for example `compose one edition, warm`.
        ours: Our figure with its unit, for example `0.31 ms`.
        theirs: The figure compared with, its unit and whose it is, for example `npm mjml 5: 10.2 ms`.
        ratio: The number that the goal is about; the module says in its docstring how it is made.
        goal: The number to reach; None where a figure is only told.
        better: Whether a higher or a lower ratio is better: the goal is a least or a most.
        unit: What stands behind the ratio and the goal; `x` for times.
    """

    name: str
    ours: str
    theirs: str
    ratio: float
    goal: float | None
    better: Literal["higher", "lower"] = "higher"
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the goal is reached; nothing is missed where there is none."""
        if self.goal is None:
            return True
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal

    def as_dict(self) -> dict[str, object]:
        """The row for `--json`."""
        return {**asdict(self), "met": self.met}
