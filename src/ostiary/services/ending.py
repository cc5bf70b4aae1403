"""The changes that end things. Each is written together with whatever else the use case changes."""

from dataclasses import replace

from ostiary.domain.account import Account, Issuer, authorization_epoch, raise_epoch
from ostiary.domain.audit import Event
from ostiary.domain.session import ENDED_VERSION, EndReason, Session
from ostiary.revocation.entry import Entry, Scope
from ostiary.services.context import Client, Context
from ostiary.stores.port import Append, Change, Swap


def end_session(context: Context, session: Session, now: float, reason: EndReason) -> tuple[Change, ...]:
    """The session is over, and no credential of it is accepted any more."""
    ended = replace(session, ended_at=now, end_reason=reason.value, version=ENDED_VERSION)
    return Swap(ended), refuse_older_credentials(context, ended, now)


def end_sessions(context: Context, sessions: list[Session], now: float, reason: EndReason) -> list[Change]:
    """The same for all of them."""
    return [change for session in sessions for change in end_session(context, session, now, reason)]


def session_ended(
    context: Context, session: Session, now: float, reason: EndReason, *, actor: str, client: Client | None
) -> tuple[Change, ...]:
    """`end_session`, and the event that says so."""
    return (
        *end_session(context, session, now, reason),
        context.audit(
            Event.LOGGED_OUT if reason is EndReason.LOGOUT else Event.SESSION_ENDED,
            now,
            account_id=session.account_id,
            session_id=session.id,
            actor=actor,
            client=client,
            reason=reason.value,
        ),
    )


def end_everything(context: Context, raised: Issuer, now: float, *, mark: str = "") -> tuple[Change, ...]:
    """The issuer's record with a raised count, and the entry that refuses whatever began under a lower one. `mark`: of
    the log, if this covers what stands before it."""
    until = context.keep_until(now + context.policy.lifetimes.longest_access_token, now)
    return Swap(raised), Append(Entry(scope=Scope.EVERYTHING, id=mark, value=raised.everything, until=until))


def refuse_older_credentials(context: Context, session: Session, now: float) -> Append:
    """Of this session, only credentials of its present version are accepted."""
    until = context.keep_until(session.credential_expires_at, now)
    return Append(Entry(scope=Scope.SESSION, id=session.id, value=session.version, until=until))


def void_account_tokens(context: Context, account: Account, everything: int, now: float) -> tuple[Account, Append]:
    """The account with a raised epoch, and the entry that refuses what its tokens said before."""
    raised = raise_epoch(account)
    longest = context.policy.lifetimes.longest_access_token
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
