"""The same history on two stores gives the same answers: the memory store is what the others are compared with."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ostiary.domain.account import ADMIN
from ostiary.domain.session import Kind
from ostiary.revocation.entry import Cursor
from ostiary.stores.memory import MemoryStore
from ostiary.stores.mixed import MixedStore
from ostiary.stores.port import Add, Append, Change, Expect, Remove, Store, Swap
from ostiary.stores.sqlite import SqliteStore
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing import builders
from ostiary.testing.builders import NOW

pytestmark = pytest.mark.anyio

SEEDS = range(6)
WRITES = 120


@pytest.fixture(params=["valkey", "mixed"])
async def store(
    request: pytest.FixtureRequest, valkey_url: str, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Store]:
    store: Store = await ValkeyStore.open(valkey_url)
    if request.param == "mixed":
        assert isinstance(store, ValkeyStore)
        store = await MixedStore.open(await SqliteStore.open(tmp_path / "ostiary.db"), store)
    yield store
    await store.close()


def a_record(chance: random.Random) -> Any:
    """One of few, so that ids, user names and digests collide often."""
    name, other = (chance.choice("abc") for _ in range(2))
    revision = chance.choice([0, 1, 1, 1, 2, 2, 3])
    instant = NOW + chance.randrange(100)
    return chance.choice(
        [
            builders.account(
                name, username_key=other, email=chance.choice([None, f"{other.upper()}@x"]), revision=revision,
                roles=chance.choice([(ADMIN,), ("user",)]), disabled=chance.random() < 0.3,
            ),
            builders.session(
                name, account_id=other, kind=chance.choice([*Kind]), revision=revision, last_seen_at=instant,
                token_digest=chance.choice([None, other.encode()]), everything=chance.randrange(2),
                ended_at=chance.choice([None, None, instant]), idle_lifetime=float(chance.randrange(50)),
            ),
            builders.throttle(name, failures=chance.randrange(9), last_failure_at=instant, revision=revision),
            builders.signing_key(name, revision=revision),
            builders.audit_event(
                name, account_id=chance.choice([None, other]), event=chance.choice("xy"), at=instant, revision=revision
            ),
        ]
    )  # fmt: skip


def a_change(chance: random.Random) -> Change:
    if chance.random() < 0.15:
        return Append(builders.entry(chance.choice("abc"), until=NOW + chance.randrange(100)))
    return chance.choice([Add, Add, Swap, Swap, Expect, Remove])(a_record(chance))


async def seen(store: Store) -> dict[str, object]:
    """Whatever can be asked."""
    log = (await store.revocations.probe(Cursor(), 1000)).items
    found: dict[str, object] = {
        "log": [item.entry for item in log],
        "keys": await store.signing_keys.all(),
        "admins": await store.accounts.count_enabled_admins(),
        "clients": await store.clients.page(limit=9),
        "issuer": await store.issuer(),
    }
    for one in ("a", "b", "c"):
        found[f"of {one}"] = [
            await store.accounts.get(one), await store.accounts.by_username(one), await store.sessions.get(one),
            await store.sessions.by_token_digest(one.encode()), await store.sessions.of_account(one),
            await store.throttles.get(one), await store.accounts.page(start=one, limit=9),
            await store.accounts.page_by_email(start=one, limit=9),
            await store.accounts.page(start=one, only="disabled", limit=9),
            await store.accounts.page_by_email(start=one, only="disabled", limit=9),
            await store.audit.page(account_id=one, event="x", limit=9),
        ]  # fmt: skip
    for only in ("", "admins", "disabled"):
        found[f"accounts {only}"] = await store.accounts.page(only=only, limit=9)
    for kind in ("", *Kind):
        found[f"sessions {kind}"] = [
            await store.sessions.page(kind=kind, limit=2, after=after) for after in ("", "a", "b")
        ]
        found[f"latest {kind}"] = [
            await store.sessions.latest(everything=everything, kind=kind, before=before, limit=2)
            for everything in range(2)
            for before in (None, (NOW + 40, "b"))
        ]
        found[f"live {kind}"] = [
            await store.sessions.count_not_ended(everything=everything, now=NOW + 40, kind=kind)
            for everything in range(2)
        ]
    for event in ("", "x", "y"):
        found[f"events {event}"] = await store.audit.page(event=event, limit=9)
        found[f"since {event}"] = await store.audit.count_since(event, NOW + 50)
    return found


@pytest.mark.parametrize("seed", SEEDS)
async def test_any_history_gives_the_same_answers(store: Store, seed: int) -> None:
    """M-05: random writes of several changes, touches and purges, most of which collide: each has the same outcome as
    in memory, and everything that can be asked afterwards is the same."""
    chance, memory = random.Random(seed), MemoryStore()
    done = 0
    for step in range(WRITES):
        changes = [a_change(chance) for _ in range(chance.choice([1, 1, 2, 3]))]
        outcome = await memory.write(*changes)
        assert await store.write(*changes) is outcome, f"step {step}: {changes}"
        done += outcome
        if step % 10 == 9:
            touched = {name: NOW + chance.randrange(150) for name in "abcd"}
            before = NOW + chance.randrange(60)
            for each in (memory, store):
                await each.sessions.touch(touched)
            for part in ("sessions", "throttles", "audit", "revocations"):
                counts = [await getattr(each, part).purge(before=before) for each in (memory, store)]
                assert counts[0] == counts[1], f"step {step}: {part}"
            assert await seen(store) == await seen(memory), f"step {step}"
    assert done > WRITES // 10
    assert replace(await store.issuer(), revision=0) == replace(await memory.issuer(), revision=0)
