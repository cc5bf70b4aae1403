"""The one token of a request: in `Authorization`, in `?token=`, or in the form that the confirm page posts."""

import asyncio
from urllib.parse import parse_qsl

from ostiary import limits
from ostiary.downloads.answers import Receive, Scope
from ostiary.errors import Malformed, NotAuthenticated
from ostiary.verifier.headers import bearer_token

_FORM = "application/x-www-form-urlencoded"


async def token_of(scope: Scope, receive: Receive) -> str:
    """Raises NotAuthenticated, Malformed if two different ones are sent, CredentialRefused for another scheme."""
    found = _in_query(scope)
    if any(name == b"authorization" for name, _ in scope["headers"]):
        found.add(bearer_token(scope["headers"]))
    if scope["method"] == "POST":
        found |= await _in_form(scope, receive)
    if len(found) > 1:
        raise Malformed("Send one token.")
    if not found:
        raise NotAuthenticated("A one-time token is needed.")
    return found.pop()


def _in_query(scope: Scope) -> set[str]:
    try:
        pairs = parse_qsl(scope.get("query_string", b"").decode("ascii"), keep_blank_values=True, max_num_fields=64)
    except ValueError:
        raise Malformed("The query cannot be read.") from None
    return _token_of(pairs)


async def _in_form(scope: Scope, receive: Receive) -> set[str]:
    body = b""
    more = True
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Malformed("The connection closed before the body ended.")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > limits.HEADERS_BYTES:
                    raise Malformed("The body is larger than any token.")
    except TimeoutError:
        raise Malformed("The body took too long.") from None
    kinds = [value.partition(b";")[0].strip().lower() for name, value in scope["headers"] if name == b"content-type"]
    if not body or kinds != [_FORM.encode()]:
        return set()
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=64)
    except ValueError:
        raise Malformed("The body is not a form.") from None
    return _token_of(pairs)


def _token_of(pairs: list[tuple[str, str]]) -> set[str]:
    values = [value for name, value in pairs if name == "token"]
    if len(values) > 1:
        raise Malformed("'token' was sent twice.")
    return {value for value in values if value}
