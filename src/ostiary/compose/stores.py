"""Which store the settings name, and what version its schema has."""

from contextlib import AsyncExitStack

from ostiary.credentials.derived_keys import DerivedKeys
from ostiary.errors import Misconfigured
from ostiary.settings import Settings
from ostiary.stores import halves
from ostiary.stores.port import Store

_HALVES = {
    "database": "The sessions of this database are in Valkey: name both (`valkey`, --valkey). If it is given up, ",
    "valkey": "The accounts of this Valkey are in a database: name both (`database`, --database). If it is given up, ",
}
_GIVEN_UP = "stop every server and run `ostiary db alone`."


async def open_store(
    settings: Settings, *, migrate: bool = True, serving: bool = False, even_half: bool = False
) -> Store:
    """The backend that the settings name, open.

    `serving`: nodes go by it from now on; of a database and Valkey, each is marked as half of a store. Raises
    Misconfigured if what is named is half of one, unless `even_half`."""
    if settings.valkey is None:
        store = await _open_database(settings, migrate=migrate)
    else:
        store = await _open_valkey(settings, settings.valkey, migrate=migrate, serving=serving)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(store.close)
        if not even_half and (missing := await other_half(settings, store)):
            raise Misconfigured(missing)
        opened.pop_all()
    return store


async def other_half(settings: Settings, store: Store) -> str:
    """What has to be named besides, for people; empty if this is a whole store."""
    both = settings.valkey is not None and not settings.all_in_valkey
    if both or not await halves.is_half(store):
        return ""
    return _HALVES["valkey" if settings.all_in_valkey else "database"] + _GIVEN_UP


async def _open_valkey(settings: Settings, url: str, *, migrate: bool, serving: bool) -> Store:
    try:
        from ostiary.stores.valkey import ValkeyStore
    except ImportError:
        raise Misconfigured("Valkey needs its client: pip install 'ostiary[valkey]'") from None
    if settings.all_in_valkey:
        return await ValkeyStore.open(url, fingerprint=_fingerprint(settings))
    from ostiary.stores.mixed import MixedStore

    async with AsyncExitStack() as opened:
        database = await _open_database(settings, migrate=migrate)
        opened.push_async_callback(database.close)
        valkey = await ValkeyStore.open(url, fingerprint=_fingerprint(settings))
        opened.push_async_callback(valkey.close)
        if serving:
            await halves.mark(database)
            await halves.mark(valkey)
        store = await MixedStore.open(database, valkey)
        opened.pop_all()
    return store


async def _open_database(settings: Settings, *, migrate: bool) -> Store:
    if settings.postgres is not None:
        try:
            from ostiary.stores.postgres import PostgresStore
        except ModuleNotFoundError as missing:
            raise Misconfigured("PostgreSQL needs its driver: pip install 'ostiary[postgres]'") from missing
        return await PostgresStore.open(settings.postgres, migrate=migrate, fingerprint=_fingerprint(settings))
    path = settings.database_path
    if path is None:
        from ostiary.stores.memory import MemoryStore

        return MemoryStore()
    from ostiary.stores.sqlite import SqliteStore

    return await SqliteStore.open(path, migrate=migrate)


def _fingerprint(settings: Settings) -> str | None:
    """Of the secret key: what the nodes of a shared store compare."""
    return None if settings.secret_key is None else DerivedKeys.from_secret(settings.secret_key).fingerprint


async def schema_of(settings: Settings) -> str | None:
    """The version of the schema that is there, whether or not this program can work with it; None if there is none."""
    if settings.postgres is not None:
        from ostiary.stores.postgres import schema_version

        return (await schema_version.found_at(settings.postgres)).version
    from ostiary.stores import migrations

    return None if settings.database_path is None else migrations.current(settings.database_path)
