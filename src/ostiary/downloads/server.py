"""The ASGI application: `/files/{resource}` spends a token, `/transfers/{handle}/{name}` delivers the file.

GET, POST /files/...        token checked ─► resource compared ─► file opened ─► spent, in one write ─► 303
GET, HEAD /transfers/...    handle looked up ─► file opened ─► conditions and range ─► bytes ─► over
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary import jose
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.downloads.answers import Receive, Scope, Send, answer, refuse
from ostiary.downloads.asking import method_of, page_language
from ostiary.downloads.delivery import Deliveries
from ostiary.downloads.errors import NoSuchFile
from ostiary.downloads.files import Root
from ostiary.downloads.library import Library
from ostiary.downloads.sqlite_state import SqliteState
from ostiary.downloads.state import State
from ostiary.downloads.tickets import Tickets
from ostiary.downloads.tokens import OneTimeTokens
from ostiary.downloads.transfers import Transfers
from ostiary.errors import InternalError, Misconfigured, OstiaryError, Unavailable
from ostiary.verifier.fetching import Fetch, HttpFetch
from ostiary.verifier.remote_keys import RemoteKeys
from ostiary.verifier.sources import FixedKeys, KeySource, following

if TYPE_CHECKING:
    import ssl

log = logging.getLogger("ostiary.downloads")

_FILES, _TRANSFERS = "/files/", "/transfers/"
_THREADS = 16  # that read files; a slow disk keeps no more than these waiting
_PURGE_SECONDS = 60.0


class DownloadServer:
    """Hands out the files below `root` for one-time tokens that `issuer` made for `audience`, each of them once.

    `state` remembers what was spent: a file of its own, made if need be, for any number of processes on one machine; or
    a Valkey, by its URL in `valkey`, for several machines. Whatever is below `root` can be asked for by everybody who
    may ask the issuer for a token, so nothing else should lie there.

    `client` is who this server is to the issuer, (id, secret) or (id, private key): with it the revocation feed is
    followed, and a token of a session that has ended is refused; without it, such a token lives for its two minutes.
    `keys`, `jwks_uri`, `ssl_context` and `fetch` are as for `ostiary.verifier.Verifier`. As the outermost application
    it starts and stops with the server; mounted, it starts at its first request, or with `start` and `stop`.
    Raises Misconfigured.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        issuer: str,
        audience: str,
        state: str | Path | State | None = None,
        valkey: str | None = None,
        client: object = None,
        keys: jose.KeySet | None = None,
        jwks_uri: str | None = None,
        leeway: float = 30.0,
        ssl_context: "ssl.SSLContext | None" = None,
        fetch: Fetch | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        source: KeySource = (
            FixedKeys(keys)
            if keys is not None
            else RemoteKeys(issuer, fetch or HttpFetch(ssl_context), clock=clock, jwks_uri=jwks_uri)
        )
        self._revocations = following(issuer, client, None, None, ssl_context, clock) if client is not None else None
        self._tokens = OneTimeTokens(
            issuer=issuer,
            audience=audience,
            source=source,
            leeway=leeway,
            clock=clock,
            revocations=self._revocations,
        )
        self._state = _state(state, valkey)
        self._now = clock.wall
        threads = ThreadPoolExecutor(_THREADS, "ostiary-files")
        library = Library(Root(root), threads)
        self._tickets = Tickets(
            self._tokens, self._state, library, files=_FILES, transfers=_TRANSFERS, now=self._now, random=random
        )
        self._transfers = Transfers(self._state, library, Deliveries(self._state, threads), now=self._now)
        self._starting: asyncio.Lock | None = None
        self._running = False
        self._purging: asyncio.Task[None] | None = None

    # --- Lifetime -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the state; fetch the keys, or try again at the first request. Raises Misconfigured, Unavailable."""
        self._starting = self._starting or asyncio.Lock()
        async with self._starting:
            if self._running:
                return
            await self._state.open()
            self._purging = asyncio.create_task(self._purge(), name="ostiary-downloads")
            self._running = True
            try:
                await self._tokens.keys()
                if self._revocations is not None:
                    await self._revocations.start()
            except Unavailable as error:
                log.warning("started without the issuer's keys or its feed: %s", error.private)

    async def stop(self) -> None:
        """Close the state. May be started again."""
        task, self._purging = self._purging, None
        self._running = False
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._revocations is not None:
            await self._revocations.stop()
        await self._state.close()

    async def _purge(self) -> None:
        while True:
            try:
                await self._state.purge(now=self._now())
            except OstiaryError as error:
                log.warning("what was spent could not be purged: %s", error.private)
            await asyncio.sleep(_PURGE_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except OstiaryError as error:
                    await send({"type": "lifespan.startup.failed", "message": f"{error} {error.private}".strip()})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    # --- Requests -----------------------------------------------------------------------------------------------------

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = scope["method"] == "HEAD"
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        try:
            if not self._running:
                await self.start()
            if path.startswith(_FILES):
                await self._tickets.answer(path[len(_FILES) :], scope, receive, send)
            elif path.startswith(_TRANSFERS):
                await self._transfers.answer(path[len(_TRANSFERS) :], scope, receive, send)
            elif path in ("/healthz", "/readyz"):
                await self._health(path, scope, send)
            else:
                raise NoSuchFile
        except OstiaryError as error:
            log.info(
                "%s %s: %s%s", scope["method"], error.status, error.code, f": {error.private}" * bool(error.private)
            )
            await refuse(send, error, page=page_language(scope), head=head)
        except Exception:
            log.exception("unexpected error at %s", path.split("/")[1])
            await refuse(send, InternalError(), page=page_language(scope), head=head)

    async def _health(self, path: str, scope: Scope, send: Send) -> None:
        method = method_of(scope, "GET", "HEAD")
        if path == "/readyz":
            await self._state.check()
            await self._tokens.keys()
        body = b'{"status":"ok"}' if path == "/healthz" else b'{"ready":true}'
        await answer(send, 200, [("Content-Type", "application/json")], body, head=method == "HEAD")


def _state(state: str | Path | State | None, valkey: str | None) -> State:
    if (state is None) == (valkey is None):
        raise Misconfigured("Name one place to remember what was spent: state (a file) or valkey (a URL).")
    if valkey is not None:
        try:
            from ostiary.downloads.valkey_state import ValkeyState
        except ImportError:
            raise Misconfigured("A Valkey needs the extra: pip install 'ostiary[valkey]'") from None

        return ValkeyState(valkey)
    return SqliteState(state) if isinstance(state, str | Path) else state  # type: ignore[return-value]
