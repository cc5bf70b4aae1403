"""`ostiary db …`."""

from ostiary.cli.app import noun
from ostiary.cli.options import HERE, Json, Where, Yes
from ostiary.cli.output import say, say_json
from ostiary.cli.prompts import confirm
from ostiary.cli.shell import Usage
from ostiary.cli.system import check_database
from ostiary.settings import Settings

app = noun("db")


@app.command
async def upgrade(*, where: Where = HERE, json: Json = False) -> None:
    """Bring the schema up to date, making the database if there is none. All or nothing, and safe to repeat."""
    from ostiary.stores import migrations

    settings = where.settings()
    check_database(settings, create=True)
    if settings.all_in_valkey:
        await _say_valkey(settings, json=json)
        return
    before = await _current(settings)
    await _upgrade(settings)
    state = await _state(settings)
    if json:
        say_json({"before": before, **state})
    elif before == state["current"]:
        say(f"Nothing to do: the schema is {before}.")
    else:
        say(f"The schema was {before or 'not there'} and is now {migrations.HEAD}.")


@app.command
async def current(*, where: Where = HERE, json: Json = False) -> None:
    """Show the schema that the database has and the one that this program expects."""
    from ostiary.stores import migrations

    settings = where.settings()
    check_database(settings, create=False)
    if settings.all_in_valkey:
        await _say_valkey(settings, json=json)
        return
    state = await _state(settings)
    if json:
        say_json(state)
    elif state["up_to_date"]:
        say(f"{state['current']}: up to date.")
    else:
        then = (
            "run `ostiary db upgrade`" if migrations.is_older(await _current(settings)) else "install the newer version"
        )
        say(f"{state['current'] or 'nothing'}: this program expects {state['head']}; {then}.")


@app.command
async def alone(*, yes: Yes = False, where: Where = HERE, json: Json = False) -> None:
    """Use a database without the Valkey that held its sessions, or Valkey without the database that held its accounts,
    from now on. No server may run. What the other one held is gone: after Valkey, everybody logs in again.
    """
    from ostiary.compose import open_store
    from ostiary.stores import halves

    settings = where.settings()
    check_database(settings, create=False)
    if settings.valkey is not None and not settings.all_in_valkey:
        raise Usage("both are named: take the one that is given up out of the settings, then run this again")
    confirm("Is every server stopped, and shall this store be used without its other half?", yes=yes)
    store = await open_store(settings, even_half=True)
    try:
        was_half = await halves.unmark(store)
    finally:
        await store.close()
    if json:
        say_json({"was_half": was_half})
    else:
        say("It is a store of its own now." if was_half else "Nothing to do: it was a store of its own.")


async def _say_valkey(settings: Settings, *, json: bool) -> None:
    """Whatever it holds of another version is refused here."""
    from ostiary.compose import open_store
    from ostiary.settings import secret_key_of

    secret_key_of(settings)
    await (await open_store(settings, even_half=True)).close()
    if json:
        say_json({"current": None, "head": None, "up_to_date": True})
    else:
        say("Nothing to do: Valkey has no schema.")


async def _state(settings: Settings) -> dict[str, str | bool | None]:
    from ostiary.stores import migrations

    found = await _current(settings)
    return {"current": found, "head": migrations.HEAD, "up_to_date": found == migrations.HEAD}


async def _current(settings: Settings) -> str | None:
    from ostiary.compose import schema_of

    return await schema_of(settings)


async def _upgrade(settings: Settings) -> None:
    from ostiary.compose import open_store
    from ostiary.settings import secret_key_of

    if settings.postgres is None:
        secret_key_of(settings)  # the key first: a database without one is taken for one whose key was lost
    await (await open_store(settings, even_half=True)).close()
