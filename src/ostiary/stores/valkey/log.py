"""The revocation log in Valkey: a stream whose ids are positions, and a channel that tells what is new."""

import secrets
import struct

from ostiary.revocation.entry import Cursor, Entry, LogItem, Probe, Scope
from ostiary.stores.valkey import scripts
from ostiary.stores.valkey.parts import Lanes
from ostiary.stores.valkey.records import number, text

_PORTION = 500  # items of one step of a purge
_NONCES = 2**53 - 1  # what JSON carries everywhere
_ITEM = struct.Struct(">Q")
_ENTRY = struct.Struct(">cqd")


def new_nonce() -> int:
    """Tells two logs, or two items that stood at one position, apart."""
    return 1 + secrets.randbelow(_NONCES)


def encode_entry(entry: Entry) -> bytes:
    """Scope, value, until, id. Raises InvalidRequest for what cannot be stored."""
    return _ENTRY.pack(entry.scope.value.encode(), entry.value, entry.until) + text(entry.id)


def decode_entry(packed: bytes) -> Entry:
    scope, value, until = _ENTRY.unpack_from(packed)
    return Entry(scope=Scope(scope.decode()), id=packed[_ENTRY.size :].decode(), value=value, until=until)


def encode_item(entry: Entry) -> tuple[bytes, str]:
    """What the log holds of an entry, with a nonce of its own before it; and until when, as a score."""
    return _ITEM.pack(new_nonce()) + encode_entry(entry), number(entry.until)


class Revocations:
    """See the port."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        begins = b""
        if cursor != Cursor():
            if not (0 < cursor.position < 2**63 and 0 <= cursor.nonce < 2**63):
                cursor = Cursor(position=0, nonce=1)  # no item stands there
            begins = _ITEM.pack(cursor.nonce)
        generation, matches, more, told = await self._lanes.log.run(
            scripts.PROBE, cursor.position, begins, limit, new_nonce(), node
        )
        if not matches:
            return Probe(generation=int(generation), matches=False, items=(), complete=False)
        items = tuple(
            LogItem(
                position=int(position[:-2]),  # an id of a stream: "<position>-0"
                nonce=_ITEM.unpack_from(item)[0],
                entry=decode_entry(item[_ITEM.size :]),
            )
            for position, item in zip(told[::2], told[1::2], strict=True)
        )
        return Probe(generation=int(generation), matches=True, items=items, complete=not more)

    async def changed(self) -> bool:
        return True

    async def purge(self, *, before: float) -> int:
        gone = 0
        while now_gone := await self._lanes.writer.run(scripts.PURGE_LOG, number(before), _PORTION):
            gone += now_gone
        return gone
