"""The front door to people: one method for each thing that is done with subscribers, wiring only, like `app.py`."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from newsletter.door import Door
from newsletter.errors import AudienceError, UsageError

if TYPE_CHECKING:
    from newsletter.audience.history import History
    from newsletter.audience.searching import Search
    from newsletter.audience.subscribers import Change, Subscriber
    from newsletter.database.schema import SubscriptionStatus
    from newsletter.expressions import Expression
    from newsletter.sending.reasons import Why


@dataclass(frozen=True, slots=True)
class Added:
    """What adding a person did.

    Attributes:
        email: Their address, as it will be mailed.
        change: What it did to the person.
        status: How they stand to the list now; None where no list was said.
    """

    email: str
    change: "Change"
    status: "SubscriptionStatus | None"


class People(Door):
    """The people of one project."""

    def choice(self, where: str | None, segment: str | None = None) -> str | None:
        """The source of one expression for a condition and a saved segment together.

        Raises:
            UsageError: There is no such segment.
            ExpressionError: The condition cannot be understood.
        """
        from newsletter.audience.segments import choice

        return choice(where, segment, self._project.settings.segments)

    def _expression(self, where: str | None, segment: str | None) -> "Expression | None":
        from newsletter.expressions import parse_expression

        source = self.choice(where, segment)
        return None if source is None else parse_expression(source)

    def search(
        self,
        *,
        list_slug: str | None = None,
        status: str | None = None,
        where: str | None = None,
        segment: str | None = None,
        text: str | None = None,
    ) -> "Search":
        """Whom to look for; `status` may be `any`.

        Raises:
            UsageError: A status without a list, or none that there is; no such segment.
            ExpressionError: The condition cannot be understood.
        """
        from newsletter.audience.searching import Search
        from newsletter.database.schema import SubscriptionStatus

        if status is not None and list_slug is None:
            raise UsageError("A status is that of a list. Say which: --list LIST")
        if status not in {None, "any", *SubscriptionStatus}:
            raise UsageError(f"There is no status «{status}». There are: {', '.join(SubscriptionStatus)}, any.")
        return Search(
            list_slug=list_slug,
            status=None if status in {None, "any"} else SubscriptionStatus(str(status)),
            any_status=status == "any",
            where=self._expression(where, segment),
            text=text,
        )

    def page(self, search: "Search", *, after: str | None, limit: int) -> "list[Subscriber]":
        """One page of those looked for, in the order in which they came.

        Raises:
            ListNotFoundError: There is no such list.
        """
        from newsletter.audience.searching import find_people

        with self._database() as database, database.read() as connection:
            return find_people(connection, search, after=after, limit=limit)

    def everybody(self, search: "Search") -> "Iterator[Subscriber]":
        """All of those looked for, in bounded memory.

        Raises:
            ListNotFoundError: There is no such list.
        """
        from newsletter.audience.searching import walk_people

        with self._database() as database, database.read() as connection:
            yield from walk_people(connection, search)

    def count(self, search: "Search") -> int:
        """How many are looked for.

        Raises:
            ListNotFoundError: There is no such list.
        """
        from newsletter.audience.searching import count_found

        with self._database() as database, database.read() as connection:
            return count_found(connection, search)

    def export(self, search: "Search", form: Literal["csv", "json"], file: TextIO) -> int:
        """Write those looked for to a file, one at a time; says how many.

        Raises:
            ListNotFoundError: There is no such list.
        """
        from newsletter.audience.exporting import attribute_names, write_csv, write_json
        from newsletter.audience.searching import walk_people

        with self._database() as database, database.read() as connection:
            people = walk_people(connection, search)
            if form == "json":
                return write_json(people, file)
            return write_csv(people, attribute_names(connection), file)

    def add(  # noqa: PLR0913 what people can say about somebody
        self,
        email: str,
        said: Mapping[str, str],
        tags: Sequence[str],
        *,
        list_slug: str | None,
        consent: str | None,
        confirmed: bool,
    ) -> Added:
        """Add a person, or bring one up to date.

        On a list with double opt-in they are pending, until they confirm it themselves, or `confirmed` says that they
        did already, elsewhere.

        Raises:
            UsageError: `confirmed` without saying what they agreed to.
            AudienceError: The address or a detail cannot be right, or they left, or must never be mailed.
            ListNotFoundError: There is no such list.
        """
        from newsletter.audience.changing import details_from
        from newsletter.audience.consent import Consent, confirm_by_hand
        from newsletter.audience.history import read_history
        from newsletter.audience.lists import find_list, subscribe
        from newsletter.audience.privacy import expire_pending
        from newsletter.audience.subscribers import Change, find_subscriber, save_subscriber
        from newsletter.database.schema import ConsentMethod, SubscriptionStatus
        from newsletter.webhooks.announcing import announce

        if confirmed and not (consent or "").strip():
            raise UsageError(
                'Say what they agreed to and where that is written down: --consent "Form of 3 May, page 2"'
            )
        now = self._clock()
        status = SubscriptionStatus.ACTIVE
        if list_slug is not None:
            kept = self._project.settings.lists.get(list_slug)
            if kept is not None and kept.opt_in == "double" and not confirmed:
                status = SubscriptionStatus.PENDING
        with self._database() as database:
            expire_pending(database, now=now)
            with database.write() as connection:
                details = details_from(email, said, tags)
                person, change = save_subscriber(connection, details, secret=self._project.secret_key(), now=now)
                known = find_subscriber(connection, email)
                if list_slug is None:
                    return Added(known.email, change, None)
                agreed = Consent(consent or "added by hand", ConsentMethod.COMMAND, now)
                subscribed = subscribe(connection, person, list_slug, agreed, status)
                if subscribed is Change.UNCHANGED and confirmed:
                    list_id = find_list(connection, list_slug)
                    subscribed = Change.NEW if confirm_by_hand(connection, person, list_id, agreed) else subscribed
                if change is Change.UNCHANGED and subscribed is Change.NEW:
                    change = Change.UPDATED
                if subscribed is Change.NEW and status is SubscriptionStatus.ACTIVE:
                    told = {"subscriber": person, "lists": [list_slug], "how": "command"}
                    announce(connection, "subscriber.confirmed", told, now=now, subscriber_id=person)
                standings = {each.list_slug: each.status for each in read_history(connection, known).standings}
                return Added(known.email, change, standings[list_slug])

    def history(self, email: str) -> "History":
        """What is known of a person.

        Raises:
            SubscriberNotFoundError: Nobody has that address.
        """
        from newsletter.audience.history import read_history
        from newsletter.audience.subscribers import find_subscriber, is_suppressed_address
        from newsletter.errors import SubscriberNotFoundError

        with self._database() as database, database.read() as connection:
            try:
                return read_history(connection, find_subscriber(connection, email))
            except SubscriberNotFoundError:
                if is_suppressed_address(connection, email, secret=self._project.secret_key()):
                    raise SubscriberNotFoundError(
                        f"Nobody with the address {email} is known, and it must never be mailed. "
                        f"Why and since when: newsletter subscribers export {email}"
                    ) from None
                raise

    def set(self, email: str, said: Mapping[str, str]) -> "Change":
        """Set fields of a person; an empty value clears one.

        Raises:
            SubscriberNotFoundError: Nobody has that address.
            AudienceError: A value cannot be right.
        """
        from newsletter.audience.changing import set_details

        with self._database() as database, database.write() as connection:
            return set_details(connection, email, said)

    def tag(self, email: str, tags: Sequence[str], *, remove: bool = False) -> "Change":
        """Give a person tags, or take them away.

        Raises:
            SubscriberNotFoundError: Nobody has that address.
            AudienceError: A tag cannot be right.
        """
        from newsletter.audience.changing import tag, untag

        with self._database() as database, database.write() as connection:
            return (untag if remove else tag)(connection, email, tags)

    def move(self, email: str, new: str) -> "Change":
        """Give a person another address.

        Raises:
            SubscriberNotFoundError: Nobody has the old one.
            AudienceError: The new one cannot be used.
        """
        from newsletter.audience.changing import move

        with self._database() as database, database.write() as connection:
            return move(connection, email, new, secret=self._project.secret_key())

    def unsubscribe(self, email: str, list_slug: str | None) -> list[str]:
        """Take a person off a list, or off all; the lists that they were on.

        Raises:
            SubscriberNotFoundError: Nobody has that address.
            ListNotFoundError: There is no such list.
        """
        from newsletter.audience.history import read_history
        from newsletter.audience.lists import find_list, unsubscribe
        from newsletter.audience.subscribers import Change, find_subscriber
        from newsletter.webhooks.announcing import announce

        now = self._clock()
        with self._database() as database, database.write() as connection:
            person = find_subscriber(connection, email)
            slugs = [each.list_slug for each in read_history(connection, person).standings]
            if list_slug is not None:
                find_list(connection, list_slug)
                slugs = [list_slug]
            left = []
            for slug in slugs:
                done = unsubscribe(connection, person.id, slug, now=now, wording="taken off by command")
                if done is Change.UPDATED:
                    left.append(slug)
                    told = {"subscriber": person.id, "list": slug, "how": "command"}
                    announce(connection, "subscriber.unsubscribed", told, now=now, subscriber_id=person.id)
            return left

    def suppress(self, email: str) -> "Change":
        """Never mail an address again, whether anybody has it or not.

        Raises:
            AddressError: That is no address.
        """
        from newsletter.audience.subscribers import suppress
        from newsletter.database.schema import SuppressionReason

        with self._database() as database, database.write() as connection:
            secret, now = self._project.secret_key(), self._clock()
            return suppress(connection, email, SuppressionReason.ASKED, secret=secret, now=now)

    def merge(self, gone: str, kept: str) -> None:
        """Make two persons one, who has the address `kept`.

        Raises:
            SubscriberNotFoundError: Nobody has one of the addresses.
            UsageError: They are one person already.
        """
        from newsletter.audience.changing import find_both, merge
        from newsletter.sending.merging import merge_deliveries

        with self._database() as database, database.write() as connection:
            one, other = find_both(connection, gone, kept)
            merge_deliveries(connection, one.id, other.id)
            merge(connection, one, other)

    def why(self, email: str, *, list_slug: str, where: str | None, segment: str | None, edition: str | None) -> "Why":
        """Whether a person would get an edition, and why or why not.

        Raises:
            ListNotFoundError: There is no such list.
            ExpressionError: The condition cannot be understood.
        """
        from newsletter.audience.lists import find_list
        from newsletter.audience.subscribers import find_subscriber, is_suppressed_address
        from newsletter.errors import SubscriberNotFoundError
        from newsletter.sending.reasons import SUPPRESSED, WORDS, Why, explain

        chosen = self._expression(where, segment)
        with self._database() as database, database.read() as connection:
            find_list(connection, list_slug)
            try:
                person = find_subscriber(connection, email)
            except SubscriberNotFoundError:
                if is_suppressed_address(connection, email, secret=self._project.secret_key()):
                    return Why(included=False, reason=SUPPRESSED, words=WORDS[SUPPRESSED])
                return Why(included=False, reason="unknown", words="nobody with this address is known")
            return explain(connection, person.id, list_slug, chosen, edition)

    def why_of_mailing(self, email: str, mailing: int) -> "Why":
        """What became of a person in a mailing that was frozen.

        Raises:
            MailingNotFoundError: There is none with that id.
            SubscriberNotFoundError: Nobody has that address.
        """
        from newsletter.audience.subscribers import find_subscriber
        from newsletter.sending.mailings import read_mailing
        from newsletter.sending.reasons import explain_delivery

        with self._database() as database, database.read() as connection:
            read_mailing(connection, mailing)
            return explain_delivery(connection, find_subscriber(connection, email).id, mailing)

    def reasons(self, *, list_slug: str, where: str | None, segment: str | None, edition: str | None) -> dict[str, int]:
        """How many of a list have each reason; together, the list.

        Raises:
            ListNotFoundError: There is no such list.
            ExpressionError: The condition cannot be understood.
        """
        from newsletter.sending.reasons import count_reasons

        chosen = self._expression(where, segment)
        with self._database() as database, database.read() as connection:
            return count_reasons(connection, list_slug, chosen, edition)


def writing(path: Path) -> "contextlib.AbstractContextManager[TextIO]":
    """A new file for people, readable by its owner only.

    Raises:
        AudienceError: There is such a file already.
    """
    import os

    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError as error:
        raise AudienceError(f"«{path}» is there already. Choose another name, or delete it first.") from error
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")
