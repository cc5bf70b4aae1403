"""The ASGI application: `/files/{resource}` spends a token, `/transfers/{handle}/{name}` delivers the file.

GET, POST /files/...        token checked ─► resource compared ─► file opened ─► spent, in one write ─► 303
GET, HEAD /transfers/...    handle looked up ─► file opened ─► conditions and range ─► bytes ─► over
"""

import asyncio
import contextlib
import logging
import secrets
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ostiary import jose, limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.credentials.one_time import OneTimeToken
from ostiary.domain.one_time import DOWNLOAD
from ostiary.domain.transfer import Transfer
from ostiary.downloads import pages
from ostiary.downloads.answers import Receive, Scope, Send, answer, begin, refuse
from ostiary.downloads.conditions import Validators, is_not_modified, one, span_of
from ostiary.downloads.delivery import Deliveries, Gone
from ostiary.downloads.errors import AlreadyUsed, MethodRefused, NoSuchFile, WrongResource
from ostiary.downloads.files import OpenFile, Root
from ostiary.downloads.naming import content_disposition, media_type
from ostiary.downloads.presenting import token_of
from ostiary.downloads.sqlite_state import SqliteState
from ostiary.downloads.state import Spending, State
from ostiary.downloads.tokens import OneTimeTokens, handle_digest, kept_until, spent_key
from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.verifier.fetching import Fetch, HttpFetch
from ostiary.verifier.remote_keys import RemoteKeys
from ostiary.verifier.sources import FixedKeys, KeySource, following

if TYPE_CHECKING:
    import ssl

log = logging.getLogger("ostiary.downloads")

_FILES, _TRANSFERS = "/files/", "/transfers/"
_THREADS = 16  # that read files; a slow disk keeps no more than these waiting
_PURGE_SECONDS = 60.0


class InternalError(OstiaryError):
    """A defect of ours. Nothing about it leaves the log."""

    code = "internal_error"
    title = "Something went wrong on our side"


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
        self._revocations = following(issuer, client, None, ssl_context, clock) if client is not None else None
        self._tokens = OneTimeTokens(
            issuer=issuer,
            audience=audience,
            source=source,
            leeway=leeway,
            clock=clock,
            revocations=self._revocations,
        )
        self._state = _state(state, valkey)
        self._root = Root(root)
        self._now = clock.wall
        self._random = random
        self._threads = ThreadPoolExecutor(_THREADS, "ostiary-files")
        self._deliveries = Deliveries(self._state, self._threads)
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
                await self._files(path[len(_FILES) :], scope, receive, send)
            elif path.startswith(_TRANSFERS):
                await self._transfers(path[len(_TRANSFERS) :], scope, receive, send)
            elif path in ("/healthz", "/readyz"):
                await self._health(path, scope, send)
            else:
                raise NoSuchFile
        except OstiaryError as error:
            log.info(
                "%s %s: %s%s", scope["method"], error.status, error.code, f": {error.private}" * bool(error.private)
            )
            await refuse(send, error, page=_page_language(scope), head=head)
        except Exception:
            log.exception("unexpected error at %s", path.split("/")[1])
            await refuse(send, InternalError(), page=_page_language(scope), head=head)

    async def _files(self, resource: str, scope: Scope, receive: Receive, send: Send) -> None:
        method = _method(scope, "GET", "HEAD", "POST")
        token = await token_of(scope, receive)
        allowed = await self._tokens.verify(token)
        # what is typed may be in another normal form than what was signed
        resource = unicodedata.normalize("NFC", resource) if len(resource) <= limits.RESOURCE_BYTES else resource
        if resource != allowed.resource or allowed.action != DOWNLOAD:
            raise WrongResource
        now = self._now()
        file = await self._open(resource)
        await self._in_thread(file.close)
        if method == "POST" or (method == "GET" and not allowed.confirm):
            if _is_prefetch(scope):
                raise Unavailable("A page is being fetched in advance; nothing was used up.", private="prefetch")
            location = await self._spend(allowed, now)
            await answer(send, 303, [("Location", scope.get("root_path", "") + location)])
        elif await self._state.was_spent(spent_key(allowed), until=kept_until(allowed)):
            raise AlreadyUsed
        elif allowed.confirm:
            page = pages.confirm_page(
                _language(scope),
                name=_name_of(resource),
                size=file.size,
                action=scope.get("root_path", "") + _FILES + quote(resource),
                token=token,
            )
            await answer(
                send,
                200,
                [("Content-Type", "text/html; charset=utf-8"), ("Vary", "Accept-Language")],
                page,
                policy=pages.POLICY,
                head=method == "HEAD",
            )
        else:
            headers = [*_describe(file, _name_of(resource)), ("Content-Length", str(file.size))]
            await answer(send, 200, headers, head=True)

    async def _spend(self, token: OneTimeToken, now: float) -> str:
        """Where the transfer is, for the one who comes first. Raises AlreadyUsed."""
        handle = urlsafe_b64encode(self._random(32)).rstrip(b"=").decode()
        spending = await self._state.spend(
            spent_key(token),
            until=kept_until(token),
            now=now,
            handle=handle_digest(handle),
            transfer=Transfer(resource=token.resource, expires_at=now + limits.TRANSFER_SECONDS),
        )
        if spending is not Spending.SPENT:
            raise AlreadyUsed(private=f"jti {token.token_id!r}: {spending.value}")
        log.info("spent jti %r of %s", token.token_id, token.account_id)
        return f"{_TRANSFERS}{handle}/{quote(_name_of(token.resource), safe='')}"

    async def _transfers(self, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        method = _method(scope, "GET", "HEAD")
        text, _, name = rest.partition("/")
        handle = handle_digest(text)
        transfer = await self._state.transfer(handle)
        if transfer is None or name != _name_of(transfer.resource):
            raise NoSuchFile
        if not transfer.is_open(self._now()):
            raise AlreadyUsed
        file = await self._open(transfer.resource)
        try:
            await self._deliver(handle, transfer, file, name, method, scope, receive, send)
        finally:
            await asyncio.shield(self._in_thread(file.close))

    async def _deliver(
        self,
        handle: bytes,
        transfer: Transfer,
        file: OpenFile,
        name: str,
        method: str,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        validators = _validators(file)
        described = _describe(file, name)
        headers = scope["headers"]
        if is_not_modified(headers, validators):
            await answer(send, 304, described)
            return
        if method == "HEAD":
            await answer(send, 200, [*described, ("Content-Length", str(file.size))], head=True)
            return
        span = span_of(headers, file.size, validators)
        described.append(("Content-Length", str(span.stop - span.start)))
        if span.partial:
            described.append(("Content-Range", f"bytes {span.start}-{span.stop - 1}/{file.size}"))
        gone = Gone()
        gone.watch(receive)
        try:
            await self._deliveries.send(
                handle,
                transfer,
                file,
                span,
                begin=partial(begin, send, 206 if span.partial else 200, described),
                send=send,
                gone=gone,
            )
        finally:
            await gone.stop()

    async def _health(self, path: str, scope: Scope, send: Send) -> None:
        method = _method(scope, "GET", "HEAD")
        if path == "/readyz":
            await self._state.check()
            await self._tokens.keys()
        body = b'{"status":"ok"}' if path == "/healthz" else b'{"ready":true}'
        await answer(send, 200, [("Content-Type", "application/json")], body, head=method == "HEAD")

    async def _open(self, resource: str) -> OpenFile:
        try:
            file = await asyncio.get_running_loop().run_in_executor(self._threads, self._root.open, resource)
        except OSError as error:
            raise Unavailable(private=f"the file cannot be opened: {error.strerror}") from None
        if file is None:
            raise NoSuchFile
        return file

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, work)


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


def _method(scope: Scope, *allowed: str) -> str:
    method: str = scope["method"]
    if method not in allowed:
        raise MethodRefused(", ".join(allowed))
    return method


def _name_of(resource: str) -> str:
    return resource.rpartition("/")[2]


def _validators(file: OpenFile) -> Validators:
    return Validators(etag=f'"{file.version}"', modified=file.modified_ns // 1_000_000_000)


def _describe(file: OpenFile, name: str) -> list[tuple[str, str]]:
    validators = _validators(file)
    return [
        ("Content-Type", media_type(name)),
        ("Content-Disposition", content_disposition(name)),
        ("ETag", validators.etag),
        ("Last-Modified", validators.last_modified),
        ("Accept-Ranges", "bytes"),
    ]


def _is_prefetch(scope: Scope) -> bool:
    """A browser guesses what will be clicked next, and nobody has clicked yet."""
    return any(
        name in (b"sec-purpose", b"purpose", b"x-moz", b"x-purpose") and b"prefetch" in value.lower()
        for name, value in scope["headers"]
    )


def _language(scope: Scope) -> str:
    return pages.language_of(one(scope["headers"], b"accept-language") or "")


def _page_language(scope: Scope) -> str | None:
    """The language of the page that a browser gets instead of problem details; None for everybody else."""
    accepts = one(scope["headers"], b"accept") or ""
    return _language(scope) if "text/html" in accepts else None
