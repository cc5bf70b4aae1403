"""What a download server remembers, in a Valkey that several replicas share. Needs the extra `valkey`.

Each write is one script, so it happens whole or not at all, and keys carry one hash tag, so it also does in a cluster.
Marks go by themselves, on the server's clock; a key that could be so old is refused, by the latest time that this
Valkey has ever seen, so that no clock that is set back revives one.
"""

import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from ostiary import limits
from ostiary.domain.transfer import Piece, Transfer
from ostiary.downloads.state import Spending
from ostiary.errors import Misconfigured, Unavailable

log = logging.getLogger("ostiary.downloads")

_PREFIX = "{ostiary-downloads}:"
_LATEST = _PREFIX + "latest"

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local latest = tonumber(redis.call('GET', KEYS[1]) or '0')
if now > latest then
  latest = now
  redis.call('SET', KEYS[1], string.format('%.0f', now))
end
"""
_SPEND = (
    _NOW
    + """
local till = tonumber(ARGV[1])
if till <= latest then return -1 end
if not redis.call('SET', KEYS[2], '1', 'NX', 'PXAT', ARGV[1]) then return 0 end
redis.call('HSET', KEYS[3], 'resource', ARGV[2], 'expires_at', ARGV[3], 'version', '', 'sent', 0, 'finished', 0)
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1
"""
)
_WAS_SPENT = (
    _NOW
    + """
if tonumber(ARGV[1]) <= latest then return 1 end
return redis.call('EXISTS', KEYS[2])
"""
)
_NOTE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] or redis.call('LLEN', KEYS[2]) + #ARGV - 2 > tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[2])
end
redis.call('HSET', KEYS[1], 'version', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'sent', ARGV[3])
for i = 4, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
if #ARGV > 3 then redis.call('PEXPIRE', KEYS[2], math.max(1, redis.call('PTTL', KEYS[1]))) end
return 1
"""
_SET_FINISHED = """
if redis.call('HGET', KEYS[1], 'finished') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'finished', ARGV[1])
return 1
"""


class ValkeyState:
    """`url`: `valkey://`, `valkeys://` (TLS) or `unix://`, as the server's own clients take it."""

    def __init__(self, url: str) -> None:
        self._url = _client_url(url)
        self._client: Any = None

    async def open(self) -> None:
        """Connect. Raises Unavailable if nobody answers."""
        if self._client is not None:
            return
        try:
            from redis.asyncio import Redis
        except ImportError:
            raise Misconfigured("A Valkey needs the extra: pip install 'ostiary[valkey]'") from None
        try:
            self._client = Redis.from_url(self._url, socket_timeout=5.0, socket_connect_timeout=5.0, max_connections=64)
        except ValueError as wrong:
            raise Misconfigured(f"The Valkey URL cannot be used: {wrong}") from None
        try:
            await self.check()
            await self._warn_if_it_forgets()
        except BaseException:
            await self.close()
            raise

    async def _warn_if_it_forgets(self) -> None:
        """A Valkey that keeps nothing on disk forgets at its restart what was spent."""
        try:
            kept = await _guarded(self._client.config_get("appendonly"))
        except Unavailable:
            return  # managed ones do not tell
        if kept.get("appendonly", "yes") == "no":
            log.warning("this Valkey has appendonly = no: when it restarts, tokens that were spent can be used again")

    async def close(self) -> None:
        """May be repeated."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def check(self) -> None:
        """See the port."""
        await self._run(_WAS_SPENT, [_LATEST, _PREFIX + "check"], [_ms(10**12)])

    async def spend(self, key: bytes, *, until: float, now: float, handle: bytes, transfer: Transfer) -> Spending:
        """See the port."""
        life = transfer.expires_at - now + limits.SPENT_MARGIN_SECONDS
        outcome = await self._run(
            _SPEND,
            [_LATEST, _spent(key), _transfer(handle)],
            [_ms(until), transfer.resource, repr(transfer.expires_at), _ms(life)],
        )
        return {1: Spending.SPENT, 0: Spending.USED}.get(outcome, Spending.FORGOTTEN)

    async def was_spent(self, key: bytes, *, until: float) -> bool:
        """See the port."""
        return bool(await self._run(_WAS_SPENT, [_LATEST, _spent(key)], [_ms(until)]))

    async def transfer(self, handle: bytes) -> Transfer | None:
        """See the port."""
        pipe = self._connected().pipeline(transaction=True)
        pipe.hgetall(_transfer(handle))
        pipe.lrange(_pieces(handle), 0, -1)
        known, pieces = await _guarded(pipe.execute())
        if not known:
            return None
        return Transfer(
            resource=known[b"resource"].decode(),
            expires_at=float(known[b"expires_at"]),
            version=known[b"version"].decode(),
            sent=int(known[b"sent"]),
            finished=known[b"finished"] == b"1",
            pieces=tuple(Piece(*msgspec.json.decode(piece, type=tuple[int, int, bool])) for piece in pieces),
        )

    async def note(self, handle: bytes, *, version: str, pieces: Sequence[Piece], sent: int) -> Transfer | None:
        """See the port."""
        encoded = [msgspec.json.encode((piece.start, piece.stop, piece.whole)) for piece in pieces]
        arguments = [version, limits.TRANSFER_PIECES, sent, *encoded]
        if not await self._run(_NOTE, [_transfer(handle), _pieces(handle)], arguments):
            return None
        return await self.transfer(handle)

    async def finish(self, handle: bytes) -> bool:
        """See the port."""
        return bool(await self._run(_SET_FINISHED, [_transfer(handle)], ["1", "0"]))

    async def reopen(self, handle: bytes) -> None:
        """See the port."""
        await self._run(_SET_FINISHED, [_transfer(handle)], ["0", "1"])

    async def purge(self, *, now: float) -> int:  # noqa: ARG002 - keys go by themselves
        """See the port. What remains to be done is to note how late it is."""
        await self.check()
        return 0

    async def _run(self, script: str, keys: list[str], arguments: list[Any]) -> int:
        client = self._connected()
        outcome: int = await _guarded(client.eval(script, len(keys), *keys, *arguments))
        return outcome

    def _connected(self) -> Any:
        if self._client is None:
            raise Unavailable(private="the state is not open")
        return self._client


async def _guarded(awaitable: Any) -> Any:
    from redis.exceptions import RedisError

    try:
        return await awaitable
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(private=f"valkey: {type(error).__name__}") from error


def _client_url(url: str) -> str:
    """The client knows the same schemes under their older names."""
    for ours, theirs in (("valkeys://", "rediss://"), ("valkey://", "redis://")):
        if url.startswith(ours):
            return theirs + url.removeprefix(ours)
    if url.startswith(("redis://", "rediss://", "unix://")):
        return url
    raise Misconfigured("The Valkey URL begins with valkey:// or valkeys://")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def _spent(key: bytes) -> str:
    return f"{_PREFIX}spent:{key.hex()}"


def _transfer(handle: bytes) -> str:
    return f"{_PREFIX}transfer:{handle.hex()}"


def _pieces(handle: bytes) -> str:
    return f"{_PREFIX}pieces:{handle.hex()}"
