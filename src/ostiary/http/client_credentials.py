"""Which client a request is of: HTTP Basic (RFC 6749 section 2.3.1) or a signed assertion (RFC 7523 section 2.2)."""

import binascii
from base64 import b64decode
from urllib.parse import unquote_plus

from ostiary.credentials.client_assertion import ASSERTION_TYPE
from ostiary.errors import InvalidClient, Malformed
from ostiary.http.call import Call
from ostiary.http.problems import NoClient
from ostiary.services.client_authentication import ClientAssertion, ClientSecret
from ostiary.services.known_clients import KnownClient


async def authenticated_client(call: Call) -> KnownClient:
    """The client. Raises InvalidClient, Malformed, TooManyAttempts, Unavailable."""
    known = await client_if_any(call)
    if known is None:
        raise InvalidClient("Authenticate as a client: HTTP Basic, or client_assertion.", private="no credentials")
    return known


async def client_if_any(call: Call) -> KnownClient | None:
    """The client, None if the request does not say that it is of one. A `client_id` alone proves nothing, and claims
    nothing either: it may come along with any request. Raises as `authenticated_client`."""
    shown = _shown(call)
    if shown is None:
        return None
    authentication = call.services.client_authentication
    known = authentication.remembered(shown) if isinstance(shown, ClientSecret) else None
    return known or await authentication.authenticate(shown, address=call.client.ip, now=call.now)


async def client_of_get(call: Call) -> KnownClient:
    """The client of a request without a body: HTTP Basic, or its assertion as the bearer token. Raises NoClient if it
    says nothing, else as `authenticated_client`."""
    scheme, _, credential = call.request.headers.get("authorization", "").partition(" ")
    if not scheme:
        raise NoClient("Authenticate as a client: HTTP Basic, or an assertion as the bearer token.")
    if scheme.lower() != "bearer":
        return await authenticated_client(call)
    shown = ClientAssertion(assertion=credential.strip())
    return await call.services.client_authentication.authenticate(shown, address=call.client.ip, now=call.now)


def _shown(call: Call) -> ClientSecret | ClientAssertion | None:
    by_header = _basic(call)
    by_assertion = call.form.get("client_assertion") or call.form.get("client_assertion_type")
    if by_header is not None and (by_assertion or call.form.get("client_secret")):
        raise Malformed("Authenticate in one way.")  # RFC 6749 section 2.3
    if call.form.get("client_secret"):
        raise InvalidClient("Send the secret by HTTP Basic, not in the body.", private="client_secret_post")
    client_id = call.form.get("client_id", "")
    if by_header is not None:
        if client_id and client_id != by_header.client_id:
            raise InvalidClient(private="client_id and Authorization name two clients")
        return by_header
    if not by_assertion:
        return None
    if call.form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient(f"client_assertion_type is {ASSERTION_TYPE}.", private="client_assertion_type")
    return ClientAssertion(assertion=call.form.get("client_assertion", ""), client_id=client_id)


def _basic(call: Call) -> ClientSecret | None:
    """Id and secret are form-encoded before they are joined (RFC 6749 section 2.3.1)."""
    values = [value for name, value in call.scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise Malformed("The Authorization header was sent twice.")
    scheme, _, encoded = (values[0] if values else b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        client_id, colon, secret = b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        client_id, secret = (unquote_plus(text, errors="strict") for text in (client_id, secret))
    except (ValueError, binascii.Error):
        raise InvalidClient(private="Authorization is not readable") from None
    if not colon or not client_id:
        raise InvalidClient(private="Authorization is not readable")
    return ClientSecret(client_id=client_id, secret=secret)
