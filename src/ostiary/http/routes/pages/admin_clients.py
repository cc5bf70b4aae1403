"""Clients: services that may ask this server for tokens, or about them."""

from starlette.responses import Response

from ostiary.domain.client import GRANTS
from ostiary.errors import InvalidRequest
from ostiary.http.call import Call
from ostiary.http.routes.pages.admin_common import ROWS, act, done, see, show
from ostiary.http.routes.pages.common import with_headers_of
from ostiary.services.clients import ClientFields, NewSecret

_WORDS = ("audiences", "targets", "scopes")


async def clients(call: Call) -> Response:
    """GET /admin/clients"""
    return await _clients(call)


async def _clients(call: Call, *, refusal: str | None = None, made: NewSecret | None = None) -> Response:
    """`refusal` is why what was asked for was not done, `made` a client with its new secret, shown once."""
    found, following = await call.services.clients.page(after=call.query("cursor"), limit=ROWS)
    typed = {name: call.form.get(name, "") if refusal else "" for name in ("name", *_WORDS)}
    return show(
        call,
        "admin_clients.html",
        at="/admin/clients",
        clients=found,
        following=following,
        cursor=call.query("cursor"),
        grants=GRANTS,
        asked=_grants(call) if refusal else (),
        typed=typed,
        refusal=refusal,
        made=made,
    )


def _grants(call: Call) -> tuple[str, ...]:
    return tuple(grant for grant in GRANTS if call.form.get(f"grant:{grant}"))


async def create(call: Call) -> Response:
    """POST /admin/clients: the secret is in this answer only"""
    words = {name: tuple(call.form.get(name, "").split()) for name in _WORDS}
    fields = ClientFields(
        name=call.form.get("name", ""),
        grants=_grants(call),
        audiences=words["audiences"],
        targets=words["targets"],
        scopes=words["scopes"],
    )
    try:
        made = await call.services.clients.create(fields, actor=call.as_admin, device=call.client)
    except InvalidRequest as error:
        response = await _clients(call, refusal=str(error))
        response.status_code = error.status
        return with_headers_of(error, response)
    return await _clients(call, made=made)


async def replace_secret(call: Call) -> Response:
    """POST /admin/clients/{id}/secret: the new secret is in this answer only"""
    made = await call.services.clients.replace_secret(call.path("id"), actor=call.as_admin, device=call.client)
    return await _clients(call, made=made)


async def delete(call: Call) -> Response:
    """POST /admin/clients/{id}/delete"""
    await call.services.clients.delete(call.path("id"), actor=call.as_admin, device=call.client)
    return done(call, "/admin/clients", "client_deleted")


ENDPOINTS = (
    see("/admin/clients", clients, "Clients"),
    act("/admin/clients", create, "Register a client"),
    act("/admin/clients/{id}/secret", replace_secret, "Replace a client's secret"),
    act("/admin/clients/{id}/delete", delete, "Delete a client"),
)
