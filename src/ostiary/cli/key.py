"""`ostiary key …`."""

import sys

from ostiary.cli.app import noun
from ostiary.cli.options import HERE, AlwaysJson, Json, Kid, Unasked, Wait, Where, Yes
from ostiary.cli.output import said_bound, say, say_json, say_table
from ostiary.cli.prompts import confirm
from ostiary.cli.shapes import key_shape, used_key_shape
from ostiary.cli.system import ACTOR, opened, settled

app = noun("key")

_OF_FILES = {
    "generate": "Make a private key, as a JWK or PEM.",
    "public": "Print the public half of a key file.",
    "thumbprint": "Print the thumbprint (RFC 7638) of a key file.",
    "inspect": "Say what a key file holds, and what is wrong with it.",
}
for _name, _words in _OF_FILES.items():
    app.command(f"ostiary.cli.key_files:{_name}", name=_name, help=_words)


@app.command(name="list")
async def list_keys(*, where: Where = HERE, json: Json = False) -> None:
    """List the keys: upcoming (published), active (signs), retiring (verifies), retired, revoked."""
    async with opened(where) as system:
        keys = await system.signing_keys.all()
        uses = await system.signing_keys.uses() if json else {}
    if json:
        say_json({"keys": [used_key_shape(key, uses[key.id]) for key in keys if key.id in uses]})
        return
    shapes = [key_shape(key) for key in keys]
    columns = ("kid", "algorithm", "state", "created_at", "activated_at", "retiring_at", "ended_at")
    say_table(columns, [[shape[name] for name in columns] for shape in shapes], empty="No keys.")


@app.command
async def rotate(*, yes: Unasked = False, where: Where = HERE, json: Json = False) -> None:  # noqa: ARG001
    """The upcoming key signs from now on; the present one only verifies; a new one is published."""
    async with opened(where) as system:
        kid = (await system.signing_keys.rotate(actor=ACTOR)).id
        key = next(key for key in await system.signing_keys.all() if key.id == kid)
        bound = system.bound
    if json:
        say_json({"key": key_shape(key), "ended": 0, "bound": bound})
    else:
        when = f"within {bound:g} s" if bound else "from now on"
        say(f"{key.id} signs {when}. What the key before it signed is accepted until it expires.")


@app.command
async def retire(kid: Kid, /, *, yes: Yes = False, wait: Wait = False, where: Where = HERE, json: Json = False) -> None:
    """Accept nothing more that a retiring key signed. Housekeeping does it once all of that has expired.

    Parameters
    ----------
    kid
        Id of the key. Write -- before one that begins with -y.
    """
    confirm("Tokens that this key signed and that have not expired will be refused. Retire it?", yes=yes)
    async with opened(where) as system:
        key = await system.signing_keys.retire(kid, actor=ACTOR)
        bound = (await settled(system, system.context.ended(1), wait=wait)).bound
    if json:
        say_json({"key": key_shape(key), "ended": 1, "bound": bound})
    else:
        say(f"{key.id} is retired: what it signed is {said_bound(bound)}.")


@app.command
async def revoke(kid: Kid, /, *, yes: Yes = False, wait: Wait = False, where: Where = HERE, json: Json = False) -> None:
    """Emergency: refuse at once all that this key signed. If it is the one that signs, the next takes over.

    Parameters
    ----------
    kid
        Id of the key. Write -- before one that begins with -y.
    """
    confirm("Everybody who holds a token of this key has to refresh or log in again. Revoke it?", yes=yes)
    async with opened(where) as system:
        ended = await settled(system, await system.signing_keys.revoke(kid, actor=ACTOR), wait=wait)
    if json:
        say_json({"ended": ended.ended, "bound": ended.bound})
    else:
        say(f"{kid} is revoked: what it signed is {said_bound(ended.bound)}.")


@app.command
async def export(*, where: Where = HERE, json: AlwaysJson = False) -> None:  # noqa: ARG001
    """Print the public keys as a JWK set (RFC 7517), for verifiers that cannot fetch it."""
    async with opened(where) as system:
        jwks = system.signing_keys.ring.jwks
    sys.stdout.write(jwks.decode() + "\n")
