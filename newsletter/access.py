"""The front door for other programs: tokens that they come with, webhooks by which they are told; wiring only."""

import contextlib
import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.door import Door

if TYPE_CHECKING:
    from newsletter.audience.searching import Search
    from newsletter.database.connection import Database
    from newsletter.programs.access_tokens import AccessToken, Visitor
    from newsletter.programs.editions import Summary
    from newsletter.programs.figures import Figures
    from newsletter.programs.subscribers import Arrival, Newcomer, Profile
    from newsletter.webhooks.calling import Caller
    from newsletter.webhooks.keeping import LoggedCall, Webhook


class Access(Door):
    """How other programs reach one project, and are told."""

    # Tokens

    def create_token(self, name: str, scopes: Collection[str], *, lasts: dt.timedelta | None) -> str:
        """Make a token, which is told this once.

        Raises:
            UsageError: The name or a scope cannot be used.
        """
        from newsletter.programs.access_tokens import create_token

        now = self._clock()
        with self._database() as database, database.write() as connection:
            expires = None if lasts is None else now + lasts
            return create_token(connection, name, scopes, expires_at=expires, now=now)

    def tokens(self) -> "list[AccessToken]":
        """All tokens, without what opens the door."""
        from newsletter.programs.access_tokens import list_tokens

        with self._database() as database, database.read() as connection:
            return list_tokens(connection)

    def revoke_token(self, name: str) -> bool:
        """Let a token open nothing any more; whether it did before.

        Raises:
            UsageError: There is none of that name.
        """
        from newsletter.programs.access_tokens import revoke_token

        with self._database() as database, database.write() as connection:
            return revoke_token(connection, name, now=self._clock())

    def admit(self, presented: str, *, network: str) -> "Visitor":
        """Who comes with a token.

        Args:
            presented: What they came with.
            network: Where from, to count wrong ones; kept as a keyed hash.

        Raises:
            AccessRefusedError: The token is not good.
            TooManyAttemptsError: It is not good, and too many were not that came from there.
        """
        from newsletter.errors import AccessRefusedError, DatabaseUnavailableError
        from newsletter.programs.access_tokens import read_token, write_use
        from newsletter.programs.attempts import count_wrong_token

        now = self._clock()
        with self._database() as database:
            try:
                with database.read() as connection:
                    visitor = read_token(connection, presented, now=now)
            except AccessRefusedError:
                count_wrong_token(database, network, secret=self._project.secret_key(), now=now)
                raise
            if visitor.unwritten:  # a long import is no reason to refuse anybody; it is written the next time
                with contextlib.suppress(DatabaseUnavailableError), database.write(shared=True) as connection:
                    write_use(connection, visitor, now=now)
            return visitor

    # People, as other programs see and change them

    def people(self, search: "Search", *, after: int, limit: int) -> "list[Profile]":
        """One page of people, in the order of their numbers.

        Raises:
            ListNotFoundError: There is no such list.
        """
        from newsletter.programs.subscribers import find_page

        with self._database() as database, database.read() as connection:
            return find_page(connection, search, after=after, limit=limit)

    def person(self, number: int) -> "Profile":
        """The person with a number.

        Raises:
            SubscriberNotFoundError: There is none.
        """
        from newsletter.programs.subscribers import read_profile

        with self._database() as database, database.read() as connection:
            return read_profile(connection, number)

    def look_up(self, email: str) -> "Profile":
        """The person with an address.

        Raises:
            SubscriberNotFoundError: Nobody has it.
        """
        from newsletter.programs.subscribers import look_up

        with self._database() as database, database.read() as connection:
            return look_up(connection, email)

    def add_person(self, newcomer: "Newcomer", *, token: int) -> "tuple[Arrival, Profile]":
        """Put somebody on a list, and ask them to confirm it where the list wants that; a second time nothing changes.

        Args:
            newcomer: Who.
            token: The row of the token with which the program came.

        Raises:
            AudienceError: They cannot be added.
            ListNotFoundError: There is no such list.
            TooManyAttemptsError: They, or this program, had too many letters lately.
        """
        from dataclasses import replace

        from newsletter.audience.privacy import expire_pending
        from newsletter.programs.attempts import letters_of
        from newsletter.programs.subscribers import add, read_profile

        secret, now, settings = self._project.secret_key(), self._clock(), self._project.settings
        kept = settings.lists.get(newcomer.list_slug)
        if kept is not None and kept.opt_in == "single":
            newcomer = replace(newcomer, confirmed=True)
        letters = letters_of(token, settings.web.all_sign_ups)
        with self._database() as database:
            expire_pending(database, now=now)
            with database.write() as connection:
                arrival = add(connection, newcomer, letters=letters, secret=secret, now=now)
                return arrival, read_profile(connection, arrival.person)

    def change_person(
        self, number: int, said: Mapping[str, str], *, add_tags: Sequence[str], remove_tags: Sequence[str]
    ) -> "Profile":
        """Change what is known of a person.

        Raises:
            SubscriberNotFoundError: There is none with that number.
            AudienceError: A value cannot be right.
        """
        from newsletter.programs.subscribers import change

        with self._database() as database, database.write() as connection:
            return change(connection, number, said, add_tags=add_tags, remove_tags=remove_tags)

    def take_off(self, number: int, slugs: Collection[str]) -> list[str]:
        """Take a person off lists, or off all; off which they are now that they were on.

        Raises:
            SubscriberNotFoundError: There is none with that number.
            ListNotFoundError: There is no such list.
        """
        from newsletter.programs.subscribers import leave

        with self._database() as database, database.write() as connection:
            return leave(connection, number, slugs, now=self._clock())

    # Editions and figures

    def editions(self, *, after: str, limit: int) -> "list[Summary]":
        """Editions in a few words each, in the order of their slugs, those that come after one."""
        from newsletter.programs.editions import summarise

        return summarise(self._project, after=after, limit=limit)

    def figures(self) -> "Figures":
        """Counts for those who watch over the project."""
        from newsletter.programs.figures import read_figures

        with self._database() as database, database.read() as connection:
            return read_figures(connection, now=self._clock())

    # Webhooks

    def add_webhook(self, url: str, kinds: Collection[str]) -> tuple[int, str]:
        """Add a webhook; its number, and the secret by which its calls are checked.

        Raises:
            UsageError: The URL cannot be called, or there is no such event.
        """
        from newsletter.webhooks.keeping import add_webhook
        from newsletter.webhooks.signing import secret_of

        with self._database() as database, database.write() as connection:
            number = add_webhook(connection, url, kinds, here=self._is_here, now=self._clock())
        return number, secret_of(number, self._project.secret_key())

    def webhooks(self) -> "list[Webhook]":
        """All webhooks."""
        from newsletter.webhooks.keeping import list_webhooks

        with self._database() as database, database.read() as connection:
            return list_webhooks(connection)

    def webhook_log(self, number: int | None, *, limit: int = 50) -> "list[LoggedCall]":
        """The newest calls of one webhook, or of all.

        Raises:
            UsageError: There is no such webhook.
        """
        from newsletter.webhooks.keeping import read_log

        with self._database() as database, database.read() as connection:
            return read_log(connection, number, limit=limit)

    def test_webhook(self, number: int) -> "LoggedCall":
        """Call a webhook once, now; if it takes the call, it is on.

        Raises:
            UsageError: There is no such webhook.
        """
        with self._database() as database:
            return self._caller(database).try_out(number)

    def remove_webhook(self, number: int) -> None:
        """Delete a webhook with its log.

        Raises:
            UsageError: There is no such webhook.
        """
        from newsletter.webhooks.keeping import remove_webhook

        with self._database() as database, database.write() as connection:
            remove_webhook(connection, number)

    def call_due(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Call the webhooks that are due.

        Raises:
            DatabaseError: The database cannot be used.
        """
        with self._database() as database:
            self._caller(database).call_due(stop=stop)

    def expire(self) -> None:
        """Let go what was kept long enough."""
        from newsletter.webhooks.keeping import expire_log

        with self._database() as database, database.write() as connection:
            expire_log(connection, now=self._clock())

    @property
    def _is_here(self) -> bool:
        """Whether the project is being tried out on this machine."""
        from newsletter.config.addresses import is_loopback

        return is_loopback(urlsplit(self._project.settings.newsletter.base_url).hostname or "")

    def _caller(self, database: "Database") -> "Caller":
        from newsletter.webhooks.calling import Caller
        from newsletter.webhooks.reaching import Reach

        return Caller(database, self._project.secret_key(), self._clock, Reach(here=self._is_here))
