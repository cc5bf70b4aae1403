"""Errors on the wire: RFC 9457 problem details with the headers that belong to them."""

from dataclasses import dataclass

import msgspec

from ostiary.errors import OstiaryError, Unavailable
from ostiary.verifier.errors import NonceRequired, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response, whole: for any framework."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer_to(error: OstiaryError) -> Answer:
    """What to send for an error of a verifier. Nothing that the caller sent is in it."""
    problem = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": str(error),
    }
    headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
    if isinstance(error, Refused) and error.challenge:
        headers.append(("WWW-Authenticate", error.challenge))
    if isinstance(error, NonceRequired):
        headers.append(("DPoP-Nonce", error.nonce))
    if isinstance(error, Unavailable):
        problem["retry_after"] = error.retry_after
        headers.append(("Retry-After", str(error.retry_after)))
    body = msgspec.json.encode(problem)
    headers.append(("Content-Length", str(len(body))))
    return Answer(status=error.status, headers=tuple(headers), body=body)
