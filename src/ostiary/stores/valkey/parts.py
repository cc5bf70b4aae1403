"""The parts of the Valkey store: what each protocol of the port asks, as look-ups in keys and sorted sets.

Point look-ups go through the `quick` lane, what may read many records through the `slow` one. Long listings, purges and
touches are done in portions: the server does one thing at a time, and nobody should have to wait for a whole.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ostiary.domain.account import Account
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Kind as SessionKind
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.stores.rows import folded, prefix_end
from ostiary.stores.valkey import records as of
from ostiary.stores.valkey import scripts
from ostiary.stores.valkey.lanes import Argument, Lane
from ostiary.stores.valkey.records import Kind, number, text

R = TypeVar("R")
_PORTION = 500  # records of one step of a purge or a touch

_ONLY = {"": b"accounts-by-name", "admins": b"accounts-in-charge", "disabled": b"accounts-disabled"}


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where commands go. `log` is the revocation log's own: a burst of look-ups must not cost a node its lease."""

    prefix: bytes
    quick: Lane
    slow: Lane
    log: Lane
    writer: Lane


class _Part:
    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    async def _get(self, kind: Kind[R], record_id: str) -> R | None:
        value = await self._lanes.quick.command("GET", self._lanes.prefix + kind.key(record_id))
        return None if value is None else kind.decode(value)

    async def _find(self, kind: Kind[R], unique: bytes) -> R | None:
        value = await self._lanes.quick.run(scripts.FIND, unique, kind.prefix)
        return None if value is None else kind.decode(value)

    async def _page(
        self,
        kind: Kind[R],
        index: bytes,
        limit: int,
        *,
        after: str = "",
        down: bool = False,
        lane: Lane | None = None,
        keep: Callable[[R], bool] | None = None,
    ) -> list[R]:
        """Records in the index's order behind `after`; with `keep`, only those, however many have to be read."""
        found: list[R] = []
        edge = b"(" + text(after) if after else (b"+" if down else b"-")
        while len(found) < limit:
            wanted = limit - len(found) if keep is None else max(limit, _PORTION)
            order: list[Argument] = [edge, "-", wanted, "down"] if down else [edge, "+", wanted, "up"]
            ids, values = await (lane or self._lanes.slow).run(scripts.PAGE, index, kind.prefix, *order)
            records = [kind.decode(value) for value in values if value is not None]
            found += records if keep is None else filter(keep, records)
            if len(ids) < wanted:
                break
            edge = b"(" + ids[-1]
        return found[:limit]

    async def _count(self, index: bytes, least: str) -> int:
        return int(await self._lanes.slow.command("ZCOUNT", self._lanes.prefix + index, least, "+inf"))

    async def _purge(self, kind: Kind[Any], index: bytes, before: float) -> int:
        gone = 0
        arguments: tuple[Argument, ...] = (index, kind.prefix, number(before), _PORTION)
        while now_gone := await self._lanes.writer.run(scripts.PURGE, *arguments):
            gone += now_gone
        return gone


class Accounts(_Part):
    """See the port."""

    async def get(self, account_id: str) -> Account | None:
        return await self._get(of.ACCOUNTS, account_id)

    async def by_username(self, username_key: str) -> Account | None:
        return await self._find(of.ACCOUNTS, b"username:" + text(username_key))

    async def page(self, *, start: str = "", only: str = "", after: str = "", limit: int) -> list[Account]:
        first = b"(" + of.named(after, b"\xff") if after and after >= start else b"[" + text(start)
        return await self._in_range(_ONLY[only], first, start, limit)

    async def page_by_email(
        self, *, start: str, only: str = "", after: tuple[str, str] = ("", ""), limit: int
    ) -> list[Account]:
        if only:  # they are few: each is looked at
            among = await self._in_range(_ONLY[only], b"-", "", None)
            places = sorted(
                (email, account.id, account)
                for account in among
                if (email := folded(account.email)) is not None
                and email.startswith(start)
                and (email, account.id) > after
            )
            return [account for _, _, account in places[:limit]]
        first = b"(" + of.named(after[0], text(after[1])) if after[0] >= start and after[0] else b"[" + text(start)
        return await self._in_range(b"accounts-by-email", first, start, limit)

    async def _in_range(self, index: bytes, first: bytes, start: str, limit: int | None) -> list[Account]:
        """Accounts of an index that is sorted by texts, from `first` on, as far as the texts begin with `start`."""
        end = prefix_end(start) if start else None
        last = b"+" if end is None else b"(" + text(end)
        found: list[Account] = []
        while limit is None or len(found) < limit:
            wanted = _PORTION if limit is None else min(limit - len(found), _PORTION)
            arguments: list[Argument] = [index, of.ACCOUNTS.prefix, first, last, wanted, "up"]
            names, values = await self._lanes.slow.run(scripts.PAGE, *arguments)
            found += [of.ACCOUNTS.decode(value) for value in values if value is not None]
            if len(names) < wanted:
                break
            first = b"(" + names[-1]
        return found

    async def count_enabled_admins(self) -> int:
        return int(await self._lanes.slow.command("ZCARD", self._lanes.prefix + b"accounts-in-charge"))


class Sessions(_Part):
    """See the port."""

    async def get(self, session_id: str) -> Session | None:
        return await self._get(of.SESSIONS, session_id)

    async def by_token_digest(self, digest: bytes) -> Session | None:
        return await self._find(of.SESSIONS, b"session-by-token:" + digest)

    async def of_account(self, account_id: str) -> list[Session]:
        index = b"sessions-of:" + text(account_id)
        _, values = await self._lanes.quick.run(scripts.PAGE, index, of.SESSIONS.prefix, "-", "+", -1, "up")
        return [of.SESSIONS.decode(value) for value in values if value is not None]

    async def count_of_account(self, account_id: str) -> int:
        """As many as `of_account` finds."""
        return int(await self._lanes.quick.command("ZCARD", self._lanes.prefix + b"sessions-of:" + text(account_id)))

    async def page(self, *, account_id: str = "", kind: str = "", after: str = "", limit: int) -> list[Session]:
        if account_id:
            index = b"sessions-of:" + text(account_id)
            keep = (lambda session: session.kind == kind) if kind else None
            return await self._page(of.SESSIONS, index, limit, after=after, keep=keep)
        index = b"sessions-kind:" + text(kind) if kind else b"sessions"
        return await self._page(of.SESSIONS, index, limit, after=after)

    async def latest(
        self, *, everything: int, kind: str, before: tuple[float, str] | None = None, limit: int
    ) -> list[Session]:
        edge: tuple[Argument, Argument] = ("", "") if before is None else (number(before[0]), text(before[1]))
        index = of.seen_sessions(everything, kind)
        values = await self._lanes.slow.run(scripts.LATEST, index, of.SESSIONS.prefix, *edge, limit)
        return [of.SESSIONS.decode(value) for value in values if value]

    async def count_not_ended(self, *, everything: int, now: float, kind: str = "") -> int:
        kinds = [kind] if kind else list(SessionKind)
        counts = (self._count(of.open_sessions(everything, one), "(" + number(now)) for one in kinds)
        return sum(await asyncio.gather(*counts))

    async def count_seen(self, *, everything: int, kind: str, since: float) -> int:
        return await self._count(of.seen_sessions(everything, kind), number(since))

    async def touch(self, last_seen: Mapping[str, float]) -> None:
        seen = [(text(session_id), number(at)) for session_id, at in last_seen.items()]
        for start in range(0, len(seen), _PORTION):
            pairs = [part for pair in seen[start : start + _PORTION] for part in pair]
            await self._lanes.writer.run(scripts.TOUCH, of.SESSIONS.prefix, *pairs)

    async def purge(self, *, before: float) -> int:
        return await self._purge(of.SESSIONS, b"sessions-over", before)


class Throttles(_Part):
    """See the port."""

    async def get(self, throttle_id: str) -> Throttle | None:
        return await self._get(of.THROTTLES, throttle_id)

    async def purge(self, *, before: float) -> int:
        return await self._purge(of.THROTTLES, b"throttles-last", before)


class SigningKeys(_Part):
    """See the port."""

    async def all(self) -> list[SigningKey]:
        return await self._page(of.SIGNING_KEYS, b"keys", 2**31 - 1, lane=self._lanes.quick)


class Clients(_Part):
    """See the port."""

    async def get(self, client_id: str) -> Client | None:
        return await self._get(of.CLIENTS, client_id)

    async def page(self, *, after: str = "", limit: int) -> list[Client]:
        return await self._page(of.CLIENTS, b"clients", limit, after=after)


class SpentOnce(_Part):
    """See the port."""

    async def get(self, spent_id: str) -> Spent | None:
        return await self._get(of.SPENT, spent_id)

    async def purge(self, *, before: float) -> int:
        return await self._purge(of.SPENT, b"spent-until", before)


class Audit(_Part):
    """See the port."""

    async def page(
        self, *, account_id: str = "", event: str = "", session_id: str = "", before: str = "", limit: int
    ) -> list[AuditEvent]:
        given = {"session_id": session_id, "account_id": account_id, "event": event}
        wanted = {name: value for name, value in given.items() if value}
        index = b"events"
        for name, start in (("session_id", b"events-in:"), ("account_id", b"events-of:"), ("event", b"events-named:")):
            if name in wanted:
                index = start + text(wanted.pop(name))
                break

        def keep(found: AuditEvent) -> bool:
            return all(getattr(found, name) == value for name, value in wanted.items())

        return await self._page(of.AUDIT_EVENTS, index, limit, after=before, down=True, keep=keep if wanted else None)

    async def count_since(self, event: str, since: float) -> int:
        return await self._count(b"events-at:" + text(event), number(since))

    async def purge(self, *, before: float) -> int:
        return await self._purge(of.AUDIT_EVENTS, b"events-at", before)
