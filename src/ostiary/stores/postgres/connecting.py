"""Making one connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from ostiary.stores.postgres import pool
from ostiary.stores.postgres.errors import FAILURES, while_opening
from ostiary.stores.postgres_url import PostgresUrl

_ABANDONED_SECONDS = 10.0  # what a connection that nobody waits for any more may still take
_SESSION = {
    "idle_in_transaction_session_timeout": "10000",  # ms: a process that stands still must not hold locks
    "jit": "off",  # compiling takes longer than any statement of ours
    "default_transaction_isolation": "read committed",  # what statements of ours rest on: they lock what they need
}


class Session(asyncpg.Connection):  # type: ignore[misc, unused-ignore]
    """A connection that remembers whether the server warned.

    A server that waits for its standby and is told to stop waiting commits all the same, and only warns.
    """

    __slots__ = ("warned",)

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.warned = False
        self.add_log_listener(_note)


def _note(session: Any, message: Any) -> None:
    if message.severity_en == "WARNING" or message.severity == "WARNING":
        session.warned = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """How this process connects. `pooled`: what lasts longer than a transaction cannot be relied on, so statements are
    not prepared and nothing is set."""

    url: PostgresUrl
    pooled: bool

    @property
    def can_listen(self) -> bool:
        """Whether notifications reach this process."""
        return not self.pooled or self.url.listen_dsn != self.url.dsn

    async def connect(
        self,
        *,
        longest: float,
        prepares: bool = True,
        direct: bool = False,
        within: float | None = None,
    ) -> Any:
        """`longest`: seconds after which the server itself gives a statement up. `direct`: to the server itself, past
        the pooler. `within`: seconds for all of it. Raises Misconfigured or Unavailable."""
        within = pool.CONNECT_SECONDS if within is None else within
        pooled = self.pooled and not (direct and self.can_listen)
        milliseconds = str(int(longest * 1000))
        settings = {**_SESSION, "statement_timeout": milliseconds, "lock_timeout": milliseconds}
        making = asyncio.create_task(
            asyncpg.connect(
                self.url.listen_dsn if direct else self.url.dsn,
                timeout=within + _ABANDONED_SECONDS,
                statement_cache_size=1000 if prepares and not pooled else 0,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
                server_settings=None if pooled else settings,
                connection_class=Session,
            )
        )
        # The driver is not cancelled half-way: what the server then does with the connection would end in a future that
        # nobody reads, and the loop would report that as an error of ours.
        try:
            return await _made_within(within, making)
        except BaseException as error:
            making.add_done_callback(_drop)
            if isinstance(error, (*FAILURES, ValueError)):
                raise while_opening(error) from error
            raise


async def _made_within(seconds: float, making: "asyncio.Task[Any]") -> Any:
    """Raises TimeoutError if it takes longer, unless it was this process that stood still: then what has come meanwhile
    is read first."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + seconds
        try:
            async with asyncio.timeout_at(due):
                return await asyncio.shield(making)
        except TimeoutError:
            if not making.done() and loop.time() - due <= pool.LATE_SECONDS:
                raise
        if making.done():
            return making.result()


def _drop(making: "asyncio.Task[Any]") -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().terminate()


@asynccontextmanager
async def first_connection(url: PostgresUrl, *, within: float) -> AsyncIterator[tuple[Connector, Any]]:
    """A connection that rests on nothing, and how to make others: it finds out whether a pooler stands between. Raises
    as `connect` does, also for what the block raises."""
    connection = await Connector(url=url, pooled=True).connect(longest=within, within=within)
    try:
        # a pooler tells a number of its own for that of the process
        pooled = url.pooled or await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid()
        yield Connector(url=url, pooled=pooled), connection
    except FAILURES as error:
        raise while_opening(error) from error
    finally:
        connection.terminate()
