"""Where an issuer's keys are: authorization server metadata (RFC 8414)."""

from dataclasses import dataclass

from ostiary import limits
from ostiary.errors import Misconfigured, Unavailable
from ostiary.jose.encoding import decode_object
from ostiary.verifier.fetching import Document, Fetch, FetchFailed
from ostiary.verifier.urls import check_issuer, check_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What we need of it. `max_age` as in `Document`."""

    jwks_uri: str
    max_age: float | None


class NotMetadata(Unavailable):
    """Something is at that address, and it is not this issuer's metadata."""


def locations(issuer: str) -> tuple[str, ...]:
    """Where to look, in this order: before the issuer's path (RFC 8414 section 3.1), below it, and OpenID Connect's
    place (section 5). All on the issuer's own origin. Raises Misconfigured."""
    parts = check_issuer(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return tuple(
        dict.fromkeys(
            (
                f"{origin}/.well-known/oauth-authorization-server{path}",
                f"{origin}{path}/.well-known/oauth-authorization-server",
                f"{origin}{path}/.well-known/openid-configuration",
            )
        )
    )


def discover(issuer: str, fetch: Fetch, deadline: float) -> Metadata:
    """Ask where the keys are. The next place is tried where nothing that could be metadata is found at one; metadata of
    another issuer ends it. Raises Unavailable."""
    first: Unavailable | None = None
    for url in locations(issuer):
        try:
            return read_metadata(fetch(url, deadline), issuer)
        except FetchFailed as failed:
            if not 400 <= failed.answer < 500:
                raise
            first = first or failed
        except NotMetadata as wrong:
            first = first or wrong
    raise first or Unavailable(private="no place to look")


def read_metadata(document: Document, issuer: str) -> Metadata:
    """The metadata, if it is this issuer's by exact comparison (RFC 8414 section 3.3). Raises NotMetadata, and
    Unavailable if it is someone else's or names keys where we do not go."""
    if len(document.body) > limits.DOCUMENT_BYTES:
        raise NotMetadata(private="the metadata is too large")
    try:
        members = decode_object(document.body)
    except ValueError:
        raise NotMetadata(private="the metadata is not strict JSON") from None
    if members.get("issuer") != issuer:
        raise Unavailable(private="the metadata is of another issuer")
    jwks_uri = members.get("jwks_uri")
    try:
        parts = check_url(jwks_uri, "jwks_uri")
    except Misconfigured as wrong:
        raise Unavailable(private=str(wrong)) from None
    if parts.scheme != "https" and issuer.startswith("https:"):
        raise Unavailable(private="the jwks_uri of an https issuer must be https")
    return Metadata(jwks_uri=str(jwks_uri), max_age=document.max_age)
