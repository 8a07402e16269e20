"""What a server does beside answering: letters leave, webhooks are called, what has expired goes."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.web.public.site import Site

_LOG: Final = logging.getLogger(__name__)


@dataclass
class Duty:
    """Something to be done now and then.

    Attributes:
        name: For the log.
        every: Seconds between the end of one time and the beginning of the next.
        do: Does it; asked often whether to stop.
        due: When it is due next, by the monotonic clock.
    """

    name: str
    every: float
    do: Callable[[Callable[[], bool]], object]
    due: float = 0.0


class Duties:
    """Does all duties of a site, each in a thread of its own, until it is stopped."""

    def __init__(self, site: "Site") -> None:
        newsletter = site.newsletter
        self._stopping = threading.Event()
        self._duties = (
            Duty("letters", 1, lambda stop: newsletter.letters.attend(stop=stop)),
            Duty("webhooks", 2, lambda stop: newsletter.access.call_due(stop=stop)),
            Duty("expiry", 3600, lambda _: newsletter.expire()),
        )
        self._threads = [
            threading.Thread(target=self._run, args=(duty,), name=duty.name, daemon=True) for duty in self._duties
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Say that it is enough, and wait for what is under way."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _run(self, duty: Duty) -> None:
        while not self._stopping.is_set():
            try:
                duty.do(self._stopping.is_set)
            except NewsletterError as error:
                _LOG.warning("%s: %s", duty.name, error)
            except Exception as error:  # noqa: BLE001 - a duty that fails once is tried again; the pages go on
                # Nothing of what it says: it may hold an address.
                _LOG.error("%s failed (%s); it is tried again.", duty.name, type(error).__name__)
            duty.due = time.monotonic() + duty.every
            self._stopping.wait(duty.every)
