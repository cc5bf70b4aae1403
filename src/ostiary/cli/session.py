"""`ostiary session …`."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ostiary import limits
from ostiary.cli.app import noun
from ostiary.cli.options import HERE, Cursor, Json, Limit, Wait, Where, Yes
from ostiary.cli.output import note, say_ended, say_json, say_table
from ostiary.cli.prompts import confirm
from ostiary.cli.shapes import session_shape
from ostiary.cli.shell import Usage
from ostiary.cli.system import ACTOR, opened, settled
from ostiary.domain.session import EndReason, Kind

if TYPE_CHECKING:
    from ostiary.compose import System
    from ostiary.services.context import Ended

app = noun("session")

OfAccount = Annotated[str | None, Parameter(name="--account", help="User name or id.")]


@app.command(name="list")
async def list_sessions(
    *,
    account: OfAccount = None,
    kind: Kind | None = None,
    limit: Limit = limits.PAGE_ROWS_DEFAULT,
    cursor: Cursor = "",
    where: Where = HERE,
    json: Json = False,
) -> None:
    """List live sessions, the most recently seen first."""
    async with opened(where) as system:
        account_id = (await system.accounts.find(account)).id if account is not None else ""
        sessions, after = await system.sessions.latest(
            account_id=account_id, kind=kind.value if kind is not None else "", before=cursor, limit=limit
        )
    shapes = [session_shape(session) for session in sessions]
    if json:
        say_json({"sessions": shapes, "next": after})
        return
    columns = ("id", "account_id", "kind", "created_at", "last_seen_at", "expires_at")
    rows = [[*(shape[name] for name in columns), shape["client"]["label"], shape["client"]["ip"]] for shape in shapes]
    say_table((*columns, "client", "ip"), rows, empty="No live sessions.")
    if after is not None:
        note(f"There are more: add --cursor {after}")


@app.command
async def end(
    session: str | None = None,
    /,
    *,
    account: OfAccount = None,
    everything: Annotated[
        bool, Parameter(name=("--everything", "--all"), negative=(), help="Every session of everybody.")
    ] = False,
    yes: Yes = False,
    wait: Wait = False,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """End one session, every session of an account, or everything.

    Parameters
    ----------
    session
        Id of one session.
    """
    if (session is not None) + (account is not None) + everything != 1:
        raise Usage("name one session, or an --account, or say --everything")
    async with opened(where) as system:
        what, ended = await _end(system, session=session, account=account, yes=yes)
        ended = await settled(system, ended, wait=wait)
    say_ended(ended.ended, ended.bound, what=what, json=json)


async def _end(system: "System", *, session: str | None, account: str | None, yes: bool) -> "tuple[str, Ended]":
    if session is not None:
        return session, await system.sessions.end(session, reason=EndReason.ENDED_BY_ADMIN, actor=ACTOR)
    if account is not None:
        found = await system.accounts.find(account)
        return found.username, await system.sessions.end_all(found.id, actor=ACTOR)
    confirm("End every session of everybody?", yes=yes)
    return "Everything", await system.sessions.end_everything(actor=ACTOR)
