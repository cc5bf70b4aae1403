"""What a download server remembers, in a Valkey that several replicas share. Needs the extra `valkey`.

Each write is one script, so it happens whole or not at all; all keys lie in one slot, so it also does in a cluster.
Marks are one sorted set, by how long they must be kept. What is purged raises the time up to which marks may be gone,
in the same script; so no clock that is set back, and no replica's clock that is ahead, revives one.
"""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from ostiary import limits
from ostiary.domain.transfer import Piece, Transfer
from ostiary.downloads.state import Spending
from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.valkey.lanes import Argument, Lane
from ostiary.stores.valkey.scripts import Script
from ostiary.stores.valkey.topology import Topology
from ostiary.stores.valkey_url import parse

log = logging.getLogger("ostiary.downloads")


def _script(text: str, *, reads: bool = False) -> Script:
    """The one key is the prefix of all of them; `name(kind, id)` makes the others."""
    text = (
        f"#!lua{' flags=no-writes' if reads else ''}\n"
        "local SPENT, FORGOTTEN = KEYS[1] .. 'downloads:spent', KEYS[1] .. 'downloads:forgotten'\n"
        "local function name(kind, id) return KEYS[1] .. 'downloads:' .. kind .. ':' .. id end\n" + text
    )
    return Script(text=text, digest=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), reads=reads)


_CHECK = _script("redis.call('SET', KEYS[1] .. 'downloads:checked', '1', 'PX', 60000)\nreturn 1")
_SPEND = _script(
    """
local key, till, handle, resource, expires_at, life = unpack(ARGV)
if tonumber(till) <= tonumber(redis.call('GET', FORGOTTEN) or '0') then return -1 end
if redis.call('ZADD', SPENT, 'NX', till, key) == 0 then return 0 end
local transfer = name('transfer', handle)
redis.call('HSET', transfer, 'resource', resource, 'expires_at', expires_at, 'version', '', 'sent', 0, 'finished', 0)
redis.call('PEXPIRE', transfer, life)
return 1
"""
)
_WAS_SPENT = _script(
    """
if tonumber(ARGV[2]) <= tonumber(redis.call('GET', FORGOTTEN) or '0') then return 1 end
return redis.call('ZSCORE', SPENT, ARGV[1]) and 1 or 0
""",
    reads=True,
)
_PURGE = _script(
    """
local last = redis.call('ZREVRANGEBYSCORE', SPENT, ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
if last and tonumber(last) > tonumber(redis.call('GET', FORGOTTEN) or '0') then redis.call('SET', FORGOTTEN, last) end
return redis.call('ZREMRANGEBYSCORE', SPENT, '-inf', ARGV[1])
"""
)
_TRANSFER = _script(
    """
local found = redis.call('HMGET', name('transfer', ARGV[1]), 'resource', 'expires_at', 'version', 'sent', 'finished')
if not found[1] then return false end
return {found, redis.call('LRANGE', name('pieces', ARGV[1]), 0, -1)}
""",
    reads=True,
)
_NOTE = _script(
    """
local handle, version, most, sent = unpack(ARGV, 1, 4)
local transfer, pieces = name('transfer', handle), name('pieces', handle)
if redis.call('EXISTS', transfer) == 0 then return 0 end
if redis.call('HGET', transfer, 'version') ~= version or redis.call('LLEN', pieces) + #ARGV - 4 > tonumber(most) then
  redis.call('DEL', pieces)
end
redis.call('HSET', transfer, 'version', version)
redis.call('HINCRBY', transfer, 'sent', sent)
for i = 5, #ARGV do redis.call('RPUSH', pieces, ARGV[i]) end
if #ARGV > 4 then redis.call('PEXPIRE', pieces, math.max(1, redis.call('PTTL', transfer))) end
return 1
"""
)
_SET_FINISHED = _script(
    """
local transfer = name('transfer', ARGV[1])
if redis.call('HGET', transfer, 'finished') ~= ARGV[3] then return 0 end
redis.call('HSET', transfer, 'finished', ARGV[2])
return 1
"""
)


class ValkeyState:
    """`url`: one server, a cluster, or what sentinels name, as the setting `valkey` of the auth server takes it. Two
    connections: one writes, and waits for as many replicas as the URL demands, and one reads."""

    def __init__(self, url: str) -> None:
        try:
            self._address = parse(url)
        except ValueError as wrong:
            raise Misconfigured(f"The Valkey URL {wrong}.") from None
        self._lanes: tuple[Lane, Lane] | None = None

    async def open(self) -> None:
        """Connect. Raises Unavailable if nobody answers, Misconfigured if it may forget what is asked of it."""
        if self._lanes is not None:
            return
        topology, replicas = Topology(self._address), self._address.replicas
        confirm: tuple[Argument, ...] = ("WAIT", replicas, int(self._address.timeout * 500)) if replicas else ()
        self._lanes = (
            Lane("downloads-write", topology, batch=limits.STORE_BATCH, confirm=confirm, confirmed=replicas),
            Lane("downloads-read", topology, batch=limits.STORE_BATCH),
        )
        try:
            await self._look()
        except BaseException:
            await self.close()
            raise

    async def _look(self) -> None:
        await self.check()
        memory, persistence = [await self._lane(1).command("INFO", part) for part in ("memory", "persistence")]
        if b"maxmemory_policy:" in memory and b"maxmemory_policy:noeviction" not in memory:
            raise Misconfigured(
                "This Valkey may evict keys, and with them what was spent: set its maxmemory-policy to noeviction"
            )
        if b"aof_enabled:0" in persistence:
            log.warning("this Valkey has appendonly = no: when it restarts, tokens that were spent can be used again")

    async def close(self) -> None:
        """May be repeated."""
        lanes, self._lanes = self._lanes, None
        for lane in lanes or ():
            await lane.close()

    async def check(self) -> None:
        """See the port."""
        await self._lane(0).run(_CHECK)

    async def spend(self, key: bytes, *, until: float, now: float, handle: bytes, transfer: Transfer) -> Spending:
        """See the port."""
        life = transfer.expires_at - now + limits.SPENT_MARGIN_SECONDS
        outcome = await self._lane(0).run(
            _SPEND, key.hex(), _ms(until), handle.hex(), transfer.resource, repr(transfer.expires_at), _ms(life)
        )
        return {1: Spending.SPENT, 0: Spending.USED}.get(outcome, Spending.FORGOTTEN)

    async def was_spent(self, key: bytes, *, until: float) -> bool:
        """See the port."""
        return bool(await self._lane(1).run(_WAS_SPENT, key.hex(), _ms(until)))

    async def transfer(self, handle: bytes) -> Transfer | None:
        """See the port."""
        found: Any = await self._lane(1).run(_TRANSFER, handle.hex())
        if not found:
            return None
        (resource, expires_at, version, sent, finished), pieces = found
        return Transfer(
            resource=resource.decode(),
            expires_at=float(expires_at),
            version=version.decode(),
            sent=int(sent),
            finished=finished == b"1",
            pieces=tuple(Piece(*msgspec.json.decode(piece, type=tuple[int, int, bool])) for piece in pieces),
        )

    async def note(self, handle: bytes, *, version: str, pieces: Sequence[Piece], sent: int) -> Transfer | None:
        """See the port."""
        encoded = [msgspec.json.encode((piece.start, piece.stop, piece.whole)) for piece in pieces]
        if not await self._lane(0).run(_NOTE, handle.hex(), version, limits.TRANSFER_PIECES, sent, *encoded):
            return None
        return await self.transfer(handle)

    async def finish(self, handle: bytes) -> bool:
        """See the port."""
        return bool(await self._lane(0).run(_SET_FINISHED, handle.hex(), 1, 0))

    async def reopen(self, handle: bytes) -> None:
        """See the port."""
        await self._lane(0).run(_SET_FINISHED, handle.hex(), 0, 1)

    async def purge(self, *, now: float) -> int:
        """See the port. Transfers go by themselves."""
        return int(await self._lane(0).run(_PURGE, _ms(now)))

    def _lane(self, number: int) -> Lane:
        if self._lanes is None:
            raise Unavailable(private="the state is not open")
        return self._lanes[number]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"
