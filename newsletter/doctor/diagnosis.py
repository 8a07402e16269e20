"""What the doctor says about one thing: that it is good, or what to do, in a sentence that needs no expert."""

from dataclasses import dataclass
from enum import StrEnum

from newsletter.errors import Severity


class State(StrEnum):
    """How something stands."""

    GOOD = "good"
    NOTE = Severity.GOOD_TO_KNOW.value
    UNASKED = "not checked"
    """It could not be asked, so that nothing is said against it."""
    SHOULD = Severity.SHOULD_FIX.value
    MUST = Severity.MUST_FIX.value


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line of the doctor's.

    Attributes:
        group: What it belongs to, as a heading.
        check: The name of the check, in kebab case.
        state: How it stands.
        what: What was found, one sentence.
        fix: What to do; empty where there is nothing.
    """

    group: str
    check: str
    state: State
    what: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """The line as plain values, for other programs."""
        return {
            "group": self.group,
            "check": self.check,
            "state": self.state.value,
            "what": self.what,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """A check under way: makes the lines of one group and name."""

    group: str
    name: str

    def good(self, what: str) -> Diagnosis:
        """It is in order."""
        return Diagnosis(self.group, self.name, State.GOOD, what)

    def note(self, what: str, fix: str = "") -> Diagnosis:
        """It is in order, and there is something to know."""
        return Diagnosis(self.group, self.name, State.NOTE, what, fix)

    def unasked(self, what: str, fix: str = "") -> Diagnosis:
        """It could not be asked."""
        return Diagnosis(self.group, self.name, State.UNASKED, what, fix)

    def should(self, what: str, fix: str) -> Diagnosis:
        """It works, and will work better."""
        return Diagnosis(self.group, self.name, State.SHOULD, what, fix)

    def must(self, what: str, fix: str) -> Diagnosis:
        """It does not work."""
        return Diagnosis(self.group, self.name, State.MUST, what, fix)
