"""Gathers requests that arrive together and does them as one, so that thousands at once wait for few commits.

A commit waits for the disk, and only one transaction writes at a time. So while one is under way, whoever comes next
waits, and all of them are done by the next one. Nobody is answered before what they asked for is on the disk.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Generic, TypeVar

from newsletter.errors import DatabaseUnavailableError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

MOST: Final = 500
"""How many are done at once."""


class Gatherer(Generic[Asked, Answer]):
    """Does what is asked of it together with what others ask at the same time."""

    def __init__(self, do: Callable[[Sequence[Asked]], Sequence[Answer]]) -> None:
        """Take what does many at once.

        Args:
            do: Does all of them in one transaction, or none; gives an answer for each. It runs in a thread, one batch
                after the other.
        """
        self._do = do
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._some: asyncio.Event | None = None

    async def ask(self, asked: Asked) -> Answer:
        """Have it done; comes back when it is on the disk.

        Raises:
            DatabaseUnavailableError: The database is out of reach, or the server stops; nothing was done.
        """
        if self._some is None:
            raise DatabaseUnavailableError("The server is not running.")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        self._some.set()
        return await future

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work as long as this lasts; at its end what was asked before is done first."""
        self._some = asyncio.Event()
        worker = asyncio.create_task(self._work(self._some))
        try:
            yield
        finally:
            while self._waiting:
                await asyncio.sleep(0.01)
            self._some = None
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker

    async def _work(self, some: asyncio.Event) -> None:
        while True:
            await some.wait()
            some.clear()
            while self._waiting:
                batch = self._waiting[:MOST]
                await self._do_all(batch)
                del self._waiting[: len(batch)]

    async def _do_all(self, batch: list[tuple[Asked, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await asyncio.to_thread(self._do, [asked for asked, _ in batch])
        except DatabaseUnavailableError as error:
            for _, future in batch:
                _fail(future, error)
        except Exception as error:  # noqa: BLE001 - one request that cannot be done must not take the others along
            if len(batch) == 1:
                _fail(batch[0][1], error)
                return
            for one in batch:
                await self._do_all([one])
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():  # its visitor may have gone
                    future.set_result(answer)


def _fail(future: "asyncio.Future[Answer]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
