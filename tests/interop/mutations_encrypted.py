"""Encrypted tokens by chance, from a seed: good ones, and good ones with a fault somewhere."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.interop.mutations import ALPHABET, VALUES
from tests.unit.jose.forge import b64, unb64
from tests.unit.jose.forge_encrypted import ENCS, KINDS, forged, hidden, sender, with_segment

from ostiary import jose

HEADERS = ("alg", "enc", "kid", "typ", "cty", "zip", "crit", "epk", "apu", "apv", "p2c", "p2s", "iv", "tag", "jwk", "x")


class EncryptedCase(NamedTuple):
    """`name` tells keys apart; `kind` names the mutator."""

    name: str
    key: jose.EncryptionKey
    kind: str
    token: str


def generate(seed: int, count: int) -> Iterator[EncryptedCase]:
    chance = random.Random(seed)
    for _ in range(count):
        alg, crv = chance.choice(KINDS)
        enc = chance.choice(ENCS)
        key = hidden(alg, crv, enc) if alg == "dir" else hidden(alg, crv)
        name = f"{alg} {crv} {enc if alg == 'dir' else ''}"
        mutate = chance.choice(MUTATORS)
        yield EncryptedCase(name, key, mutate.__name__, mutate(chance, key, enc))


def good(chance: random.Random, key: jose.EncryptionKey, enc: str) -> str:
    text = chance.randbytes(chance.randrange(200))
    parties = {"apu": b64(b"Alice"), "apv": b64(b"Bob")} if key.alg.startswith("ECDH") and chance.randrange(2) else {}
    return jose.encrypt(text, sender(key), enc=enc, cty=chance.choice((None, "JWT")), headers=parties)


def other_header(chance: random.Random, key: jose.EncryptionKey, enc: str) -> str:
    """Authenticated as it stands: only what it says is wrong."""
    changes: dict[str, Any] = {chance.choice(HEADERS): chance.choice((*VALUES, ...)) for _ in range(2)}
    return forged(key, using=enc, **changes)


def other_ephemeral(chance: random.Random, key: jose.EncryptionKey, enc: str) -> str:
    if not key.alg.startswith("ECDH"):
        return other_segment(chance, key, enc)
    head, *rest = good(chance, key, enc).split(".")
    members = json.loads(unb64(head))
    epk = members["epk"]
    coordinate = chance.choice([name for name in ("x", "y") if name in epk])
    raw = bytearray(unb64(epk[coordinate]))
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    changed = chance.choice((
        {coordinate: b64(bytes(raw))}, {coordinate: ""}, {coordinate: epk[coordinate] + "="}, {"crv": "P-256"},
        {"crv": "X25519"}, {"kty": "oct"}, {"d": epk["x"]}, {coordinate: b64(bytes(len(raw)))}, {"x": 1}, {"kid": "x"},
    ))  # fmt: skip
    members["epk"] = {**epk, **changed}
    return ".".join((b64(json.dumps(members).encode()), *rest))


def other_segment(chance: random.Random, key: jose.EncryptionKey, enc: str) -> str:
    token = good(chance, key, enc)
    place = chance.randrange(1, 5)
    raw = unb64(token.split(".")[place])
    if not raw:
        return with_segment(token, place, chance.randbytes(chance.choice((1, 16, 40))))
    at = chance.randrange(len(raw))
    return with_segment(token, place, chance.choice((
        raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :], raw[:at], raw + b"\0", b"", raw[::-1],
        raw[:-1], raw[:8], raw + raw, bytes(len(raw)), b64(raw) + "=", b64(raw)[:-1], b64(raw) + "\n",
    )))  # fmt: skip


def other_text(chance: random.Random, key: jose.EncryptionKey, enc: str) -> str:
    token = good(chance, key, enc)
    at = chance.randrange(len(token))
    return token[:at] + chance.choice(ALPHABET) + token[at + chance.randrange(2) :]


def another_key(chance: random.Random, key: jose.EncryptionKey, enc: str) -> str:
    alg, crv = chance.choice(KINDS)
    other = hidden(alg, crv, enc, 1)
    return good(chance, other, enc if enc in other.encs else other.encs[0])


MUTATORS: tuple[Callable[[random.Random, jose.EncryptionKey, str], str], ...] = (
    good, other_header, other_ephemeral, other_segment, other_text, another_key,
)  # fmt: skip
