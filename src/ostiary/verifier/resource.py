"""What a protected resource says of itself, so that clients find whom to ask for tokens (RFC 9728)."""

from collections.abc import Sequence

import msgspec

from ostiary.verifier.answers import Answer
from ostiary.verifier.urls import check_issuer, check_url


def resource_metadata(
    resource: str, *, issuer: str, scopes: Sequence[str] = (), name: str = "", documentation: str = ""
) -> dict[str, object]:
    """The document for `/.well-known/oauth-protected-resource` (with the resource's path, if it has one, behind it).
    `resource` is its URL, which is also the audience of its tokens. Raises Misconfigured."""
    check_url(resource, "resource")
    check_issuer(issuer)
    document: dict[str, object] = {
        "resource": resource,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    }
    if scopes:
        document["scopes_supported"] = list(scopes)
    if name:
        document["resource_name"] = name
    if documentation:
        document["resource_documentation"] = documentation
    return document


def resource_answer(document: dict[str, object]) -> Answer:
    """The document as a response, for any framework."""
    body = msgspec.json.encode(document)
    headers = (
        ("Content-Type", "application/json"),
        ("Cache-Control", "public, max-age=300"),
        ("Content-Length", str(len(body))),
    )
    return Answer(status=200, headers=headers, body=body)
