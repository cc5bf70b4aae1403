"""The checks of `ostiary doctor`. Each says what it found and how to mend it; none of them changes anything."""

import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from ostiary.cli.doctor_check import Check, Mark, failed, ok, warning
from ostiary.cli.doctor_proxies import proxies_check
from ostiary.clock import SYSTEM_CLOCK
from ostiary.credentials.derived_keys import DerivedKeys, unseal
from ostiary.domain.audit import Event
from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.settings import Settings, load_or_create_secret_key, secret_key_path
from ostiary.stores.port import Store

_THIS_CODE_IS_FROM = 1_790_000_000.0  # Unix seconds, September 2026: a clock that says less is wrong
_CLOCK_SLACK = 5.0  # seconds that a record may lie ahead of the clock
_REACH = "let this user read and write the file and its folder: SQLite makes two more files beside it"
_MENDED = {
    sqlite3.SQLITE_CANTOPEN: _REACH,
    sqlite3.SQLITE_PERM: _REACH,
    sqlite3.SQLITE_READONLY: _REACH,
    sqlite3.SQLITE_FULL: "make room on the disk: SQLite makes two more files beside the database",
    sqlite3.SQLITE_IOERR: "make room on the disk, or see what is wrong with it: SQLite makes two more files there",
    sqlite3.SQLITE_BUSY: "end whatever holds its lock, or wait, and look again",
    sqlite3.SQLITE_LOCKED: "end whatever holds its lock, or wait, and look again",
}
OTHER_HALF = "other_half"
"""The check that fails where only one of two stores is named that belong together."""
_RESTORED = "restore it from a backup, or name another one"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_INTEGRITY = "integrity"
_LOGINS = 100  # the latest, whose addresses are looked at
_LOOKED_THROUGH = 1024**3  # bytes; seconds of reading
_ROOM = 256 * 1024 * 1024  # bytes; the log file alone may grow to 64 MiB


async def checks(settings: Settings) -> AsyncIterator[Check]:
    """All of them, in an order in which a later one needs the earlier."""
    path = settings.database_path
    if settings.valkey is not None and not find_spec("redis"):
        yield failed("valkey", "its client is not installed", "pip install 'ostiary[valkey]'")
    elif settings.valkey is not None:
        from ostiary.cli.doctor_valkey import valkey_checks

        async for check in valkey_checks(settings):
            yield check
    if settings.postgres is not None and not find_spec("asyncpg"):
        yield failed("database", "PostgreSQL's driver is not installed", "pip install 'ostiary[postgres]'")
    elif settings.postgres is not None:
        from ostiary.cli.doctor_postgres import postgres_checks

        async for check in postgres_checks(settings):
            yield check
    if settings.all_in_valkey or settings.postgres is not None:
        async for check in _shared(settings):
            yield check
    elif path is None:
        yield warning(
            "database", "in memory: everything is gone when the server stops", "set database = sqlite:///path"
        )
    elif not path.exists():
        yield failed("database", f"{path} does not exist", "`ostiary db upgrade` makes it, so does the first start")
    else:
        async for check in _database(settings, path):
            yield check
    for check in _settings(settings):
        yield check


async def _database(settings: Settings, path: Path) -> AsyncIterator[Check]:
    from ostiary.compose import open_store
    from ostiary.stores import migrations

    try:
        found = migrations.current(path)
    except OstiaryError as wrong:
        found = f"{str(wrong).rstrip('.')}: {wrong.private}" if wrong.private else str(wrong)
        yield failed("database", found, _mended(wrong), unavailable=isinstance(wrong, Unavailable))
        return
    yield ok("database", f"{path} can be read")
    if found != migrations.HEAD:
        hint = "run `ostiary db upgrade`" if migrations.is_older(found) else "install the newer version"
        yield failed("schema", f"{found or 'none'}, {migrations.HEAD} is expected", hint)
        return
    yield ok("schema", f"{found}, as expected")
    for check in _file(path):
        yield check
        if check.name == _INTEGRITY and check.mark is Mark.FAILED:
            return  # what else it holds cannot be believed, or read
    check, key = _secret_key(settings, path)
    yield check
    unwritable = "make the file and its folder writable, and end whatever holds its lock"
    try:
        store = await open_store(settings, migrate=False, even_half=True)
    except OstiaryError as wrong:
        yield failed("writable", str(wrong), unwritable, unavailable=True)
        return
    try:
        try:
            await store.check()
            yield ok("writable", "a write works")
        except OstiaryError as wrong:
            yield failed("writable", str(wrong), unwritable, unavailable=True)
        async for check in _whole(settings, store):
            yield check
        async for check in _records(settings, store, key):
            yield check
    finally:
        await store.close()


def _mended(wrong: OstiaryError) -> str:
    """What to do about a file that cannot be read: a backup is for one that is damaged, and for nothing else."""
    return _MENDED.get(_code_of(wrong.__cause__), _RESTORED)


def _code_of(error: BaseException | None) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF if isinstance(error, sqlite3.Error) else 0


async def _shared(settings: Settings) -> AsyncIterator[Check]:
    """What a store holds that has no file."""
    from ostiary.compose import open_store

    if settings.secret_key is None:
        hint = "make one with `openssl rand -base64 48` and set OSTIARY_SECRET_KEY_FILE on every node"
        yield failed("secret_key", "not set: nodes that share a store need the same", hint)
    else:
        yield ok("secret_key", f"{len(settings.secret_key)} bytes, from {settings.sources['secret_key']}")
    try:
        store = await open_store(settings, migrate=False, even_half=True)
    except OstiaryError:
        return  # told above
    try:
        async for check in _whole(settings, store):
            yield check
        async for check in _records(settings, store, settings.secret_key):
            yield check
    finally:
        await store.close()


def _file(path: Path) -> Iterator[Check]:
    from ostiary.stores.sqlite_file import connect, unavailable

    try:
        with closing(connect(path, busy_timeout=1.0)) as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            level = connection.execute("PRAGMA synchronous").fetchone()[0]
            integrity = _integrity(path, connection)
    except sqlite3.Error as error:  # somebody's lock, or the disk: what the file holds is not known
        code = _code_of(error)
        found, hint = f"not looked through: {unavailable(error).private}", _MENDED.get(code, _RESTORED)
        yield failed(_INTEGRITY, found, hint, unavailable=code not in _DAMAGE)
        return
    yield integrity
    if mode == "wal":
        yield ok("journal", "WAL: reading goes on while somebody writes")
    else:
        yield failed("journal", f"{mode}", "put the file on a local disk: WAL needs shared memory")
    if level >= 2:
        yield ok("durability", "synchronous is FULL: what was answered survives a power cut")
    else:
        yield failed("durability", f"synchronous is {level}", "this build of SQLite ignores it; use another one")
    open_to = [
        name
        for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"))
        if name.exists() and name.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if os.name != "posix" or not open_to:
        yield ok("permissions", "the database is for its owner only")
    else:
        names = " ".join(map(str, open_to))
        yield warning("permissions", "other users of this machine can open the database", f"chmod 600 {names}")
    free = shutil.disk_usage(path.absolute().parent).free
    if free < _ROOM:
        yield warning("disk", f"{free // 2**20} MiB are left", "make room: a full disk refuses every login")
    else:
        yield ok("disk", f"{free // 2**20} MiB are left")


def _integrity(path: Path, connection: sqlite3.Connection) -> Check:
    """Pages that a disk or a copy has damaged are found before somebody needs them. Raises sqlite3.Error for whatever
    else keeps it from looking."""
    name, size = _INTEGRITY, path.stat().st_size
    if size > _LOOKED_THROUGH:
        return ok(name, f"not looked through, {size // 2**20} MiB: sqlite3 {path} 'PRAGMA quick_check'")
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if _code_of(error) not in _DAMAGE:
            raise
        found = str(error)
    if found == "ok":
        return ok(name, "no page is damaged")
    return failed(
        name, f"the file is damaged: {' '.join(found.split())}", "stop the server, and restore it from a backup"
    )


def _secret_key(settings: Settings, path: Path) -> tuple[Check, bytes | None]:
    name = "secret_key"
    if settings.secret_key is not None:
        found = f"{len(settings.secret_key)} bytes, from {settings.sources['secret_key']}"
        return ok(name, found), settings.secret_key
    file = secret_key_path(path)
    if not file.exists():
        hint = "restore it from a backup, or set OSTIARY_SECRET_KEY_FILE; without it the signing keys are lost"
        return failed(name, f"{file} does not exist", hint), None
    try:
        key = load_or_create_secret_key(path)
    except Misconfigured as wrong:
        found, _, hint = str(wrong).partition(": ")
        return failed(name, found, hint), None
    return ok(name, f"{len(key)} bytes, for its owner only, in {file}"), key


async def _whole(settings: Settings, store: Store) -> AsyncIterator[Check]:
    """Of half of a store nothing can be promised: nodes follow the other half too."""
    from ostiary.compose import other_half

    if missing := await other_half(settings, store):
        found, _, hint = missing.partition(": ")
        yield failed(OTHER_HALF, found, hint)


async def _records(settings: Settings, store: Store, key: bytes | None) -> AsyncIterator[Check]:
    keys = await store.signing_keys.all()
    for check in (*_signing_keys(keys, key), _clock(keys, await _newest_event(store))):
        yield check
    admins = await store.accounts.count_enabled_admins()
    if admins:
        yield ok("administrators", f"{admins} enabled")
    else:
        yield warning("administrators", "none is enabled", "ostiary account create NAME --role admin")
    logins = await store.audit.page(event=Event.LOGIN_SUCCEEDED, limit=_LOGINS)
    yield proxies_check(settings, [login.client_ip for login in logins])


def _signing_keys(keys: list[SigningKey], secret: bytes | None) -> Iterator[Check]:
    active = [key for key in keys if key.state is KeyState.ACTIVE and not key.encrypts]
    if not keys:
        yield warning("signing_key", "there is none yet", "the first start makes it")
        return
    if len(active) != 1:
        yield failed("signing_key", f"{len(active)} are active, it should be one", "run `ostiary key rotate`")
    else:
        yield ok("signing_key", f"{active[0].algorithm} {active[0].id} is active")
    if secret is None:
        return
    try:
        seal = DerivedKeys.from_secret(secret).seal
        sealed = [key for key in keys if key.sealed]
        for key in sealed:
            unseal(seal, key.sealed, context=key.id)
    except Misconfigured:
        hint = "start with the secret_key that this database was made with"
        yield failed("signing_keys_open", "the secret key does not open the signing keys", hint)
    else:
        yield ok("signing_keys_open", f"the secret key opens {len(sealed)}")


async def _newest_event(store: Store) -> float:
    newest = await store.audit.page(limit=1)
    return newest[0].at if newest else 0.0


def _clock(keys: list[SigningKey], newest_event: float) -> Check:
    now = SYSTEM_CLOCK.wall()
    newest = max([newest_event, *(key.created_at for key in keys)])
    hint = "set the clock of this machine, best by NTP"
    if now < _THIS_CODE_IS_FROM:
        return failed("clock", "it says a date before this program was made", hint)
    if newest > now + _CLOCK_SLACK:
        return failed("clock", f"the database holds an event {newest - now:.0f} s in the future", hint)
    return ok("clock", "later than everything in the database")


def _settings(settings: Settings) -> Iterator[Check]:
    if settings.issuer.startswith("https://") or settings.issuer_is_loopback:
        yield ok("issuer", settings.issuer)
    else:
        hint = "put a proxy with a certificate before it and set issuer = https://…"
        yield failed("issuer", f"{settings.issuer}: passwords and tokens travel in the clear", hint)
    if settings.cookie_secure:
        yield ok("cookie_secure", "cookies are Secure and have the __Host- prefix")
    else:
        yield warning("cookie_secure", "off: cookies can be taken on the way", "only for development; leave it out")
    if settings.signing_algorithm.startswith("HS"):
        hint = "set signing_algorithm = ES256, unless this process is the only one that verifies"
        yield warning("signing_algorithm", f"{settings.signing_algorithm}: no other service can verify", hint)
    for text in settings.warnings:
        if "is not a setting" in text:
            yield warning("environment", text, "remove it or mend its name")
