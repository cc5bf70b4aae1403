"""GET /status-lists/{n}: Token Status Lists (draft-ietf-oauth-status-list), for third parties that follow no feed.

Public, and the same for everybody: it says of bits that they are set, not of whom.
"""

from starlette.responses import Response

from ostiary import limits
from ostiary.errors import NotFound, OstiaryError
from ostiary.http.call import Call
from ostiary.http.endpoints import Endpoint
from ostiary.services.status_lists import STATUS_LIST_TYPE

_DIGITS = 15  # of a list's number


class NoHistory(OstiaryError):
    """How a list was at another time is not kept (section 8.4 of the draft)."""

    code = "not_implemented"
    status = 501
    title = "Status lists of the past are not kept"


async def status_list(call: Call) -> Response:
    """GET /status-lists/{n}"""
    text = call.path("n")
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS) or text != str(int(text)):
        raise NotFound("No such status list.")
    if "time" in call.request.query_params:
        raise NoHistory
    token = await call.services.status_lists.token(int(text), call.now)
    headers = {"Cache-Control": f"public, max-age={limits.STATUS_LIST_TTL}", "Access-Control-Allow-Origin": "*"}
    return Response(token, headers=headers, media_type=f"application/{STATUS_LIST_TYPE}")


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/status-lists/{n}",
        handler=status_list,
        summary="A Token Status List: which stateless tokens hold no more, for third parties",
        answers={200: None},
        refusals=(404, 501, 503),
        tag="oauth",
    ),
)
