"""What the administration's pages share."""

import asyncio
import math
from collections.abc import Iterable

from starlette.responses import Response

from ostiary.errors import NotFound
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth, Endpoint, Handler
from ostiary.http.pages.language import Translator
from ostiary.http.pages.wording import done_text
from ostiary.http.routes.pages.common import frame_of, page, row, see_other, told
from ostiary.http.routes.pages.step_up import guarded
from ostiary.services.context import Ended

ROWS = 25  # of one page of a listing


def show(call: Call, template: str, *, at: str, query: dict[str, str] | None = None, **values: object) -> Response:
    """A page of the administration, with what the action before it did."""
    frame = frame_of(call)
    t = Translator(frame.lang)
    notice = call.request.query_params.get("notice")
    html = call.services.pages.show(
        frame,
        template,
        at=at,
        query=query,
        failed=False,
        now=call.now,
        bound=math.ceil(call.services.context.bound),
        notice=done_text(t, notice, told(call, "ended"), call.services.context.bound),
        **values,
    )
    return page(html)


def done(call: Call, path: str, notice: str, ended: Ended | None = None, **query: str) -> Response:
    """303 to where it can be seen what was done."""
    more: dict[str, str | int] = {**query, "notice": notice}
    if ended is not None:
        more["ended"] = ended.ended
    return see_other(call, path, **more)


async def names_of(call: Call, account_ids: Iterable[str | None]) -> dict[str, str]:
    """User names by account id; ids of accounts that are gone are left out."""

    async def name(account_id: str) -> tuple[str, str | None]:
        try:
            return account_id, (await call.services.accounts.get(account_id)).username
        except NotFound:
            return account_id, None

    wanted = sorted({one for one in account_ids if one is not None and one.startswith("acc_")})
    found = await asyncio.gather(*(name(account_id) for account_id in wanted))
    return {account_id: username for account_id, username in found if username is not None}


async def account_of(call: Call, name_or_id: str) -> str:
    """The account's id; what is no user name is taken for the id of an account that may be gone."""
    try:
        return (await call.services.accounts.find(name_or_id)).id if name_or_id else ""
    except NotFound:
        return name_or_id


def see(path: str, handler: Handler, summary: str) -> Endpoint:
    """A page that administrators may look at."""
    return row("GET", path, handler, summary, auth=Auth.ADMIN)


def act(path: str, handler: Handler, summary: str) -> Endpoint:
    """A form of theirs, which wants a recent proof of the password."""
    return row("POST", path, guarded(handler), summary, auth=Auth.ADMIN)
