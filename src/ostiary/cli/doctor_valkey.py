"""The checks of `ostiary doctor` for Valkey, and the bound that its settings really give."""

from collections.abc import AsyncIterator, Iterator

from ostiary.cli.doctor_check import Check, failed, ok, warning
from ostiary.cli.doctor_shared import bound_check, clock_check, same_key_check
from ostiary.clock import SYSTEM_CLOCK
from ostiary.errors import OstiaryError, Unavailable
from ostiary.settings import Settings
from ostiary.settings.checks import is_loopback
from ostiary.stores.valkey.facts import Facts
from ostiary.stores.valkey_url import Address, Form, parse

_OLDEST = (7, 2)  # the first release of Valkey


async def valkey_checks(settings: Settings) -> AsyncIterator[Check]:
    """In an order in which a later one needs the earlier."""
    assert settings.valkey is not None  # noqa: S101 - callers check
    from ostiary.stores.valkey import ValkeyStore

    address = parse(settings.valkey)
    try:
        store = await ValkeyStore.open(address)
    except OstiaryError as wrong:
        found = f"{settings.shown()['valkey']}: {wrong}"
        down = isinstance(wrong, Unavailable)
        hint = "start it, or mend the URL, its password or its certificate" if down else "mend it there, then start"
        yield failed("valkey", f"{found} {wrong.private}".strip(), hint, unavailable=down)
        return
    try:
        before = SYSTEM_CLOCK.wall()
        facts = await store.facts()
        after = SYSTEM_CLOCK.wall()
    finally:
        await store.close()
    yield ok("valkey", f"{settings.shown()['valkey']} answers, and takes writes")
    yield _way(address)
    for check in (*_server(facts), *_durability(facts), *_replication(facts, address)):
        yield check
    yield clock_check("valkey_clock", facts.time, before=before, after=after)
    yield same_key_check(facts.fingerprint, settings)
    yield bound_check(bound_of(settings, facts))


def bound_of(settings: Settings, facts: Facts) -> float | None:
    """Seconds until what was ended is refused everywhere, whatever fails; None if these settings give no bound."""
    address = parse(settings.valkey or "")
    if not facts.persists or facts.fsync != "always" or facts.role != "master":
        return None
    if not (facts.replicas or facts.cluster or address.form is Form.SENTINEL):
        return settings.lease
    # whichever replica takes over has all that was answered, and without it nobody is told anything
    return settings.lease if 0 < facts.replicas <= address.replicas else None


def _way(address: Address) -> Check:
    if address.form is Form.UNIX or all(is_loopback(host) for host, _ in address.hosts):
        return ok("valkey_tls", "it is on this machine")
    if address.tls:
        return ok("valkey_tls", "encrypted, and the server's name is looked at")
    return failed("valkey_tls", "the way to the server is not encrypted", "write valkeys:// and turn TLS on there")


def _server(facts: Facts) -> Iterator[Check]:
    numbers = tuple(int(part) for part in facts.version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        yield failed("valkey_version", facts.version or "unknown", "use Valkey 7.2 or newer")
    else:
        yield ok("valkey_version", facts.version)
    if facts.role == "master":
        yield ok("valkey_role", f"primary with {facts.replicas} replicas")
    else:
        hint = "name the primary, or use valkey+sentinel:// or valkey+cluster://"
        yield failed("valkey_role", f"{facts.role}: it takes no writes", hint)
    if facts.eviction == "noeviction":
        yield ok("valkey_eviction", "noeviction: nothing is forgotten for want of memory")
    else:
        yield failed("valkey_eviction", facts.eviction, "CONFIG SET maxmemory-policy noeviction")


def _durability(facts: Facts) -> Iterator[Check]:
    name = "valkey_durability"
    if not facts.persists:
        hint = "set appendonly yes and appendfsync always"
        yield failed(name, "nothing is on disk: a restart logs everybody out, or forgets what was ended", hint)
    elif facts.fsync is None:
        hint = "see that its provider fsyncs each write (appendfsync always)"
        yield warning(name, "appendonly, but the server does not tell how often it fsyncs", hint)
    elif facts.fsync == "always":
        yield ok(name, "appendonly with appendfsync always: what was answered survives a power cut")
    else:
        hint = "set appendfsync always"
        yield warning(name, f"appendfsync {facts.fsync}: a power cut forgets about a second of what was ended", hint)
    if facts.write_error:
        yield failed("valkey_disk", "the last write to its append-only file failed", "make room on its disk")


def _replication(facts: Facts, address: Address) -> Iterator[Check]:
    name = "valkey_fencing"
    if not (facts.replicas or facts.cluster or address.form is Form.SENTINEL):
        yield ok(name, "one server: there is no other that could answer in its place")
        return
    if address.replicas:
        yield ok(name, "a primary that was cut off from its replicas grants no lease")
    elif facts.replicas_demanded is None:
        yield warning(name, "the server does not tell", "see that min-replicas-to-write is at least 1")
    elif not facts.replicas_demanded or not facts.replica_lag:
        hint = "set min-replicas-to-write 1 and min-replicas-max-lag 2"
        yield failed(name, "a primary that was cut off from its replicas goes on answering", hint)
    else:
        found = f"a primary that was cut off stops answering within {facts.replica_lag + 1} s"
        yield ok(name, found)
    if 0 < facts.replicas <= address.replicas:
        yield ok("valkey_replicated", f"a change counts once {address.replicas} replicas have it, which are all")
    else:
        hint = f"add ?replicas={max(facts.replicas, 1)} to the URL"
        yield warning("valkey_replicated", "a fail-over may forget what was just ended", hint)
