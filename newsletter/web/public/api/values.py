"""The values that other programs send and get, each with what may stand in it."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

LARGEST: Final = 2**63 - 1
"""The largest number that a database keeps."""


class Sent(BaseModel):
    """Something that is sent to us: with a field that is not known it is refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def _plain(text: str) -> str:
    """Text of one line that can be shown."""
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ValueError("it has a line break, or another character that cannot be shown")
    return text


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_SHOWN: Final = {"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$"}  # as the description says it
Text = Annotated[str, Field(max_length=200, json_schema_extra=_SHOWN), AfterValidator(_plain)]
"""A name, a tag, an attribute."""
Words = Annotated[str, Field(min_length=1, max_length=2_000)]
"""Some sentences."""
Slug = Annotated[str, Field(min_length=1, max_length=100, pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
Email = Annotated[str, Field(min_length=3, max_length=320, json_schema_extra={"format": "email"})]
AttributeName = Annotated[str, Field(min_length=1, max_length=100, pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
OnlyThese: Final = {"additionalProperties": False}
"""Says in the description of an object that other names are refused."""
Number = Annotated[int, Field(ge=1, le=LARGEST)]
Moment = Annotated[datetime, PlainSerializer(_told, return_type=str, when_used="json")]
"""In UTC, such as 2026-03-31T09:00:00Z."""


class Paging(Sent):
    """Which page."""

    limit: Annotated[int, Field(ge=1, le=500, description="How many at most.")] = 100


class NumberPaging(Paging):
    """Which page, where things have numbers."""

    after: Annotated[
        int, Field(ge=0, le=LARGEST, description="The `next` of the page before; 0 for the first page.")
    ] = 0
