"""Signing keys."""

from msgspec import Struct, structs

from ostiary.domain.signing_key import SigningKey
from ostiary.http.answers.common import Bound, Instant, instant
from ostiary.services.key_use import KeyUse


class KeyView(Struct, frozen=True):
    """A signing key; never its private part."""

    kid: str
    algorithm: str
    state: str
    created_at: Instant
    activated_at: Instant | None
    retiring_at: Instant | None
    ended_at: Instant | None


class UsedKeyView(KeyView, frozen=True):
    """A signing key and what depends on it: which tokens it signs (or hides), how many live logins at most hold an
    access token of it that has not expired, and when the last token of it expires (null: none can be alive; of the key
    that signs, as if it signed no more from now on). Where it is revoked these logins renew with their refresh
    tokens, which no key signs."""

    signs: list[str]
    logins_at_most: int
    accepted_until: Instant | None


class KeysAnswer(Struct, frozen=True):
    """All signing keys, the oldest first."""

    keys: list[UsedKeyView]


class RotatedAnswer(Struct, frozen=True):
    """The key that signs from now on."""

    key: KeyView
    ended: int
    bound: Bound


def _maybe(moment: float | None) -> str | None:
    return None if moment is None else instant(moment)


def used_key_view(key: SigningKey, use: KeyUse) -> UsedKeyView:
    """See `UsedKeyView`."""
    return UsedKeyView(
        **structs.asdict(key_view(key)),
        signs=list(use.signs),
        logins_at_most=use.logins,
        accepted_until=_maybe(use.until),
    )


def key_view(key: SigningKey) -> KeyView:
    """See `KeyView`."""
    return KeyView(
        kid=key.id,
        algorithm=key.algorithm,
        state=key.state.value,
        created_at=instant(key.created_at),
        activated_at=_maybe(key.activated_at),
        retiring_at=_maybe(key.retiring_at),
        ended_at=_maybe(key.ended_at),
    )
