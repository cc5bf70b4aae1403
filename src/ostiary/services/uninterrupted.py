"""Work that is done to its end although whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What comes of `work`, which is not interrupted. Whoever is cancelled meanwhile, however often, gets it all the
    same, may note what has been done, and is cancelled where they wait next."""
    context = copy_context()
    task = asyncio.create_task(work, context=context)
    given_up: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            given_up = error
        except GeneratorExit:  # its loop is gone, and with it whoever waits
            raise
        except BaseException:  # noqa: S110, BLE001  the task's own: see its result
            pass
    for variable in context:  # what it left for those who come after it, it left in a copy
        if variable.get(None) is not context[variable]:
            variable.set(context[variable])
    waiting = asyncio.current_task()
    if given_up is not None and not task.cancelled() and waiting is not None:
        waiting.uncancel()  # asked once more for the time that was not heeded
        waiting.cancel(*given_up.args)
    return task.result()
