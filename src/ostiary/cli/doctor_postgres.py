"""The checks of `ostiary doctor` for PostgreSQL, and the bound that its settings really give."""

from collections.abc import AsyncIterator, Iterator

from ostiary.cli.doctor_check import Check, failed, ok, warning
from ostiary.cli.doctor_shared import bound_check, clock_check, same_key_check
from ostiary.clock import SYSTEM_CLOCK
from ostiary.errors import OstiaryError, Unavailable
from ostiary.settings import Settings
from ostiary.stores.migrations import HEAD
from ostiary.stores.postgres.facts import Facts, facts_of
from ostiary.stores.postgres.schema_version import will_do

_OLDEST = 14_00_00
_WAITS = ("on", "remote_apply")


async def postgres_checks(settings: Settings) -> AsyncIterator[Check]:
    """In an order in which a later one needs the earlier."""
    assert settings.postgres is not None  # noqa: S101 - callers check
    before = SYSTEM_CLOCK.wall()
    try:
        facts = await facts_of(settings.postgres)
    except OstiaryError as wrong:
        down = isinstance(wrong, Unavailable)
        hint = "start it, or mend the URL or the way there" if down else "mend it there, then start"
        yield failed("database", f"{settings.shown()['database']}: {wrong}", hint, unavailable=down)
        return
    after = SYSTEM_CLOCK.wall()
    yield ok("database", f"{settings.shown()['database']} answers")
    yield _schema(facts)
    for check in (*_server(facts), *_durability(facts), *_way(facts, settings)):
        yield check
    yield clock_check("postgres_clock", facts.time, before=before, after=after)
    yield same_key_check(facts.fingerprint, settings)
    yield bound_check(bound_of(settings, facts))


def bound_of(settings: Settings, facts: Facts) -> float | None:
    """Seconds until what was ended is refused everywhere, whatever fails; None if these settings give no bound."""
    if facts.settings["fsync"] != "on" or facts.settings["full_page_writes"] != "on" or facts.standby:
        return None
    if facts.standbys and not facts.settings["synchronous_standby_names"]:
        return None
    return settings.lease


def _schema(facts: Facts) -> Check:
    found = facts.found
    if will_do(found):
        return ok(
            "schema", f"{found.version}, as expected" if found.version == HEAD else f"{found.version}, newer: fits"
        )
    newer = found.version is not None and found.version > HEAD
    hint = "install the newer version" if newer else "run `ostiary db upgrade`, or let the first start do it"
    return failed("schema", f"{found.version or 'none'}, {HEAD} is expected", hint)


def _server(facts: Facts) -> Iterator[Check]:
    version = facts.settings["server_version"]
    if facts.version_number < _OLDEST:
        yield failed("postgres_version", version, "use PostgreSQL 14 or newer")
    else:
        yield ok("postgres_version", version)
    if facts.standby:
        yield failed("postgres_role", "a standby: it takes no writes", "name the primary, or all servers with commas")
    else:
        yield ok("postgres_role", f"primary with {facts.standbys} standbys")
    if facts.settings["autovacuum"] != "on":
        hint = "turn autovacuum on: tables that change at every login grow without it"
        yield warning("postgres_autovacuum", "off", hint)


def _durability(facts: Facts) -> Iterator[Check]:
    name, level = "postgres_durability", facts.settings["synchronous_commit"]
    if facts.settings["fsync"] != "on":
        hint = "set fsync = on; nothing that a client can do makes up for it"
        yield failed(name, "fsync is off: a power cut forgets what was ended, or breaks the database", hint)
    elif facts.settings["full_page_writes"] != "on":
        hint = "set full_page_writes = on, unless the file system never writes half a page"
        yield failed(name, "full_page_writes is off: a power cut may break the database", hint)
    elif level in ("off", "local"):
        yield ok(name, f"fsync is on; synchronous_commit is {level} for this role, and Ostiary turns it on for itself")
    else:
        yield ok(name, f"fsync is on, synchronous_commit is {level}: what was answered survives a power cut")
    name, names = "postgres_standbys", facts.settings["synchronous_standby_names"]
    if not facts.standbys and not names:
        yield ok(name, "one server: there is no other that could take over with less")
    elif not names:
        hint = "set synchronous_standby_names, so that a fail-over keeps what was just ended"
        yield warning(
            name, f"{facts.standbys} that are not waited for: a fail-over may forget what was just ended", hint
        )
    elif level not in (*_WAITS, "off", "local"):
        hint = "set synchronous_commit = on for this role"
        yield warning(name, f"waited for with {level}: the standby's machine may still lose it", hint)
    else:
        yield ok(name, f"waited for at every change: {names}")


def _way(facts: Facts, settings: Settings) -> Iterator[Check]:
    if not facts.away:
        yield ok("postgres_tls", "it is on this machine")
    elif not facts.encrypted:
        hint = "add ?sslmode=verify-full&sslrootcert=…"
        yield failed("postgres_tls", "the way to the server is not encrypted", hint)
    elif "sslmode=verify-full" not in settings.database:
        hint = "add ?sslmode=verify-full&sslrootcert=…"
        yield warning("postgres_tls", "encrypted, but anybody could be at the other end", hint)
    else:
        yield ok("postgres_tls", "encrypted, and the server's name is looked at")
    if not facts.pooled:
        yield ok("postgres_pooler", "none: statements are prepared, and notifications come through")
    elif facts.can_listen:
        yield ok("postgres_pooler", "there is one; notifications come from the server itself")
    else:
        hint = "add listen=host:port with the server's own address"
        yield warning("postgres_pooler", "there is one: nodes have to look for what was ended, every 0.1 s", hint)
    assert settings.postgres is not None  # noqa: S101 - callers check
    needed, most = settings.postgres.pool_size + 6, int(facts.settings["max_connections"])
    if not facts.pooled and needed > most // 2:
        hint = "raise max_connections, lower pool_size, or put a pooler between"
        yield warning("postgres_connections", f"a node may open {needed} of {most}", hint)
    else:
        yield ok("postgres_connections", f"a node opens at most {needed} of {most}")
