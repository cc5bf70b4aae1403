"""Registered services."""

from starlette.responses import Response

from ostiary.http.answers.clients import (
    ChangedClientAnswer,
    NewClientAnswer,
    RegisteredClientAnswer,
    RegisteredClientsAnswer,
    ReplacedSecretAnswer,
    client_view,
)
from ostiary.http.answers.common import EndedAnswer, ended_answer
from ostiary.http.bodies import ClientPatchBody, NewClientBody
from ostiary.http.call import Call
from ostiary.http.endpoints import CURSOR, LIMIT
from ostiary.http.problems import json_response
from ostiary.http.routes.admin.rows import act, see
from ostiary.services.clients import ClientFields


async def list_clients(call: Call) -> Response:
    """GET /v1/admin/clients"""
    clients, following = await call.services.clients.page(after=call.query("cursor"), limit=call.limit())
    return json_response(RegisteredClientsAnswer(clients=[client_view(client) for client in clients], next=following))


async def create_client(call: Call) -> Response:
    """POST /v1/admin/clients"""
    body: NewClientBody = call.body
    made = await call.services.clients.create(
        ClientFields(
            name=body.name,
            grants=tuple(body.grants),
            audiences=tuple(body.audiences),
            targets=tuple(body.targets),
            scopes=tuple(body.scopes),
            jwks=body.jwks,
        ),
        actor=call.as_admin,
        device=call.client,
    )
    return json_response(NewClientAnswer(client=client_view(made.client), client_secret=made.secret), status=201)


async def show_client(call: Call) -> Response:
    """GET /v1/admin/clients/{id}"""
    return json_response(RegisteredClientAnswer(client=client_view(await call.services.clients.get(call.path("id")))))


async def change_client(call: Call) -> Response:
    """PATCH /v1/admin/clients/{id}"""
    body: ClientPatchBody = call.body
    client, ended = await call.services.clients.change(
        call.path("id"),
        ClientFields(
            name=body.name if isinstance(body.name, str) else None,
            grants=tuple(body.grants) if isinstance(body.grants, list) else None,
            audiences=tuple(body.audiences) if isinstance(body.audiences, list) else None,
            targets=tuple(body.targets) if isinstance(body.targets, list) else None,
            scopes=tuple(body.scopes) if isinstance(body.scopes, list) else None,
            jwks=body.jwks if isinstance(body.jwks, dict) else None,
        ),
        actor=call.as_admin,
        device=call.client,
    )
    ended = await call.settled(ended)
    return json_response(ChangedClientAnswer(client=client_view(client), ended=ended.ended, bound=ended.bound))


async def replace_secret(call: Call) -> Response:
    """POST /v1/admin/clients/{id}/secret"""
    made = await call.services.clients.replace_secret(call.path("id"), actor=call.as_admin, device=call.client)
    ended = await call.settled(made.ended)
    answer = ReplacedSecretAnswer(
        client=client_view(made.client), client_secret=made.secret, ended=ended.ended, bound=ended.bound
    )
    return json_response(answer)


async def delete_client(call: Call) -> Response:
    """DELETE /v1/admin/clients/{id}"""
    ended = await call.services.clients.delete(call.path("id"), actor=call.as_admin, device=call.client)
    return json_response(ended_answer(await call.settled(ended)))


_ONE = "/v1/admin/clients/{id}"

ENDPOINTS = (
    see(
        "/v1/admin/clients",
        list_clients,
        "Registered services by name",
        RegisteredClientsAnswer,
        query=(CURSOR, LIMIT),
        refusals=(422,),
    ),
    act(
        "POST",
        "/v1/admin/clients",
        create_client,
        "Register a service; its secret is shown once",
        NewClientAnswer,
        body=NewClientBody,
        makes=True,
    ),
    see(_ONE, show_client, "One registered service", RegisteredClientAnswer, refusals=(404,)),
    act(
        "PATCH",
        _ONE,
        change_client,
        "Change a service; if it may do less than before, what was issued to it is refused",
        ChangedClientAnswer,
        body=ClientPatchBody,
        refusals=(404, 409),
    ),
    act(
        "DELETE",
        _ONE,
        delete_client,
        "Forget a service; what was issued to it is refused",
        EndedAnswer,
        refusals=(404, 409),
    ),
    act(
        "POST",
        f"{_ONE}/secret",
        replace_secret,
        "A new secret for a service; the old one, and what was issued for it, are refused",
        ReplacedSecretAnswer,
        refusals=(404, 409),
    ),
)
