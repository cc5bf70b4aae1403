"""The administration's first page: what is going on, how the server is, and the way to end everything."""

import logging

from starlette.responses import Response

from ostiary.errors import OstiaryError
from ostiary.http.call import Call
from ostiary.http.pages.language import Translator
from ostiary.http.pages.overview_charts import overview_charts
from ostiary.http.routes.pages.admin_common import act, done, see, show
from ostiary.http.routes.pages.common import emptied, language_of

log = logging.getLogger("ostiary.admin")


async def overview(call: Call) -> Response:
    """GET /admin"""
    watching = call.services.overview
    kinds = await watching.live_by_kind()
    hours = await watching.hours()
    health = await watching.health(store=await _store_works(call))
    t = Translator(language_of(call))
    return show(
        call,
        "admin_overview.html",
        at="/admin",
        live=sum(kinds.values()),
        administrators=await watching.administrators(),
        logins=sum(hour.logins for hour in hours),
        failures=sum(hour.failures for hour in hours),
        charts=overview_charts(t, hours=hours, kinds=kinds, samples=watching.samples, health=health),
        health=health,
        fleet=await call.services.nodes.all(),
    )


async def nodes(call: Call) -> Response:
    """GET /admin/nodes"""
    return show(call, "admin_nodes.html", at="/admin/nodes", fleet=await call.services.nodes.all())


async def _store_works(call: Call) -> bool:
    try:
        await call.services.context.store.check()
    except OstiaryError as error:
        log.warning("the store does not answer: %s %s", error, error.private)
        return False
    return True


async def end_everything(call: Call) -> Response:
    """POST /admin/end-everything"""
    ended = await call.services.sessions.end_everything(actor=call.as_admin, client=call.client)
    call.cookies += call.services.cookies.clear()
    return emptied(done(call, "/login", "all_ended", ended))


ENDPOINTS = (
    see("/admin", overview, "What is going on"),
    see("/admin/nodes", nodes, "Health of all nodes"),
    act("/admin/end-everything", end_everything, "Everybody has to log in again"),
)
