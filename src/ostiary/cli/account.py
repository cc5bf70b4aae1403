"""`ostiary account …`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary import limits
from ostiary.cli.app import noun
from ostiary.cli.import_file import Format
from ostiary.cli.options import HERE, Cursor, Json, Limit, PasswordStdin, Unasked, Wait, Where, Yes
from ostiary.cli.output import note, said_bound, say, say_ended, say_json, say_record, say_table
from ostiary.cli.prompts import confirm, read_password
from ostiary.cli.shapes import account_shape
from ostiary.cli.shell import Usage
from ostiary.cli.system import ACTOR, opened, settled

app = noun("account")


def _no_option(_type: object, value: str) -> None:
    """`-` is stdin; anything else with a hyphen is a misspelt option."""
    if value.startswith("-") and value != "-":
        raise ValueError(f'Unknown option: "{value}".')


Roles = Annotated[list[str] | None, Parameter(name="--role", negative=(), help="Once for each role.")]


@app.command
async def create(
    name: str,
    /,
    *,
    role: Roles = None,
    email: str | None = None,
    display_name: str | None = None,
    password_stdin: PasswordStdin = False,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Create an account. Its password is asked for, or read from stdin.

    Parameters
    ----------
    name
        User name.
    email
        E-mail address.
    display_name
        What people are shown.
    """
    password = read_password(from_stdin=password_stdin)
    async with opened(where, create=True) as system:
        account = await system.accounts.create(
            username=name,
            password=password,
            email=email,
            display_name=display_name,
            roles=tuple(role) if role else ("user",),
            actor=ACTOR,
        )
    if json:
        say_json({"account": account_shape(account)})
    else:
        say(f"Created {account.username} ({account.id}), roles: {', '.join(account.roles)}.")


@app.command(name="list")
async def list_accounts(
    query: str = "",
    *,
    limit: Limit = limits.PAGE_ROWS_DEFAULT,
    cursor: Cursor = "",
    where: Where = HERE,
    json: Json = False,
) -> None:
    """List accounts.

    Parameters
    ----------
    query
        How the user name or the e-mail begins, or an id.
    """
    async with opened(where) as system:
        accounts, after = await system.accounts.page(query=query, after=cursor, limit=limit)
    shapes = [account_shape(account) for account in accounts]
    if json:
        say_json({"accounts": shapes, "next": after})
        return
    columns = ("id", "username", "email", "roles", "disabled", "created_at")
    say_table(columns, [[shape[name] for name in columns] for shape in shapes], empty="No accounts.")
    if after is not None:
        note(f"There are more: add --cursor {after}")


@app.command
async def show(name: str, /, *, where: Where = HERE, json: Json = False) -> None:
    """Show one account.

    Parameters
    ----------
    name
        User name or id.
    """
    async with opened(where) as system:
        account = await system.accounts.find(name)
        live = await system.sessions.of_account(account.id)
    if json:
        say_json({"account": account_shape(account)})
    else:
        say_record({**account_shape(account), "live_sessions": len(live)})


@app.command
async def set_roles(
    name: str,
    /,
    *roles: str,
    role: Roles = None,
    none: Annotated[bool, Parameter(negative=(), help="Take every role away.")] = False,
    yes: Unasked = False,  # noqa: ARG001
    wait: Wait = False,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Replace the roles of an account. What its tokens said before is refused; its sessions go on.

    Parameters
    ----------
    name
        User name or id.
    roles
        The roles, one after the other; or with --role.
    """
    wanted = (*roles, *(role or ()))
    if bool(wanted) == none:
        raise Usage("name the roles that it should have, each with --role or one after the other, or say --none")
    from ostiary.services.accounts import AccountPatch

    async with opened(where) as system:
        account = await system.accounts.find(name)
        changed, ended = await system.accounts.change(account.id, AccountPatch(roles=wanted), actor=ACTOR)
        ended = await settled(system, ended, wait=wait)
    if json:
        say_json({"account": account_shape(changed), "ended": ended.ended, "bound": ended.bound})
    else:
        said = ", ".join(changed.roles) or "none"
        say(f"{changed.username} now has the roles: {said}. Tokens that say otherwise are {said_bound(ended.bound)}.")


@app.command
async def disable(
    name: str,
    /,
    *,
    yes: Unasked = False,  # noqa: ARG001
    wait: Wait = False,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Disable an account: it cannot log in, and all its sessions end.

    Parameters
    ----------
    name
        User name or id.
    """
    from ostiary.services.accounts import AccountPatch

    async with opened(where) as system:
        account = await system.accounts.find(name)
        changed, ended = await system.accounts.change(account.id, AccountPatch(disabled=True), actor=ACTOR)
        ended = await settled(system, ended, wait=wait)
    extra = {"account": account_shape(changed)}
    say_ended(ended.ended, ended.bound, what=f"{changed.username} is disabled", json=json, extra=extra)


@app.command
async def enable(
    name: str,
    /,
    *,
    yes: Unasked = False,  # noqa: ARG001
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Enable an account again, and forgive its failed logins.

    Parameters
    ----------
    name
        User name or id.
    """
    from ostiary.services.accounts import AccountPatch

    async with opened(where) as system:
        account = await system.accounts.find(name)
        changed, ended = await system.accounts.change(account.id, AccountPatch(disabled=False), actor=ACTOR)
    if json:
        say_json({"account": account_shape(changed), "ended": ended.ended, "bound": ended.bound})
    else:
        say(f"{changed.username} is enabled; failed logins are forgiven.")


@app.command
async def password(
    name: str,
    /,
    *,
    password_stdin: PasswordStdin = False,
    yes: Unasked = False,  # noqa: ARG001
    wait: Wait = False,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Set a new password: all sessions of the account end, and failed logins are forgiven.

    Parameters
    ----------
    name
        User name or id.
    """
    new = read_password(from_stdin=password_stdin, prompt="New password")
    async with opened(where) as system:
        account = await system.accounts.find(name)
        ended = await system.password_changes.reset(account.id, new, actor=ACTOR)
        ended = await settled(system, ended, wait=wait)
    say_ended(ended.ended, ended.bound, what=f"{account.username} has a new password", json=json)


@app.command
async def delete(
    name: str, /, *, yes: Yes = False, wait: Wait = False, where: Where = HERE, json: Json = False
) -> None:
    """Delete an account and end all its sessions. There is no way back.

    Parameters
    ----------
    name
        User name or id.
    """
    async with opened(where) as system:
        account = await system.accounts.find(name)
        confirm(f"Delete {account.username} ({account.id}) for ever?", yes=yes)
        ended = await settled(system, await system.accounts.delete(account.id, actor=ACTOR), wait=wait)
    say_ended(ended.ended, ended.bound, what=f"{account.username} is deleted", json=json)


@app.command(name="import")
async def import_accounts(
    file: Annotated[str, Parameter(allow_leading_hyphen=True, validator=_no_option)],
    /,
    *,
    errors: Annotated[Path | None, Parameter(help="Write the refused rows and why to this file (private).")] = None,
    form: Annotated[Format | None, Parameter(name="--format", help="By default what the file looks like.")] = None,
    where: Where = HERE,
    json: Json = False,
) -> int:
    """Import accounts from CSV, a JSON array or JSON lines: username, password or password_hash (argon2id in PHC form,
    Django's pbkdf2_sha256), email, display_name, roles. User names that exist are skipped, so an import that was
    interrupted is finished by running it again.

    Parameters
    ----------
    file
        The file, or - for stdin.
    """
    from ostiary.cli.account_import import import_file

    async with opened(where, create=True) as system:
        return await import_file(system, file, form=form, errors=errors, json=json)
