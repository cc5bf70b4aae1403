"""The rows of the administration in the table of endpoints: who looks has the role, who changes has proven the password
recently, too."""

from typing import Any

from ostiary.http.bodies import EmptyBody
from ostiary.http.endpoints import Auth, Endpoint, Handler, Query

_TAG = "administration"


def see(
    path: str,
    handler: Handler,
    summary: str,
    answer: Any,
    *,
    query: tuple[Query, ...] = (),
    refusals: tuple[int, ...] = (),
) -> Endpoint:
    """What administrators may look at."""
    return Endpoint(
        method="GET",
        path=path,
        handler=handler,
        summary=summary,
        auth=Auth.ADMIN,
        query=query,
        answers={200: answer},
        refusals=refusals,
        tag=_TAG,
    )


def act(
    method: str,
    path: str,
    handler: Handler,
    summary: str,
    answer: Any,
    *,
    body: type = EmptyBody,
    makes: bool = False,
    refusals: tuple[int, ...] = (),
) -> Endpoint:
    """What they may change. It ends something, or may; with `makes` it makes something new instead."""
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        summary=summary,
        auth=Auth.FRESH_ADMIN,
        body=body,
        body_optional=body is EmptyBody,
        answers={201 if makes else 200: answer},
        ends=not makes,
        refusals=refusals,
        tag=_TAG,
    )
