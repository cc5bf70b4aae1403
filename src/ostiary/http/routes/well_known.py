"""Documents that programs find by themselves: what this server offers, its keys, and how its own API is protected."""

from typing import Any

from starlette.responses import Response

from ostiary.credentials import dpop
from ostiary.credentials.client_keys import ASSERTION_ALGORITHMS
from ostiary.http.call import Call
from ostiary.http.endpoints import Endpoint
from ostiary.http.problems import json_response
from ostiary.http.routes.oauth import GRANTS

KEYS_MAX_AGE = 300  # seconds that a verifier may keep the key set; the next key is published long before it signs
_PUBLIC = {"Cache-Control": "public, max-age=300"}
_CLIENT_METHODS = ["client_secret_basic", "private_key_jwt"]


async def metadata(call: Call) -> Response:
    """GET /.well-known/oauth-authorization-server (RFC 8414): only what works."""
    here = call.services.config.address
    document: dict[str, Any] = {
        "issuer": call.services.config.issuer,
        "token_endpoint": f"{here}/oauth/token",
        "revocation_endpoint": f"{here}/oauth/revoke",
        "introspection_endpoint": f"{here}/oauth/introspect",
        "jwks_uri": f"{here}/.well-known/jwks.json",
        "grant_types_supported": list(GRANTS),
        "response_types_supported": [],
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "token_endpoint_auth_methods_supported": ["none", *_CLIENT_METHODS],
        "revocation_endpoint_auth_methods_supported": ["none", *_CLIENT_METHODS],
        "introspection_endpoint_auth_methods_supported": _CLIENT_METHODS,
        "service_documentation": f"{here}/docs",
    }
    for endpoint in ("token", "revocation", "introspection"):
        document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = list(ASSERTION_ALGORITHMS)
    scopes = _scopes(call)
    if scopes:
        document["scopes_supported"] = scopes
    signer = call.services.signing_keys.ring.signer
    if not signer.symmetric:  # else an introspection response would be signed with what nobody else can check
        document["introspection_signing_alg_values_supported"] = [signer.alg]
    return json_response(document, headers=_PUBLIC)


async def protected_resource(call: Call) -> Response:
    """GET /.well-known/oauth-protected-resource (RFC 9728): this server's own API."""
    issuer, here = call.services.config.issuer, call.services.config.address
    return json_response(
        {
            "resource": issuer,
            "authorization_servers": [issuer],
            "jwks_uri": f"{here}/.well-known/jwks.json",
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
            "resource_name": "Ostiary",
            "resource_documentation": f"{here}/docs",
        },
        headers=_PUBLIC,
    )


async def jwks(call: Call) -> Response:
    """GET /.well-known/jwks.json (RFC 7517 section 5): public keys only."""
    return Response(
        call.services.signing_keys.ring.jwks,
        headers={"Cache-Control": f"public, max-age={KEYS_MAX_AGE}"},
        media_type="application/jwk-set+json",
    )


def _scopes(call: Call) -> list[str]:
    role_scopes = call.services.context.policy.role_scopes
    return sorted({scope for scopes in role_scopes.values() for scope in scopes})


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/.well-known/oauth-authorization-server",
        handler=metadata,
        summary="Server metadata (RFC 8414)",
        answers={200: dict},
        tag="oauth",
    ),
    Endpoint(
        method="GET",
        path="/.well-known/oauth-protected-resource",
        handler=protected_resource,
        summary="How this server's own API is protected (RFC 9728)",
        answers={200: dict},
        tag="oauth",
    ),
    Endpoint(
        method="GET",
        path="/.well-known/jwks.json",
        handler=jwks,
        summary="Public signing keys (RFC 7517)",
        answers={200: dict},
        tag="oauth",
    ),
)
