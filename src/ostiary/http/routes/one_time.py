"""Tokens that are good for one thing, once, elsewhere."""

from msgspec import UNSET
from starlette.responses import Response

from ostiary.http.answers.credentials import OneTimeAnswer
from ostiary.http.bodies import OneTimeBody
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth, Endpoint
from ostiary.http.problems import json_response


async def issue(call: Call) -> Response:
    """POST /v1/one-time-tokens"""
    body: OneTimeBody = call.body
    issued = call.services.one_time_tokens.issue(
        call.me,
        audience=body.audience,
        action=body.action,
        resource=body.resource,
        expires_in=body.expires_in,
        confirm=body.confirm,
        now=call.now,
    )
    return json_response(
        OneTimeAnswer(token=issued.token, expires_in=issued.expires_in, url=issued.url or UNSET), status=201
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/v1/one-time-tokens",
        handler=issue,
        summary="A token for one action on one resource at another service, good once",
        auth=Auth.CALLER,
        body=OneTimeBody,
        answers={201: OneTimeAnswer},
        tag="services",
    ),
)
