"""What is told about a mailing: its figures, and the words for them. Nobody is named in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from newsletter.database.schema import DeliveryState
from newsletter.sending.mailings import Mailing

WATCH, TOO_MANY = 0.001, 0.003
"""Shares of complaints: Gmail and Yahoo ask for less than the first, and turn mail away from the second on (2024)."""
MEANINGFUL: Final = 1_000
"""Accepted messages from which a share of a thousandth can mean anything."""

_CODE: Final = re.compile(r"(?:(?<![\w.@+-])|(?<=\b[245]\d\d-))([245]\.\d{1,3}\.\d{1,3})(?![\w.@+-])", re.ASCII)
_SAID: Final[Mapping[str, str]] = {
    "1.1": "there is no such mailbox",
    "1.2": "there is no such domain",
    "1.3": "the address is not valid",
    "1.6": "the mailbox moved, nobody knows where",
    "1.10": "the domain takes no mail",
    "2.1": "the mailbox is switched off",
    "2.2": "the mailbox is full",
    "2.3": "the message is too large for the mailbox",
}
_SUBJECTS: Final[Mapping[str, str]] = {
    "1": "something is wrong with the address",
    "2": "something is wrong with the mailbox",
    "3": "their mail system has trouble",
    "4": "their mail server could not be reached",
    "5": "the mail servers misunderstood one another",
    "6": "the message could not be read there",
    "7": "their server does not want it from us",
}
UNSAID: Final = "no reason that we understand"
POLICY: Final = _SUBJECTS["7"]


@dataclass(frozen=True, slots=True)
class Share:
    """A number of people, and what they have in common."""

    what: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What happened in one stretch of time.

    Attributes:
        what: Since the mailing began: `hour 1` … `hour 24`, then `day 2` …
        accepted: Messages that were taken.
        bounced: People whose message came back.
        complained: People who marked it as spam.
        unsubscribed: People who left.
    """

    what: str
    accepted: int = 0
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One mailing on one line, to be compared with others."""

    mailing: int
    title: str
    at: datetime
    accepted: int
    bounced: int
    complained: int
    unsubscribed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailingReport:
    """What became of a mailing.

    Attributes:
        mailing: Which one.
        made_at: When this was counted.
        audience: How many people it was for; 0 before it begins.
        states: How many deliveries are in each state; together, the audience.
        refused: Why messages were refused at once.
        left_out: Why people were left out.
        delivered: Of how many the provider says that their mail server took it; providers may say nothing.
        dropped: Why the provider did not try, where it took a message.
        hard: People whose address does not work.
        soft: People whose message came back this time.
        policy: People whose mail server does not want it from us.
        bounced_why: Why messages came back.
        bounced_domains: From where.
        policy_says: What mail servers say who do not want it, without addresses.
        excused: Domains of which so much came back that nobody there was given up, each with how many; not those of
            which fewer than three people came back.
        given_up: People who are mailed no more because of this mailing.
        complained: People who marked it as spam, as far as providers tell.
        unsubscribed: People who left by it.
        returned: Those of them who came back.
        over_time: From its beginning on, without empty stretches at the end.
        earlier: Mailings of the same list before it, newest first.
    """

    mailing: Mailing
    made_at: datetime
    audience: int
    states: Mapping[DeliveryState, int]
    refused: tuple[Share, ...]
    left_out: tuple[Share, ...]
    delivered: int
    dropped: tuple[Share, ...]
    hard: int
    soft: int
    policy: int
    bounced_why: tuple[Share, ...]
    bounced_domains: tuple[Share, ...]
    policy_says: tuple[str, ...]
    excused: tuple[Share, ...]
    given_up: int
    complained: int
    unsubscribed: int
    returned: int
    over_time: tuple[Stretch, ...]
    earlier: tuple[Figures, ...]

    @property
    def accepted(self) -> int:
        """How many messages the world took."""
        return self.states[DeliveryState.ACCEPTED]

    @property
    def bounced(self) -> int:
        """How many people's message came back."""
        return self.hard + self.soft + self.policy

    @property
    def complaints_in_words(self) -> str:
        """What the share of complaints means."""
        return complaints_in_words(self.complained, self.accepted)

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        about = self.mailing
        return {
            "mailing": {
                **{name: getattr(about, name) for name in ("id", "edition", "title", "sender")},
                "list": about.list_slug,
                "state": str(about.state),
                "created_at": about.created_at.isoformat(),
                "started_at": about.started_at and about.started_at.isoformat(),
                "finished_at": about.finished_at and about.finished_at.isoformat(),
            },
            "made_at": self.made_at.isoformat(),
            "audience": self.audience,
            "counts": {str(state): number for state, number in self.states.items()},
            "refused": _plain(self.refused),
            "left_out": _plain(self.left_out),
            "delivered": self.delivered,
            "dropped": _plain(self.dropped),
            "bounced": {
                "people": self.bounced,
                "hard": self.hard,
                "soft": self.soft,
                "policy": self.policy,
                "why": _plain(self.bounced_why),
                "domains": _plain(self.bounced_domains),
                "policy_says": list(self.policy_says),
                "excused_domains": _plain(self.excused),
                "given_up": self.given_up,
            },
            "complained": {
                "people": self.complained,
                "share": self.complained / self.accepted if self.accepted else None,
                "in_words": self.complaints_in_words,
            },
            "unsubscribed": {"people": self.unsubscribed, "returned": self.returned},
            "over_time": [asdict(each) for each in self.over_time],
            "earlier": [asdict(each) | {"at": each.at.isoformat()} for each in self.earlier],
            "tracking": None,
        }


def in_words(said: str | None) -> str:
    """What a mail server meant, by the enhanced status code in what it said (RFC 3463)."""
    code = _CODE.search(said or "")
    if code is None:
        return UNSAID
    _, _, rest = code[1].partition(".")
    return _SAID.get(rest) or _SUBJECTS.get(rest.partition(".")[0], UNSAID)


def complaints_in_words(complained: int, accepted: int) -> str:
    """What a number of complaints means."""
    if not accepted:
        return "Nothing was accepted yet, so nobody can have complained."
    if not complained:
        return "Nobody marked it as spam, as far as mail providers tell."
    share = complained / accepted
    number = f"{complained:,} of {accepted:,} marked it as spam ({percent(share)})"
    if accepted < MEANINGFUL:
        return f"{number}. So few messages make no rate: look at the number, and at how people came onto the list."
    if share < WATCH:
        return f"{number}: below 0.1 %, as Gmail and Yahoo ask for."
    if share < TOO_MANY:
        return f"{number}: above 0.1 %. Find out who did not expect it, before it is 0.3 %."
    return f"{number}: 0.3 % or more. Mail providers turn messages away from here on: send to fewer, who asked for it."


def percent(share: float) -> str:
    """A share for people: two digits that say something."""
    hundred = share * 100
    if hundred == 0 or hundred >= 10:
        return f"{hundred:.0f} %"
    return f"{hundred:.1f} %" if hundred >= 1 else f"{hundred:.2f} %"


def _plain(shares: Sequence[Share]) -> list[dict[str, object]]:
    return [asdict(each) for each in shares]
