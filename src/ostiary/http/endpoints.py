"""The table of endpoints: method, path, who may call, what goes in, what comes out. Routing and the OpenAPI document
are both made from it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from ostiary.http.call import Call


class Auth(Enum):
    """Who may call."""

    ANYONE = "anyone"
    VISITOR = "anyone, recognised if logged in"
    CALLER = "caller"
    FRESH_CALLER = "fresh caller"  # one who has proven the password recently
    ADMIN = "admin"
    FRESH_ADMIN = "fresh admin"  # an administrator who has proven the password recently


class Dialect(Enum):
    """How errors are told."""

    PROBLEM = "problem+json"
    OAUTH = "oauth"
    PAGE = "page"


Handler = Callable[["Call"], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query parameter; all are optional strings, `limit` a number."""

    name: str
    description: str


CURSOR = Query(name="cursor", description="`next` of the page before.")
LIMIT = Query(name="limit", description="Rows of a page, 1 to 100.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row. `answers` maps a status to the type of its body (None: no JSON body). `proves_password`: whoever has
    to step up may call it, since it is how. `ends`: it ends something, and takes `?wait=all`: its handler answers what
    `Call.settled` gives it. `by_client`: registered services call it, with their own credentials."""

    method: str
    path: str
    handler: Handler
    summary: str
    auth: Auth = Auth.ANYONE
    body: type | None = None
    body_optional: bool = False
    form: tuple[str, ...] = ()
    query: tuple[Query, ...] = ()
    answers: Mapping[int, Any] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()
    proves_password: bool = False
    ends: bool = False
    by_client: bool = False
    dialect: Dialect = Dialect.PROBLEM
    tag: str = "session"
    documented: bool = True
