"""How well bounces are read: real ones, with the verdicts of the Sisimai project, against the goals that were set.

The corpus is not in the repository. Set BOUNCE_CORPUS to a folder with `mail/*.eml` and `expected.json`, which says of
each file its `kind` and, of each person in order, whether the address will not work again (`hard`); without it the
folder `../shared/data/bounces` beside the checkout is looked for. A person is *found* if the message was taken for what
it is and they were found in it, and *right* if hard and not hard were told apart as well. *Wrongly hard* is the share,
of all people, of whom a working address would be given up; *hard missed*, of those whose address is dead, whom we would
mail again, until soft bounces add up.

`python -m benchmarks.bounces FOLDER` prints the same for a folder, and each person about whom the verdicts differ.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.row import Row
from newsletter.feedback.bounces.reading import read_message

BESIDE = Path(__file__).parents[1].parent / "shared" / "data" / "bounces"


@dataclass
class Figures:
    """What was counted.

    Attributes:
        people: How many there are in all.
        dead: Of them, those whose address is dead.
        found_people: Those who were found, in a message taken for what it is.
        right_people: Those judged right as well.
        lost: Those wrongly judged dead.
        missed: Those whose address is dead, and was not judged so.
        seconds: For one message, on average.
        differences: Each person judged otherwise, for people to look at.
    """

    people: int = 0
    dead: int = 0
    found_people: int = 0
    right_people: int = 0
    lost: int = 0
    missed: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    @property
    def found(self) -> float:
        """The share of people who were found."""
        return self.found_people / self.people

    @property
    def right(self) -> float:
        """The share of people who were judged right."""
        return self.right_people / self.people

    @property
    def wrongly_hard(self) -> float:
        """The share of people of whom a working address would be given up."""
        return self.lost / self.people


def corpus() -> Path | None:
    """The folder of the corpus; None if it is not here."""
    given = os.environ.get("BOUNCE_CORPUS")
    place = Path(given) if given else BESIDE
    return place if (place / "expected.json").is_file() else None


def measure(folder: Path) -> Figures:
    """Read all messages of a corpus, and compare with what is expected."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    figures = Figures()
    spent = 0.0
    for name, about in expected.items():
        content = (folder / "mail" / name).read_bytes()
        start = time.perf_counter()
        verdict = read_message(content)
        spent += time.perf_counter() - start
        for number, person in enumerate(about["people"]):
            ours = verdict.people[number] if number < len(verdict.people) else None
            hard = ours is not None and ours.hard
            found = ours is not None and verdict.kind == about["kind"]
            figures.people += 1
            figures.dead += person["hard"]
            figures.found_people += found
            figures.right_people += found and hard == person["hard"]
            figures.lost += hard and not person["hard"]
            figures.missed += person["hard"] and not hard
            if not found or hard != person["hard"]:
                said = "nothing" if ours is None else f"{verdict.kind}, {'hard' if hard else 'soft'}, {ours.reason}"
                wanted = f"{about['kind']}, {'hard' if person['hard'] else 'soft'}, {person['reason']}"
                figures.differences.append(f"{name}: we say {said}; expected {wanted}")
    figures.seconds = spent / max(1, len(expected))
    return figures


def rows() -> Iterator[Row]:
    """The rows, where the corpus is."""
    folder = corpus()
    if folder is None:
        print("bounces: the corpus is not here; set BOUNCE_CORPUS to its folder.", file=sys.stderr)
        return
    yield from told(measure(folder))


def told(figures: Figures) -> Iterator[Row]:
    """The rows of a measurement."""
    of = f"of {figures.people} people in real bounces"
    yield Row(
        name="bounces: people found",
        ours=str(figures.found_people),
        theirs=of,
        ratio=100 * figures.found,
        goal=97,
        unit="%",
    )
    yield Row(
        name="bounces: hard and soft told apart",
        ours=str(figures.right_people),
        theirs=of,
        ratio=100 * figures.right,
        goal=85,
        unit="%",
    )
    yield Row(
        name="bounces: wrongly hard",
        ours=str(figures.lost),
        theirs=of,
        ratio=100 * figures.wrongly_hard,
        goal=5,
        better="lower",
        unit="%",
    )
    yield Row(
        name="bounces: hard missed",
        ours=str(figures.missed),
        theirs=f"of {figures.dead} dead addresses",
        ratio=100 * figures.missed / max(1, figures.dead),
        goal=None,
        better="lower",
        unit="%",
    )
    yield Row(
        name="bounces: reading one",
        ours=f"{figures.seconds * 1000:.1f} ms",
        theirs="what is allowed: 1 s for the worst",
        ratio=figures.seconds * 1000,
        goal=50,
        better="lower",
        unit="ms",
    )


if __name__ == "__main__":
    result = measure(Path(sys.argv[1]))
    print(*result.differences, sep="\n")
    for row in told(result):
        print(f"{row.name}: {row.ours} ({row.ratio:.1f} {row.unit}) {row.theirs}")
