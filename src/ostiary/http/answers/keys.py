"""Signing keys."""

from msgspec import Struct

from ostiary.domain.signing_key import SigningKey
from ostiary.http.answers.common import Bound, Instant, instant


class KeyView(Struct, frozen=True):
    """A signing key; never its private part."""

    kid: str
    algorithm: str
    state: str
    created_at: Instant
    activated_at: Instant | None
    retiring_at: Instant | None
    ended_at: Instant | None


class KeysAnswer(Struct, frozen=True):
    """All signing keys, the oldest first."""

    keys: list[KeyView]


class RotatedAnswer(Struct, frozen=True):
    """The key that signs from now on."""

    key: KeyView
    ended: int
    bound: Bound


def key_view(key: SigningKey) -> KeyView:
    """See `KeyView`."""

    def maybe(moment: float | None) -> str | None:
        return None if moment is None else instant(moment)

    return KeyView(
        kid=key.id,
        algorithm=key.algorithm,
        state=key.state.value,
        created_at=instant(key.created_at),
        activated_at=maybe(key.activated_at),
        retiring_at=maybe(key.retiring_at),
        ended_at=maybe(key.ended_at),
    )
