"""The changes that end things. Each is written together with whatever else the use case changes."""

from dataclasses import replace

from ostiary.domain.account import Account, authorization_epoch, raise_epoch
from ostiary.domain.session import ENDED_VERSION, EndReason, Session
from ostiary.revocation.entry import Entry, Scope
from ostiary.services.context import Context
from ostiary.stores.port import Append, Change, Swap


def end_session(context: Context, session: Session, now: float, reason: EndReason) -> tuple[Change, ...]:
    """The session is over, and no credential of it is accepted any more."""
    ended = replace(session, ended_at=now, end_reason=reason.value, version=ENDED_VERSION)
    return Swap(ended), refuse_older_credentials(context, ended, now)


def end_sessions(context: Context, sessions: list[Session], now: float, reason: EndReason) -> list[Change]:
    """The same for all of them."""
    return [change for session in sessions for change in end_session(context, session, now, reason)]


def refuse_older_credentials(context: Context, session: Session, now: float) -> Append:
    """Of this session, only credentials of its present version are accepted."""
    until = context.keep_until(session.credential_expires_at, now)
    return Append(Entry(scope=Scope.SESSION, id=session.id, value=session.version, until=until))


def void_account_tokens(context: Context, account: Account, everything: int, now: float) -> tuple[Account, Append]:
    """The account with a raised epoch, and the entry that refuses what its tokens said before."""
    raised = raise_epoch(account)
    longest = max(context.policy.lifetimes.access_token, context.policy.lifetimes.stateful_token)
    return raised, Append(
        Entry(
            scope=Scope.ACCOUNT,
            id=account.id,
            value=authorization_epoch(raised.epoch, everything),
            until=context.keep_until(now + longest, now),
        )
    )


async def live_sessions(context: Context, account_id: str, everything: int, now: float) -> list[Session]:
    """The account's live sessions, the most recently seen first."""
    sessions = await context.store.sessions.of_account(account_id)
    live = [session for session in sessions if session.is_live(now, everything)]
    return sorted(live, key=lambda session: session.last_seen_at, reverse=True)
