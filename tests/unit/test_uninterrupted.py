"""Work that is done to its end although whoever waits for it is cancelled."""

import asyncio

import pytest

from ostiary.services.uninterrupted import to_its_end

pytestmark = pytest.mark.anyio


async def test_whoever_waits_can_be_closed() -> None:
    """A host that drops its loop closes what was waiting there: Python must not be told that it would not go."""
    done = asyncio.Event()
    waiting = to_its_end(done.wait())
    waiting.send(None)

    waiting.close()

    done.set()
    await asyncio.sleep(0)
