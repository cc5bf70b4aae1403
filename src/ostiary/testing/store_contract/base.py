"""What every chapter of the contract needs: a store, another one on the same backend, and ways to look at all of it."""

from collections.abc import AsyncIterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar

import pytest

from ostiary.clock import SYSTEM_CLOCK
from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.revocation.entry import Cursor
from ostiary.stores.port import Add, Record, Store


class StoreCase:
    """One chapter. `durable`: what was acknowledged is there after closing and opening again."""

    pytestmark: ClassVar[list[pytest.MarkDecorator]] = [pytest.mark.anyio]
    durable: ClassVar[bool] = True

    async def open_store(self) -> Store:
        """Open the backend of this test, which is empty at the first call."""
        raise NotImplementedError

    async def age(self, store: Store, seconds: float) -> None:
        """Let the revocation log and every node's last probe be that many seconds older. By default the stores are
        expected to count with a clock whose reading has `self.later` added."""
        del store
        self.later += seconds

    later: float = 0.0

    def uptime(self) -> float:
        """Of the machine, and what `age` added."""
        return SYSTEM_CLOCK.monotonic() + self.later

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The stores run on asyncio."""
        return "asyncio"

    @pytest.fixture
    async def store(self, anyio_backend: str) -> AsyncIterator[Store]:  # noqa: ARG002 - anyio runs the fixture on it
        """The store under test."""
        store = await self.open_store()
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, store: Store) -> AsyncIterator[Store]:
        """Another store on the same backend, as another process would have; the same one if there can be no other."""
        if not store.shared:
            yield store
            return
        other = await self.open_store()
        yield other
        await other.close()


async def add(store: Store, *records: Any) -> None:
    """Store new records, all of which must be free."""
    assert await store.write(*map(Add, records)), "the records of a test's preparation could not be added"


async def find(store: Store, record: Record) -> Record | None:
    """What the store holds under this record's id."""
    match record:
        case Account():
            return await store.accounts.get(record.id)
        case Session():
            return await store.sessions.get(record.id)
        case Throttle():
            return await store.throttles.get(record.id)
        case SigningKey():
            return next((key for key in await store.signing_keys.all() if key.id == record.id), None)
        case AuditEvent():
            return next((event for event in await store.audit.page(limit=1000) if event.id == record.id), None)
        case Client():
            return await store.clients.get(record.id)
        case Spent():
            return await store.spent.get(record.id)
        case Issuer():
            return await store.issuer()


async def everything(store: Store, *ids: str) -> dict[str, object]:
    """All that can be listed, and whatever has one of these ids."""
    return {
        "issuer": await store.issuer(),
        "accounts": await store.accounts.page(limit=1000),
        "sessions": await store.sessions.page(limit=1000),
        "keys": await store.signing_keys.all(),
        "clients": await store.clients.page(limit=1000),
        "audit": await store.audit.page(limit=1000),
        "log": (await store.revocations.probe(Cursor(), 1000)).items,
        "throttles": [await store.throttles.get(throttle_id) for throttle_id in ids],
        "spent": [await store.spent.get(spent_id) for spent_id in ids],
        "ended": [await store.sessions.get(session_id) for session_id in ids],
    }


def at_revision(record: Any, revision: int) -> Any:
    """The same record as the store would hand it out."""
    return replace(record, revision=revision)


def differences(left: object, right: object, path: str = "") -> list[str]:
    """Where two records differ in value or in type: 1 is not True here, nor 0 the same as 0.0. Empty if nowhere."""
    if type(left) is not type(right):
        return [f"{path}: {type(left).__name__} is not {type(right).__name__}"]
    if is_dataclass(left) and is_dataclass(right):
        return [
            found
            for field in fields(left)
            for found in differences(getattr(left, field.name), getattr(right, field.name), f"{path}.{field.name}")
        ]
    return [] if left == right else [f"{path}: differs"]


# ruff: noqa: S101 - tests assert
