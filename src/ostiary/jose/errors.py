"""What JOSE refuses, in two families.

`InvalidKey`, `Unsignable`, `Unencryptable`, `InvalidPolicy`: the program that calls us has to change something.
`TokenRejected`: what was presented is not accepted; its ``code`` is stable, ``claim`` names the claim that decided (or
is None), ``reason`` is one of our own fixed phrases. No message ever holds a part of a token or a key. Outside, all
rejections look alike: who talks HTTP answers ``invalid_token`` and keeps the code for the log.
"""

from typing import ClassVar

from ostiary.errors import OstiaryError


class JoseError(OstiaryError):
    """The root of this package."""

    code: ClassVar[str] = "jose_error"
    title = "The JOSE operation was refused"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason or self.title


class InvalidKey(JoseError):
    """A key cannot be used for the algorithm, or at all."""

    code = "invalid_key"
    title = "The key is not usable"


class InvalidPolicy(JoseError):
    """A policy that could not protect anything."""

    code = "invalid_policy"
    title = "The policy is not usable"


class Unsignable(JoseError):
    """What should be signed is not plain JSON, or is something that no verifier of ours would accept."""

    code = "unsignable"
    title = "This cannot be signed"


class Unencryptable(JoseError):
    """What should be encrypted would be something that no recipient of ours accepts."""

    code = "unencryptable"
    title = "This cannot be encrypted"


class TokenRejected(JoseError):
    """The root of all reasons to refuse a token."""

    code = "token_rejected"
    status = 401
    title = "The token is not accepted"

    def __init__(self, reason: str = "", *, claim: str | None = None) -> None:
        super().__init__(reason)
        self.claim = claim


class MalformedToken(TokenRejected):
    """Not three canonical base64url segments (encrypted: five), or a header or payload that is not the
    JSON we accept."""

    code = "malformed"
    title = "The token cannot be read"


class AlgorithmNotAllowed(TokenRejected):
    """The header's `alg` is not the one that the key is bound to."""

    code = "algorithm_not_allowed"
    title = "The algorithm is not the key's"


class UnknownKey(TokenRejected):
    """No key of the set has the header's `kid`, which `kid` repeats (None: the header has none)."""

    code = "unknown_key"
    title = "No such key is trusted"

    def __init__(self, kid: str | None) -> None:
        super().__init__("" if kid is not None else "the header names no key")
        self.kid = kid


class InvalidSignature(TokenRejected):
    """The bytes were not signed with this key."""

    code = "invalid_signature"
    title = "The signature does not match"


class DecryptionFailed(TokenRejected):
    """Whatever went wrong once an encrypted token had been parsed. It never says what: each difference would be a
    question that an attacker can ask (RFC 7516 section 11.5, flaw classes 50 to 53)."""

    code = "decryption_failed"
    title = "The token cannot be decrypted"

    def __init__(self) -> None:
        super().__init__()


class WrongType(TokenRejected):
    """The header's `typ` is another, or absent."""

    code = "wrong_type"
    title = "The token is of another type"


class MissingClaim(TokenRejected):
    """A claim that the policy demands is absent."""

    code = "missing_claim"
    title = "A required claim is absent"


class InvalidClaim(TokenRejected):
    """A claim has a value that its definition forbids (RFC 7519 section 4.1), whether or not it is required."""

    code = "invalid_claim"
    title = "A claim has an impossible value"


class WrongIssuer(TokenRejected):
    code = "wrong_issuer"
    title = "The token is from another issuer"


class WrongAudience(TokenRejected):
    code = "wrong_audience"
    title = "The token is meant for someone else"


class Expired(TokenRejected):
    code = "expired"
    title = "The token has expired"


class NotYetValid(TokenRejected):
    code = "not_yet_valid"
    title = "The token is not valid yet"


class IssuedInFuture(TokenRejected):
    code = "issued_in_future"
    title = "The token was issued in the future"


class TooOld(TokenRejected):
    code = "too_old"
    title = "The token was issued too long ago"
