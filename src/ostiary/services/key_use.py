"""What depends on a key: what it signs, how many logins hold something that it signed, and until when that lives."""

import asyncio
from dataclasses import dataclass

from ostiary.domain.session import Kind
from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.services.context import Context

_SIGNS = ("stateful", "stateless", "one-time", "internal", "status-list")
_HIDES = ("stateless",)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """`signs` names the tokens of section 4 of the contract; of a key that encrypts, those that it hides. `logins`: how
    many live ones at most hold an access token of this key that has not expired. Where the key is revoked, these renew
    with their refresh tokens, which no key signs. `until`: when the last token of it expires, if any may be alive; what
    an active key signs has no end yet, so it is that of a token which were signed now."""

    signs: tuple[str, ...]
    logins: int = 0
    until: float | None = None


async def uses(context: Context, keys: list[SigningKey]) -> dict[str, KeyUse]:
    """By the keys' ids."""
    issuer = await context.store.issuer()
    now = context.now()
    found = await asyncio.gather(*(_use(context, key, now, issuer.everything) for key in keys))
    return {key.id: use for key, use in zip(keys, found, strict=True)}


async def _use(context: Context, key: SigningKey, now: float, everything: int) -> KeyUse:
    lifetimes = context.policy.lifetimes
    signs = _HIDES if key.encrypts else _SIGNS
    longest = max(lifetimes.access_token, 0.0 if key.encrypts else max(lifetimes.stateful_token, lifetimes.one_time))
    last = now if key.state is KeyState.ACTIVE else key.retiring_at
    if not key.verifies or key.state is KeyState.UPCOMING or last is None or last + longest <= now:
        return KeyUse(signs=signs)

    async def holders(kind: Kind) -> int:
        """Whoever was given a token was seen then: so those who were seen since are at least those."""
        life = lifetimes.of_access_token(kind)
        if last + life <= now:
            return 0
        since = max(now - life, key.activated_at or key.created_at)
        return await context.store.sessions.count_seen(everything=everything, kind=kind.value, since=since)

    counts = await asyncio.gather(*(holders(kind) for kind in (Kind.STATEFUL, Kind.STATELESS) if kind.value in signs))
    return KeyUse(signs=signs, logins=sum(counts), until=last + longest)
