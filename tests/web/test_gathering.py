"""Requests that arrive together are done in one go, and none is forgotten or answered before it is done."""

import asyncio

import pytest

from newsletter.errors import DatabaseUnavailableError
from newsletter.web.public.gathering import MOST, Gatherer


def test_what_comes_together_is_done_together_and_nobody_is_forgotten() -> None:
    """The first is done at once; those who come meanwhile share the next commit."""
    batches: list[list[int]] = []

    def do(asked: list[int]) -> list[int]:
        batches.append(list(asked))
        if 13 in asked:
            raise ValueError("unlucky")
        return [number * 2 for number in asked]

    async def run() -> list[int | BaseException]:
        gatherer = Gatherer(do)  # type: ignore[arg-type]
        async with gatherer.running():
            return await asyncio.gather(*(gatherer.ask(number) for number in range(MOST + 20)), return_exceptions=True)

    answers = asyncio.run(run())
    assert [answer for number, answer in enumerate(answers) if number != 13] == [
        number * 2 for number in range(MOST + 20) if number != 13
    ]
    assert isinstance(answers[13], ValueError)  # alone
    assert len(batches[0]) == MOST


def test_what_was_asked_before_the_end_is_done_before_the_end() -> None:
    done: list[int] = []

    def do(asked: list[int]) -> list[int]:
        done.extend(asked)
        return asked

    async def run() -> list[int]:
        gatherer = Gatherer(do)  # type: ignore[arg-type]
        async with gatherer.running():
            asking = [asyncio.create_task(gatherer.ask(number)) for number in range(MOST * 2)]
            await asyncio.sleep(0)
        with pytest.raises(DatabaseUnavailableError):
            await gatherer.ask(0)
        return await asyncio.gather(*asking)

    assert asyncio.run(run()) == done == list(range(MOST * 2))
