"""Signing keys."""

from starlette.responses import Response

from ostiary.http.answers.common import EndedAnswer, ended_answer
from ostiary.http.answers.keys import KeysAnswer, RotatedAnswer, key_view, used_key_view
from ostiary.http.call import Call
from ostiary.http.problems import json_response
from ostiary.http.routes.admin.rows import act, see


async def list_keys(call: Call) -> Response:
    """GET /v1/admin/keys"""
    keys, uses = await call.services.signing_keys.all(), await call.services.signing_keys.uses()
    return json_response(KeysAnswer(keys=[used_key_view(key, uses[key.id]) for key in keys if key.id in uses]))


async def rotate_keys(call: Call) -> Response:
    """POST /v1/admin/keys/rotate"""
    key = await call.services.signing_keys.rotate(actor=call.as_admin)
    ended = await call.settled(call.services.context.ended(0))
    return json_response(RotatedAnswer(key=key_view(key), ended=ended.ended, bound=ended.bound))


async def revoke_key(call: Call) -> Response:
    """DELETE /v1/admin/keys/{kid}"""
    ended = await call.services.signing_keys.revoke(call.path("kid"), actor=call.as_admin)
    return json_response(ended_answer(await call.settled(ended)))


ENDPOINTS = (
    see("/v1/admin/keys", list_keys, "Signing keys and their states", KeysAnswer),
    act("POST", "/v1/admin/keys/rotate", rotate_keys, "Sign with the next key from now on", RotatedAnswer),
    act(
        "DELETE",
        "/v1/admin/keys/{kid}",
        revoke_key,
        "Emergency: refuse all that this key signed",
        EndedAnswer,
        refusals=(404,),
    ),
)
