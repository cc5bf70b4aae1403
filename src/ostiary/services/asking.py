"""Whoever asks for a change must still be who they were recognised as when it is written: between the check at the door
and the write lie reads, and for a password a slow hash."""

from dataclasses import dataclass

from ostiary.domain.caller import Caller
from ostiary.errors import Forbidden, InvalidToken
from ostiary.services.context import Context
from ostiary.stores.port import Change, Expect


@dataclass(frozen=True, slots=True)
class Asking:
    """A logged-in caller who asks for a change, and the role that they may do so by, "" for what is their own."""

    caller: Caller
    role: str = ""


Actor = Asking | str
"""Who changes something: a caller, or whoever does it without a credential ("cli", "system")."""


def name_of(actor: Actor) -> str:
    """What the audit trail says of them."""
    return actor.caller.account_id if isinstance(actor, Asking) else actor


async def still_may(context: Context, actor: Actor) -> list[Change]:
    """The conditions under which the change may be written; they stand before it. Nothing is asked of who does not come
    with a credential. Raises InvalidToken if the session ended or moved on meanwhile, Forbidden without the role."""
    if not isinstance(actor, Asking):
        return []
    caller = actor.caller
    session = await context.store.sessions.get(caller.session_id)
    issuer = await context.store.issuer()
    if (
        session is None
        or session.ended_at is not None
        or session.version != caller.version
        or session.everything != issuer.everything
    ):
        raise InvalidToken(private="the session ended meanwhile")
    conditions: list[Change] = [Expect(session), Expect(issuer)]
    if actor.role:
        account = await context.store.accounts.get(caller.account_id)
        if account is None or account.disabled:
            raise InvalidToken(private="the account is gone")
        if actor.role not in account.roles:
            raise Forbidden
        conditions.append(Expect(account))
    return conditions
