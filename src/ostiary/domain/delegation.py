"""Acting for somebody: what a service may get for a user's token (RFC 8693). Rules only.

* A token is exchanged for one that is meant for one other service, never for the issuer.
* Rights are only taken away. The session, its version and the account's epoch stay what they are, so that whatever ends
  them ends what was derived from them.
* The service that exchanges becomes the current actor; who acted before stands behind it. A chain has an end.
* What was derived lives a minute, and never longer than what it was derived from.
"""

from collections.abc import Iterable

from ostiary import limits
from ostiary.domain.scope import read_scope
from ostiary.errors import InvalidGrant, InvalidScope, InvalidTarget


def chosen_target(targets: tuple[str, ...], asked: Iterable[str], issuer: str) -> str:
    """The one service that the token will be for. `asked` may name it more than once, by `audience` and by `resource`;
    if it is not named at all, the only one that there is. Raises InvalidTarget."""
    names = set(asked) or set(targets)
    if len(names) != 1:
        raise InvalidTarget("Name one service, in 'audience' or 'resource'.")
    target = names.pop()
    if target not in targets or target == issuer:
        raise InvalidTarget("The service asked for is not one of the client's targets.")
    return target


def scope_of_text(text: str) -> tuple[str, ...]:
    """Raises InvalidScope for what is no scope (RFC 6749 section 3.3)."""
    words = read_scope(text)
    if words is None:
        raise InvalidScope("The scope is not a list of scopes with one space between them.")
    return words


def narrowed(allowed: Iterable[str], asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """What of `allowed` the new token says: all of it, or what was asked for. Raises InvalidScope for more."""
    granted = set(allowed)
    if asked is None:
        return tuple(sorted(granted))
    if not granted.issuperset(asked):
        raise InvalidScope("A scope was asked for that may not be given.")
    return tuple(sorted(asked))


def with_actor(actors: tuple[str, ...], actor: str) -> tuple[str, ...]:
    """The chain with `actor` as the current one. Raises InvalidGrant if it would grow too long."""
    if len(actors) >= limits.ACTOR_DEPTH:
        raise InvalidGrant("The token has passed through too many services.")
    return (actor, *actors)


def derived_expiry(issued_at: int, subject_expires_at: float) -> int:
    """Unix seconds. Raises InvalidGrant if nothing of the subject's time is left."""
    expires_at = min(issued_at + limits.INTERNAL_TOKEN_SECONDS, int(subject_expires_at))
    if expires_at <= issued_at:
        raise InvalidGrant("The token expires too soon to be exchanged.")
    return expires_at
