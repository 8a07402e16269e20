"""The front door of signing up: ask, confirm, within limits; wiring only, like `app.py`."""

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from newsletter.door import Door
from newsletter.errors import TokenError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from newsletter.audience.allowances import Refused, Use
    from newsletter.audience.signing_up import Outcome, SignUp
    from newsletter.config.settings import MailingList

_ASKS_A_DAY: Final = 10
"""How often one mailbox is looked at in a day, whoever types it, and however; what comes after it changes nothing."""


_NO_MAILING: Final = 0
"""Stands in a link for the mailing that brought it, where none did."""


class LinkState(StrEnum):
    """What a link to confirm can do."""

    WAITING = "waiting"
    """It puts somebody on lists."""
    DONE = "done"
    """They are on the lists."""
    GONE = "gone"
    """It was used, and they left since; or there is a newer one."""
    TEST = "test"
    """It stood in a test message, and does nothing."""


@dataclass(frozen=True, slots=True)
class ConfirmLink:
    """What a link to confirm is about.

    Attributes:
        state: What it can do.
        lists: The slugs of the lists that it is about.
        language: The person's, if it is known.
        preferences: A token for the page on which they choose what they get; empty unless they are on a list.
    """

    state: LinkState
    lists: tuple[str, ...]
    language: str | None = None
    preferences: str = ""


class SignUps(Door):
    """Signing up for the lists of one project."""

    def open_lists(self) -> "dict[str, MailingList]":
        """The lists that anybody may sign up for, by slug; the others are as if they did not exist."""
        return {slug: kept for slug, kept in self._project.settings.lists.items() if kept.sign_up}

    def find_mistakes(self, email: str, first_name: str | None = None) -> frozenset[str]:
        """Which of the fields `email` and `first_name` cannot be right."""
        from newsletter.audience.signing_up import find_mistakes

        return find_mistakes(email, first_name)

    def spend(self, uses: "Sequence[Use]") -> "Refused | None":
        """Count what a visitor does; or nothing of it, if one thing would be once too often.

        Returns:
            What was once too often, if anything.
        """
        from newsletter.audience.allowances import find_refused, spend

        secret, now = self._project.secret_key(), self._clock()
        with self._database() as database:
            with database.read() as connection:
                refused = find_refused(connection, uses, secret=secret, now=now)
            if refused is not None:
                return refused
            with database.write() as connection:
                return spend(connection, uses, secret=secret, now=now)

    def ask(
        self,
        email: str,
        wordings: Mapping[str, str],
        *,
        first_name: str | None = None,
        language: str | None = None,
        network: str,
    ) -> None:
        """Ask for an address to be put on lists; whoever asks is told nothing about it.

        Args:
            email: The address.
            wordings: For each list, by slug, the exact words that the visitor saw; without lists that are not open.
            first_name: Their name; kept for somebody new only.
            language: The page's; kept for somebody new only.
            network: Where the visitor comes from; kept as a keyed hash.

        Raises:
            AddressError: That is no address.
            AudienceError: The name cannot be right.
        """
        from newsletter.audience.allowances import Use, spend
        from newsletter.audience.consent import hashed_origin
        from newsletter.audience.signing_up import SignUp, take_sign_up
        from newsletter.audience.subscribers import read_address
        from newsletter.letters.queue import may_have
        from newsletter.webhooks.announcing import announce

        secret, now, lists = self._project.secret_key(), self._clock(), self.open_lists()
        address = read_address(email)
        asked = SignUp(
            address=address,
            first_name=first_name,
            language=language,
            wordings={slug: wording for slug, wording in wordings.items() if slug in lists},
            origin=hashed_origin(network, secret),
            at=now,
        )
        single = frozenset(slug for slug, kept in lists.items() if kept.opt_in == "single")
        often = [Use("mailbox", address.mailbox, _ASKS_A_DAY, dt.timedelta(days=1))]
        with self._database() as database, database.write() as connection:
            if spend(connection, often, secret=secret, now=now) is not None:
                return
            may_mail = may_have(connection, address.hashed(secret), now=now)
            outcome = take_sign_up(connection, asked, single, secret=secret, may_mail=may_mail)
            if may_mail:
                _write(connection, outcome, asked, secret)
            if outcome.joined:
                told = {"subscriber": outcome.subscriber, "lists": list(outcome.joined), "how": "form"}
                announce(connection, "subscriber.confirmed", told, now=now, subscriber_id=outcome.subscriber)

    def look_up(self, token: str) -> ConfirmLink:
        """What a link to confirm is about, without following it.

        Raises:
            TokenError: It was changed, or has expired.
        """
        from newsletter.audience.consent import PURPOSE, look_up
        from newsletter.audience.lists import find_list
        from newsletter.sending.links import PREFERENCES
        from newsletter.sending.testing import TEST
        from newsletter.tokens import Signer

        signer, now = Signer(self._project.secret_key()), self._clock()
        with self._database() as database, database.read() as connection:
            try:
                asked = look_up(connection, token, signer, now=now)
            except TokenError:
                look_up(connection, token, signer, now=now, purpose=TEST + PURPOSE)
                return ConfirmLink(LinkState.TEST, ())
            if asked.waiting:
                return ConfirmLink(LinkState.WAITING, asked.waiting, asked.language)
            if not asked.active:
                return ConfirmLink(LinkState.GONE, (), asked.language)
            first = find_list(connection, asked.active[0])
        chooses = signer.sign(PREFERENCES, asked.subscriber, first, _NO_MAILING)
        return ConfirmLink(LinkState.DONE, asked.active, asked.language, chooses)

    def confirm(self, token: str, *, network: str) -> ConfirmLink:
        """Follow a link to confirm: who asked is on the lists from now on.

        A second time, and with a link of a test message, nothing is changed; the answer tells.

        Raises:
            TokenError: It was changed, or has expired.
        """
        from newsletter.audience.consent import confirm, hashed_origin
        from newsletter.tokens import Signer
        from newsletter.webhooks.announcing import announce

        link = self.look_up(token)
        if link.state is not LinkState.WAITING:
            return link
        secret, now = self._project.secret_key(), self._clock()
        origin = hashed_origin(network, secret)
        # Another click may have come first: then nothing is left to do, and the answer is the same.
        with self._database() as database, contextlib.suppress(TokenError), database.write() as connection:
            done = confirm(connection, token, Signer(secret), now=now, origin=origin)
            told = {"subscriber": done.subscriber, "lists": list(done.lists), "how": "confirmed"}
            announce(connection, "subscriber.confirmed", told, now=now, subscriber_id=done.subscriber)
        return self.look_up(token)

    def expire(self) -> None:
        """Let go of what was counted for limits whose time is over."""
        from newsletter.audience.allowances import expire_allowances

        with self._database() as database, database.write() as connection:
            expire_allowances(connection, now=self._clock())


def _write(connection: "sa.Connection", outcome: "Outcome", asked: "SignUp", secret: bytes) -> None:
    """Queue the one letter that a sign-up brings, if any; it says nothing that was typed."""
    from newsletter.letters.queue import LetterKind, write_letter

    lists = outcome.to_confirm or (() if outcome.joined else outcome.active)
    if not lists:
        return
    write_letter(
        connection,
        LetterKind.CONFIRM if outcome.to_confirm else LetterKind.ALREADY,
        outcome.email,
        secret=secret,
        now=asked.at,
        subscriber_id=outcome.subscriber,
        list_id=lists[0],
        language=asked.language,
        details={"lists": " ".join(map(str, lists))},
    )
