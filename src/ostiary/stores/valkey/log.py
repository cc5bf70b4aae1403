"""The revocation log in Valkey: a stream whose ids are positions, and a channel that tells what is new."""

import asyncio
import contextlib
import math
import secrets
import struct
from collections.abc import AsyncIterator, Iterator

from ostiary import limits
from ostiary.errors import InvalidRequest
from ostiary.revocation.entry import LOOK, Cursor, Entry, Hint, LogItem, Node, Probe, Scope, bulk
from ostiary.stores.valkey import scripts
from ostiary.stores.valkey.listening import listen
from ostiary.stores.valkey.parts import Lanes
from ostiary.stores.valkey.records import number, text
from ostiary.stores.valkey.topology import Topology

_PORTION = 500  # items of one step of a purge
_BLOCK = 4096  # positions of what the scripts pack together
_ELSEWHERE = b"\xff" * 22
_LATEST = 2.0**53  # seconds
_NONCES = 2**53 - 1  # what JSON carries everywhere
_ITEM = struct.Struct(">Q")  # its nonce; the entry follows
_LENGTH = struct.Struct(">H")
_SCOPES = {scope.value.encode(): scope for scope in Scope}
_ENTRY = struct.Struct(">cqd")


def new_nonce() -> int:
    """Tells two logs, or two items that stood at one position, apart."""
    return 1 + secrets.randbelow(_NONCES)


def encode_entry(entry: Entry) -> bytes:
    """Scope, value, until, id. Raises InvalidRequest for what cannot be stored."""
    try:
        return _ENTRY.pack(entry.scope.value.encode(), entry.value, entry.until) + text(entry.id)
    except struct.error:
        raise InvalidRequest("A text or a number cannot be stored.") from None


def decode_entry(packed: bytes) -> Entry:
    scope, value, until = _ENTRY.unpack_from(packed)
    return Entry(scope=_SCOPES[scope], id=packed[_ENTRY.size :].decode(), value=value, until=until)


def encode_item(entry: Entry) -> tuple[bytes, str]:
    """What the log holds of an entry, with a nonce of its own before it; and until when, as a score."""
    return _ITEM.pack(new_nonce()) + encode_entry(entry), number(entry.until)


class Revocations:
    """See the port."""

    def __init__(self, lanes: Lanes, topology: Topology) -> None:
        self._lanes = lanes
        self._topology = topology

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        generation, matches, more, told = await self._lanes.log.run(
            scripts.PROBE, *_where(cursor), limit, new_nonce(), node
        )
        if not matches:
            return Probe(generation=int(generation), matches=False, items=(), complete=False)
        return Probe(generation=int(generation), matches=True, items=tuple(_items(told)), complete=not more)

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        """A block of the log is one group, which is kept as long as its last: what ended together expires together."""
        blocks = limits.CATCH_UP_ITEMS // _BLOCK
        found = await self._lanes.log.run(scripts.CATCH_UP, *_where(cursor), blocks)
        if found is None:
            return None
        generation, (name, item), told, packed = found
        groups = [
            (math.ceil(min(float(until), _LATEST)), ids)
            for until, block in zip(packed[::2], packed[1::2], strict=True)
            if (ids := block.replace(_ELSEWHERE, b""))
        ]
        reached = Cursor(position=_position(name), nonce=_nonce(item))
        return bulk(int(generation), reached, groups, list(_items(told)))

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        return bool(await self._lanes.log.run(scripts.ACKNOWLEDGE, *_where(cursor), node))

    async def hints(self) -> AsyncIterator[Hint]:
        channel = self._topology.address.channel
        async with contextlib.aclosing(listen(self._topology, channel)) as messages:
            async for message in messages:
                yield heard(message) if message else LOOK

    async def head(self) -> Cursor:
        newest = await self._lanes.log.command("XREVRANGE", self._log, "+", "-", "COUNT", 1)
        if not newest:
            return Cursor()
        name, (_, item) = newest[0]
        return Cursor(position=_position(name), nonce=_nonce(item))

    async def nudge(self) -> None:
        await self._lanes.log.command("SPUBLISH", self._topology.address.channel, b"")

    async def pause(self, seconds: float, *, nodes: int) -> None:  # noqa: ARG002 - nobody tells
        await asyncio.sleep(seconds)

    async def behind(self, cursor: Cursor, *, within: float) -> int | None:
        found = await self._lanes.log.run(scripts.BEHIND, *_where(cursor), number(within))
        return None if found is None else int(found)

    async def describe(self, node: str, description: str) -> None:
        await self._lanes.log.run(scripts.DESCRIBE, node, text(description))

    async def nodes(self, *, within: float, limit: int) -> list[Node]:
        found = await self._lanes.log.run(scripts.NODES, number(within), limit)
        return [
            Node(
                name=name.decode(),
                silent=max(0.0, float(silent)),
                acknowledged=int(acknowledged or 0),
                description=(description or b"").decode(),
            )
            for name, silent, acknowledged, description in found
        ]

    async def leave(self, node: str) -> None:
        await self._lanes.log.run(scripts.LEAVE, node)

    async def purge(self, *, before: float) -> int:
        gone = 0
        while now_gone := await self._lanes.writer.run(scripts.PURGE_LOG, number(before), _PORTION):
            gone += now_gone
        return gone

    @property
    def _log(self) -> bytes:
        return self._lanes.prefix + b"log"


def _where(cursor: Cursor) -> tuple[int, bytes]:
    """A cursor as scripts take it: its position, and how its item begins."""
    if cursor == Cursor():
        return 0, b""
    if not (0 < cursor.position < 2**63 and 0 <= cursor.nonce < 2**63):
        return 0, _ITEM.pack(0)  # no item stands there
    return cursor.position, _ITEM.pack(cursor.nonce)


def _items(told: list[bytes]) -> Iterator[LogItem]:
    for name, item in zip(told[::2], told[1::2], strict=True):
        yield LogItem(position=_position(name), nonce=_nonce(item), entry=decode_entry(item[_ITEM.size :]))


def _position(name: bytes) -> int:
    return int(name[:-2])  # an id of a stream: "<position>-0"


def _nonce(item: bytes) -> int:
    return int(_ITEM.unpack_from(item)[0])


def heard(message: bytes) -> Hint:
    """What a message says; `LOOK`, if another version wrote it."""
    try:
        return _hint(message)
    except (ValueError, IndexError, KeyError, struct.error):
        return LOOK


def _hint(message: bytes) -> Hint:
    """Id and nonce of the item that these follow, if there is one; the id of the last; and then what is stored of each,
    nonce and all."""
    before, at = _told(message, 0)
    after = Cursor()
    if before:
        after = Cursor(position=_position(before), nonce=_nonce(message[at : at + _ITEM.size]))
        at += _ITEM.size
    last, at = _told(message, at)
    items = []
    while at < len(message):
        item, at = _told(message, at)
        items.append(item)
    return Hint(
        entries=tuple(decode_entry(item[_ITEM.size :]) for item in items),
        after=after,
        reached=Cursor(position=_position(last), nonce=_nonce(items[-1])),
    )


def _told(message: bytes, at: int) -> tuple[bytes, int]:
    """What stands there behind its length, and where that ends."""
    end = at + 2 + _LENGTH.unpack_from(message, at)[0]
    return message[at + 2 : end], end
