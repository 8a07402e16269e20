"""A table of newsletter.toml, as every model of settings is one."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of newsletter.toml: nothing in it may be unknown, and it stays as it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=False)
