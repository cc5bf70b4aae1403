"""`ostiary client …`."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ostiary import limits
from ostiary.cli.app import noun
from ostiary.cli.options import HERE, Cursor, Json, Limit, Wait, Where, Yes
from ostiary.cli.output import note, said_bound, say, say_json, say_record, say_table
from ostiary.cli.prompts import confirm
from ostiary.cli.shapes import client_shape
from ostiary.cli.shell import Usage
from ostiary.cli.system import ACTOR, opened, settled

app = noun("client")

_SHORT = {"token-exchange": "urn:ietf:params:oauth:grant-type:token-exchange"}


def _many(name: str, words: str) -> Any:
    return Parameter(name=name, negative=(), help=words)


@app.command
async def create(
    name: str,
    /,
    *,
    grant: Annotated[list[str] | None, _many("--grant", "client_credentials or token-exchange; once for each.")] = None,
    audience: Annotated[list[str] | None, _many("--audience", "A name that tokens for it have as `aud`.")] = None,
    target: Annotated[list[str] | None, _many("--target", "A service that it may ask tokens for.")] = None,
    scope: Annotated[list[str] | None, _many("--scope", "A scope that its tokens may have.")] = None,
    jwks: Annotated[Path | None, Parameter(help="Its public keys (a JWK set), in place of a secret.")] = None,
    where: Where = HERE,
    json: Json = False,
) -> None:
    """Register a service. Its secret is printed once, and kept as a digest only.

    Parameters
    ----------
    name
        What it is called in lists; names need not differ.
    """
    keys = None if jwks is None else _read_keys(jwks)
    from ostiary.services.clients import ClientFields

    fields = ClientFields(
        name=name,
        grants=tuple(_SHORT.get(value, value) for value in grant or ()),
        audiences=tuple(audience or ()),
        targets=tuple(target or ()),
        scopes=tuple(part for value in scope or () for part in value.split()),
        jwks=keys,
    )
    async with opened(where, create=True) as system:
        made = await system.clients.create(fields, actor=ACTOR)
    if json:
        say_json({"client": client_shape(made.client), "client_secret": made.secret})
        return
    say(f"Registered {made.client.name}.")
    secret = {"client_secret": made.secret} if made.secret else {}
    say_record({"client_id": made.client.id, **secret})
    if made.secret:
        note("The secret is not shown again.")


@app.command(name="list")
async def list_clients(
    *, limit: Limit = limits.PAGE_ROWS_DEFAULT, cursor: Cursor = "", where: Where = HERE, json: Json = False
) -> None:
    """List the registered services."""
    async with opened(where) as system:
        clients, after = await system.clients.page(after=cursor, limit=limit)
    shapes = [client_shape(client) for client in clients]
    if json:
        say_json({"clients": shapes, "next": after})
        return
    columns = ("id", "name", "grants", "audiences", "targets", "scopes", "created_at")
    say_table(columns, [[shape[column] for column in columns] for shape in shapes], empty="No clients.")
    if after is not None:
        note(f"There are more: add --cursor {after}")


@app.command
async def delete(
    client_id: str, /, *, yes: Yes = False, wait: Wait = False, where: Where = HERE, json: Json = False
) -> None:
    """Forget a service, and refuse what was issued to it.

    Parameters
    ----------
    client_id
        Its id, as `client list` has it.
    """
    async with opened(where) as system:
        client = await system.clients.get(client_id)
        confirm(f"Forget {client.name} ({client.id})?", yes=yes)
        ended = await settled(system, await system.clients.delete(client.id, actor=ACTOR), wait=wait)
    if json:
        say_json({"ended": ended.ended, "bound": ended.bound})
    else:
        say(f"{client.name} is deleted: what was issued to it is {said_bound(ended.bound)}.")


def _read_keys(path: Path) -> dict[str, Any]:
    from ostiary.jose.encoding import Unreadable, decode_object

    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return decode_object(raw[: limits.JWK_BYTES])
    except OSError as error:
        raise Usage(f"{path}: {error.strerror}") from None
    except Unreadable as error:
        raise Usage(f"{path} is not a JWK set: {error}") from None
