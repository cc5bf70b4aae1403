"""A client: a registered service that may ask this server for tokens, or about them (RFC 6749 section 2).

`audiences` is what it serves: tokens meant for one of them it may introspect and exchange. `targets` is what it may ask
tokens for. A client that changes or is deleted raises its epoch: tokens that were issued to it under an older one are
refused.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client. It proves itself by a secret, of which only the digest is kept, or by a key of `jwks` (a JWK set as
    JSON text, public keys only), or by neither if both are None: then by nothing at all.

    `grants` are values of `grant_type`. `revision` is the store's.
    """

    id: str
    name: str
    secret_digest: bytes | None = field(default=None, repr=False)
    jwks: str | None = None
    grants: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    epoch: int = 0
    created_at: float = 0.0
    revision: int = 0
