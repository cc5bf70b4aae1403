"""One request, as handlers see it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.types import Scope

from ostiary import limits
from ostiary.domain.account import ADMIN
from ostiary.domain.caller import Caller
from ostiary.errors import InvalidRequest, Malformed
from ostiary.http.problems import ContentTooLarge, RequestTimeout, UnsupportedMediaType
from ostiary.http.services import Services
from ostiary.jose.encoding import NotAnObject, Unreadable, decode_object
from ostiary.services.asking import Asking
from ostiary.services.context import Client, Ended

T = TypeVar("T", bound=msgspec.Struct)

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Call:
    """`now` is the one instant of this request. `cookies` are set on whatever is answered. `waits`: see `settled`."""

    services: Services
    request: Request
    now: float
    client: Client
    caller: Caller | None = None
    from_cookie: bool = False
    body: Any = field(default=None, repr=False)
    form: dict[str, str] = field(default_factory=dict, repr=False)
    cookies: list[str] = field(default_factory=list, repr=False)
    waits: bool = False

    @property
    def scope(self) -> Scope:
        """The ASGI scope."""
        return self.request.scope

    @property
    def me(self) -> Caller:
        """The caller; only behind an endpoint that demands one."""
        assert self.caller is not None  # noqa: S101
        return self.caller

    @property
    def as_owner(self) -> Asking:
        """The caller, for a change of what is their own."""
        return Asking(self.me)

    @property
    def as_admin(self) -> Asking:
        """The caller, for a change that an administrator may make."""
        return Asking(self.me, ADMIN)

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """A query parameter, "" if absent; none that an endpoint takes comes twice."""
        value = self.request.query_params.get(name, "")
        if len(value) > limits.CURSOR_CHARS:
            raise InvalidRequest(f"The query parameter '{name}' is too long.")
        return value

    async def settled(self, ended: Ended) -> Ended:
        """The report to answer with: as it is, or with `?wait=all` once no node accepts any more what was ended."""
        return await self.services.context.everywhere(ended) if self.waits else ended

    def read_wait(self) -> None:
        """Whether `?wait=all` was asked for. Raises InvalidRequest for anything else."""
        wait = self.request.query_params.get("wait") if self.scope["query_string"] else None
        if wait not in (None, "all"):
            raise InvalidRequest("'wait' is 'all', or is left out.")
        if wait is not None:
            self.waits = True
            self.services.context.will_wait()

    def limit(self) -> int:
        """How many rows were asked for."""
        text = self.query("limit")
        if text == "":
            return limits.PAGE_ROWS_DEFAULT
        if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= limits.PAGE_ROWS):
            raise InvalidRequest(f"'limit' is a number from 1 to {limits.PAGE_ROWS}.")
        return int(text)


async def read_body(request: Request) -> bytes:
    """The whole body. Raises ContentTooLarge as soon as it is known to be, RequestTimeout when it takes too long,
    UnsupportedMediaType, Malformed."""
    _check_codings(request)
    declared = next(iter(_values(request, b"content-length")), "0")
    # more digits than this are too large whatever they say, and may be more than `int` takes
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > limits.BODY_BYTES):
        raise ContentTooLarge
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Malformed("The connection closed before the body ended.")
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                if size > limits.BODY_BYTES:
                    raise ContentTooLarge
                chunks.append(chunk)
    except TimeoutError:
        raise RequestTimeout from None
    return b"".join(chunks)


async def read_json(request: Request, shape: type[T], *, optional: bool) -> T:
    """The body as `shape`. Raises UnsupportedMediaType, Malformed, InvalidRequest, ContentTooLarge."""
    raw = await read_body(request)
    if not raw:
        if optional:
            return shape()
        raise Malformed("The body is missing.")
    _check_type(request, JSON)
    try:
        members = decode_object(raw)
    except NotAnObject:
        raise InvalidRequest("The body is not a JSON object.") from None
    except Unreadable as error:
        raise Malformed(f"The body is not acceptable JSON: {error}.") from None
    try:
        return msgspec.convert(members, shape)
    except msgspec.ValidationError as error:
        raise InvalidRequest(_said_without_input(error)) from None


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; each at most once (RFC 6749 section 3.2). Raises as `read_json`."""
    raw = await read_body(request)
    if not raw:
        return {}  # a form without fields; some clients then leave out the Content-Type
    _check_type(request, FORM)
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise Malformed("The body is not a form.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("A form field was sent twice.")
    return fields


def _values(request: Request, name: bytes) -> list[str]:
    """Of a header field: from the scope itself, as every body asks for four of them."""
    return [value.decode("latin-1") for sent, value in request.scope["headers"] if sent == name]


def _check_codings(request: Request) -> None:
    """A body is read as it is written. Raises UnsupportedMediaType (RFC 9110 section 8.4), Malformed (RFC 9112 6.1)."""
    if any(coding.strip().lower() != "identity" for coding in _values(request, b"content-encoding")):
        raise UnsupportedMediaType("Send the body without a content coding.")
    if any(coding.strip().lower() != "chunked" for coding in _values(request, b"transfer-encoding")):
        raise Malformed("Send the body without a transfer coding but 'chunked'.")


def _check_type(request: Request, expected: str) -> None:
    values = _values(request, b"content-type")
    media_type, *parameters = (values[0] if len(values) == 1 else "").lower().split(";")
    charsets = [text.strip().removeprefix("charset=").strip('"') for text in parameters if "charset=" in text]
    if media_type.strip() != expected or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType(f"Send the body as {expected}.")


def _said_without_input(error: msgspec.ValidationError) -> str:
    """msgspec names unknown members and refused values; both may be secrets that were put in the wrong place."""
    message = str(error)
    if "unknown field" in message:
        return "The body has a member that this call does not know."
    if "Invalid enum value" in message:
        message = "Invalid value" + message[message.rfind(" - at") :] if " - at" in message else "Invalid value"
    return message + "."
