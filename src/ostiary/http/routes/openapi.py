"""The API reference, made from the table of endpoints and the very types that validate requests."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.responses import Response

from ostiary.http.answers.problems import OAuthProblem, Problem
from ostiary.http.call import FORM, JSON, Call
from ostiary.http.endpoints import Auth, Dialect, Endpoint
from ostiary.http.routes.pages.common import frame_of, page
from ostiary.http.routes.reference import groups_of, refusals_of

_REASONS = {
    200: "Done",
    201: "Created",
    204: "Done, and nothing to say",
    400: "Not readable, or contradicting itself",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    409: "In the way of something else",
    408: "The body took too long",
    413: "Too large",
    414: "Address too long",
    415: "Not of the expected type",
    421: "Not for this host",
    422: "Readable, but wrong",
    429: "Too many attempts",
    431: "Header fields too large",
    501: "Not implemented",
    503: "Cannot answer right now",
}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"sessionCookie": []}]
_WAIT = (
    "`all`: answer only when no node accepts any more what was ended, which takes one lease at most; `bound` is then 0."
)
_EVERYWHERE = (400, 414, 421, 431)
_OF_CALLERS = (401, 403, 503)
_OF_BODIES = (408, 413, 415, 422)


def openapi_endpoints(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """`/openapi.json` and `/docs`."""
    document = describe(tuple(endpoints))
    encoded = msgspec.json.encode(document)
    groups, refusals = groups_of(document), refusals_of(document)

    async def openapi(call: Call) -> Response:  # noqa: ARG001
        return Response(encoded, media_type=JSON, headers={"Cache-Control": "public, max-age=300"})

    async def docs(call: Call) -> Response:
        shown = call.services.pages.show(frame_of(call), "reference.html", at="/docs", groups=groups, refusals=refusals)
        return page(shown)

    return (
        Endpoint(method="GET", path="/openapi.json", handler=openapi, summary="This document", documented=False),
        Endpoint(method="GET", path="/docs", handler=docs, summary="The API reference", documented=False),
    )


def describe(endpoints: tuple[Endpoint, ...]) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    documented = [endpoint for endpoint in endpoints if endpoint.documented]
    shapes = {Problem, OAuthProblem}
    for endpoint in documented:
        shapes.update(shape for shape in (endpoint.body, *endpoint.answers.values()) if shape not in (None, dict))
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    references, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(ordered, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in documented:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ostiary",
            "version": version("ostiary"),
            "summary": "Login state: sessions, stateful and stateless tokens, and ending them at once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "tags": [{"name": name} for name in ("account", "session", "oauth", "services", "administration", "operation")],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "client": {"type": "http", "scheme": "basic"},
                "sessionCookie": {"type": "apiKey", "in": "cookie", "name": "__Host-ostiary_session"},
            },
        },
    }


def _operation(endpoint: Endpoint, schema_of: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__module__.removeprefix(f"{__package__}.").partition(".")[0]
        + "_"
        + endpoint.handler.__name__,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": _responses(endpoint, schema_of),
    }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    for query in endpoint.query:
        schema: dict[str, Any] = (
            {"type": "integer", "minimum": 1, "maximum": 100}
            if query.name == "limit"
            else {"type": "string", "maxLength": 512}
        )
        parameters.append({"name": query.name, "in": "query", "description": query.description, "schema": schema})
    if endpoint.ends:
        parameters.append({"name": "wait", "in": "query", "description": _WAIT, "schema": {"enum": ["all"]}})
    if parameters:
        operation["parameters"] = parameters
    if endpoint.by_client:
        operation["security"] = [{"client": []}]
    elif endpoint.auth not in (Auth.ANYONE, Auth.VISITOR):
        operation["security"] = _SECURITY
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {JSON: {"schema": schema_of[endpoint.body]}},
        }
    elif endpoint.form:
        properties = {name: {"type": "string"} for name in endpoint.form}
        operation["requestBody"] = {
            "required": True,
            "content": {FORM: {"schema": {"type": "object", "properties": properties, "required": [endpoint.form[0]]}}},
        }
    return operation


def _responses(endpoint: Endpoint, schema_of: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, shape in endpoint.answers.items():
        answer: dict[str, Any] = {"description": _REASONS[status]}
        if shape is not None:
            answer["content"] = {JSON: {"schema": {"type": "object"} if shape is dict else schema_of[shape]}}
            if endpoint.path.endswith("jwks.json"):
                answer["content"] = {"application/jwk-set+json": answer["content"][JSON]}
        elif endpoint.path.startswith("/status-lists/"):
            answer["content"] = {"application/statuslist+jwt": {"schema": {"type": "string"}}}
        responses[str(status)] = answer
    refusals = {*_EVERYWHERE, *endpoint.refusals}
    if endpoint.auth not in (Auth.ANYONE, Auth.VISITOR):
        refusals.update(_OF_CALLERS)
    if endpoint.body is not None:
        refusals.update(_OF_BODIES)
    elif endpoint.form:
        refusals.add(408)
    oauth = endpoint.dialect is Dialect.OAUTH
    for status in sorted(refusals - set(endpoint.answers)):
        shape, media_type = (OAuthProblem, JSON) if oauth else (Problem, "application/problem+json")
        content = {media_type: {"schema": schema_of[shape]}}
        responses[str(status)] = {"description": _REASONS[status], "content": content}
    return responses
