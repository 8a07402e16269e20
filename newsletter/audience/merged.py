"""People who were merged into others: links in messages from before go on working, and mean whom they have become."""

from collections.abc import Iterable

import sqlalchemy as sa

from newsletter.database.schema import merged


def remember(connection: sa.Connection, gone: int, kept: int) -> None:
    """Write down that somebody is one with another from now on; call it while both are there."""
    connection.execute(sa.update(merged).where(merged.c.kept == gone).values(kept=kept))
    connection.execute(sa.insert(merged).values(gone=gone, kept=kept))


def become(connection: sa.Connection, people: Iterable[int]) -> dict[int, int]:
    """Of these ids those of people who were merged, each with whom they are now."""
    rows = connection.execute(sa.select(merged.c.gone, merged.c.kept).where(merged.c.gone.in_(set(people))))
    return {row.gone: row.kept for row in rows}
