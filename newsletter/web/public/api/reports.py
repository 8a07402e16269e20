"""The report of a mailing as other programs get it: counts alone, nobody's address and no opens or clicks."""

from pydantic import BaseModel, Field

from newsletter.database.schema import DeliveryState, MailingState
from newsletter.web.public.api.values import Moment


class ReportedMailing(BaseModel):
    """The mailing that a report is about."""

    id: int
    edition: str
    title: str
    list: str
    sender: str
    state: MailingState
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class Share(BaseModel):
    """A number of people, and what they have in common."""

    what: str
    people: int


class Bounced(BaseModel):
    """Whose message came back."""

    people: int
    hard: int = Field(description="Their address does not work.")
    soft: int = Field(description="It came back this time.")
    policy: int = Field(description="Their mail server does not want it from us.")
    why: list[Share]
    domains: list[Share] = Field(description="Those of a few people are told together.")
    policy_says: list[str]
    excused_domains: list[Share] = Field(description="Domains where so much came back that nobody was given up for it.")
    given_up: int = Field(description="Addresses that are mailed no more since.")


class Complained(BaseModel):
    """Who marked it as spam."""

    people: int
    share: float | None = Field(description="Of those who got it; providers act from 0.001 and 0.003 on.")
    in_words: str


class Unsubscribed(BaseModel):
    """Who left."""

    people: int
    returned: int = Field(description="Of them, those who took it back.")


class Stretch(BaseModel):
    """What happened in one stretch of time since the mailing began."""

    what: str
    accepted: int
    bounced: int
    complained: int
    unsubscribed: int


class Earlier(BaseModel):
    """An earlier mailing to the same list, to compare."""

    mailing: int
    title: str
    at: Moment
    accepted: int
    bounced: int
    complained: int
    unsubscribed: int


class Report(BaseModel):
    """What became of a mailing, and what came back."""

    mailing: ReportedMailing
    made_at: Moment
    audience: int
    counts: dict[DeliveryState, int]
    refused: list[Share]
    left_out: list[Share]
    delivered: int = Field(description="Of how many the provider says that their mail server took it.")
    dropped: list[Share]
    bounced: Bounced
    complained: Complained
    unsubscribed: Unsubscribed
    over_time: list[Stretch]
    earlier: list[Earlier]
