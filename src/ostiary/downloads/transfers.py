"""`/transfers/{handle}/{name}`: GET, HEAD and Range until the file has been delivered once, or the time is over."""

from collections.abc import Callable
from functools import partial

from ostiary.domain.transfer import Transfer
from ostiary.downloads.answers import Receive, Scope, Send, answer, begin
from ostiary.downloads.asking import method_of
from ostiary.downloads.conditions import is_not_modified, span_of
from ostiary.downloads.delivery import Deliveries, Gone
from ostiary.downloads.errors import AlreadyUsed, NoSuchFile
from ostiary.downloads.files import OpenFile
from ostiary.downloads.library import Library
from ostiary.downloads.naming import described, name_of, validators_of
from ostiary.downloads.state import State
from ostiary.downloads.tokens import handle_digest


class Transfers:
    """What a spent token has opened."""

    def __init__(self, state: State, library: Library, deliveries: Deliveries, *, now: Callable[[], float]) -> None:
        self._state = state
        self._library = library
        self._deliveries = deliveries
        self._now = now

    async def answer(self, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what is refused."""
        method = method_of(scope, "GET", "HEAD")
        text, _, name = rest.partition("/")
        handle = handle_digest(text)
        transfer = await self._state.transfer(handle)
        if transfer is None or name != name_of(transfer.resource):
            raise NoSuchFile
        if not transfer.is_open(self._now()):
            raise AlreadyUsed
        file = await self._library.open(transfer.resource)
        try:
            await self._deliver(handle, transfer, file, name, method, scope, receive, send)
        finally:
            await self._library.close(file)

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
        validators = validators_of(file)
        lines = described(file, name)
        headers = scope["headers"]
        if is_not_modified(headers, validators):
            await answer(send, 304, lines)
            return
        if method == "HEAD":
            await answer(send, 200, [*lines, ("Content-Length", str(file.size))], head=True)
            return
        span = span_of(headers, file.size, validators)
        lines.append(("Content-Length", str(span.stop - span.start)))
        if span.partial:
            lines.append(("Content-Range", f"bytes {span.start}-{span.stop - 1}/{file.size}"))
        gone = Gone()
        gone.watch(receive)
        try:
            await self._deliveries.send(
                handle,
                transfer,
                file,
                span,
                begin=partial(begin, send, 206 if span.partial else 200, lines),
                send=send,
                gone=gone,
            )
        finally:
            await gone.stop()
