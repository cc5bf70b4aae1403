"""Tokens by chance, from a seed: good ones, and good ones with every kind of fault that we could think of.

Nearly all are signed with the right key whatever they say, so that a fault is judged for what it is.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.unit.jose.forge import AUDIENCE, ISSUER, NOW, b64, claims, header, key, raw_token, resign, unb64

from ostiary import jose

ALGS = ("HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "PS384", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
SIGNERS = {alg: key(alg) for alg in ALGS}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\té\0"
NUMBERS = (0, 1, -1, 0.5, -0.0, 1e10, 1e400, NOW, int(NOW), NOW + 29, NOW + 31, NOW - 1, int(NOW) + 1, NOW * 1000,
           10**12, 10**12 - 1, 2**53 + 1, 2**64, 10**30)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, "", "x", [], {}, [[]], [None], {"a": {"b": [1, {"c": 2}]}}, str(int(NOW) + 300), AUDIENCE,
    ISSUER, f"{ISSUER}/", AUDIENCE.upper(), [AUDIENCE], ["x", AUDIENCE], [AUDIENCE, 1], {AUDIENCE: 1}, "at+jwt", "JWT",
    "application/at+jwt", "AT+JWT", "HS256", "none", "RS256", ["exp"], "\u0000", "张三", "\U0001f600", *NUMBERS,
)  # fmt: skip
CLAIMS = ("iss", "aud", "exp", "nbf", "iat", "sub", "jti", "auth_time", "x", "role")
HEADERS = ("alg", "typ", "kid", "cty", "crit", "b64", "zip", "jwk", "jku", "x5u", "x5c", "x5t", "x", "enc", "exp")


class Case(NamedTuple):
    """`kind` names the mutator."""

    alg: str
    kind: str
    token: str


def generate(seed: int, count: int) -> Iterator[Case]:
    chance = random.Random(seed)
    for _ in range(count):
        alg = chance.choice(ALGS)
        mutate = chance.choice(MUTATORS)
        yield Case(alg, mutate.__name__, mutate(chance, SIGNERS[alg]))


def good(chance: random.Random, signer: jose.Key) -> str:
    """Other claims in another order, nothing wrong."""
    extra = {f"c{at}": chance.choice(VALUES[:8]) for at in range(chance.randrange(4))}
    members = claims(jti=str(chance.random()), nbf=int(NOW) - chance.randrange(100), **extra)
    if chance.randrange(2):
        members["aud"] = chance.sample([AUDIENCE, "https://other.example", ISSUER], 3)
    order = chance.sample(list(members), len(members))
    return raw_token(header(signer), {name: members[name] for name in order}, signer)


def other_claim(chance: random.Random, signer: jose.Key) -> str:
    changes = {chance.choice(CLAIMS): chance.choice((*VALUES, ...)) for _ in range(chance.randrange(1, 3))}
    return raw_token(header(signer), claims(**changes), signer)


def other_date(chance: random.Random, signer: jose.Key) -> str:
    return raw_token(header(signer), claims(**{chance.choice(("exp", "nbf", "iat")): chance.choice(NUMBERS)}), signer)


def other_header(chance: random.Random, signer: jose.Key) -> str:
    changes = {chance.choice(HEADERS): chance.choice((*VALUES, ...)) for _ in range(chance.randrange(1, 3))}
    return raw_token(header(signer, **changes), claims(), signer)


def other_key(chance: random.Random, signer: jose.Key) -> str:
    """Signed with a key that is not the verifier's, or under the name of an algorithm that is not the key's."""
    foreign = SIGNERS[chance.choice(ALGS)] if chance.randrange(2) else key(signer.alg, 1)
    return raw_token(header(signer if chance.randrange(2) else foreign), claims(), foreign)


def other_signature(chance: random.Random, signer: jose.Key) -> str:
    head, body, tail = _plain(signer).split(".")
    raw = unb64(tail)
    at = chance.randrange(len(raw))
    changed = chance.choice((
        raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :], raw[:at], raw + b"\0", b"\0" + raw,
        raw[::-1], b"\0" * len(raw), b"\xff" * len(raw), raw[len(raw) // 2 :] + raw[: len(raw) // 2], raw + raw, b"",
        raw.lstrip(b"\0"), b"\x30\x45\x02\x20" + raw[:32] + b"\x02\x21\0" + raw[32:],
    ))  # fmt: skip
    return f"{head}.{body}.{b64(changed)}"


def other_spelling(chance: random.Random, signer: jose.Key) -> str:
    """The same JSON in other bytes: spaces, escapes, a mark, another encoding, a member twice, something after it."""
    members = claims(sub="a/é")
    text = json.dumps(members)
    spelled = chance.choice((
        text.encode(), json.dumps(members, indent=2).encode(), json.dumps(members, ensure_ascii=False).encode(),
        b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16"), text.encode("utf-32-le"), text.encode() + b" ",
        b"\n\t " + text.encode(), text.encode() + b"x", text.encode() + b"\0", text.encode() + text.encode(),
        text.replace("{", '{"sub":"b",', 1).encode(), text.replace("/", "\\/").encode(),
        text.replace('"exp"', '"\\u0065xp"').encode(), text.replace("{", '{"\\u0073ub":"b",', 1).encode(),
        text.replace("}", ',"x":{"a":1,"a":1}}').encode(), text.replace('"a/', '"\\ud800/').encode(),
        text.replace("}", ',"x":NaN}').encode(), text.replace("}", ',"x":1e5}').encode(),
        text.replace("}", ',"x":01}').encode(), text.replace("}", ",}").encode(), text.replace('"', "'").encode(),
        json.dumps([members]).encode(), json.dumps(text).encode(), b"", b"null", b"{}", text.encode("latin-1")[:-9],
        ('{"x":' + "[" * (deep := chance.randrange(1, 40)) + "]" * deep + "," + text[1:]).encode(),
        json.dumps(claims(sub="a/é"), ensure_ascii=False).encode("latin-1"),
    ))  # fmt: skip
    if chance.randrange(4):
        return raw_token(header(signer), spelled, signer)
    head = json.dumps(header(signer)).encode()
    return raw_token(chance.choice((head + b" ", b"\xef\xbb\xbf" + head, head.replace(b"{", b'{"alg":"none",', 1),
                                    head.decode().encode("utf-16"), head.replace(b"at+jwt", b"\\u0061t+jwt"))),
                     claims(), signer)  # fmt: skip


def other_json(chance: random.Random, signer: jose.Key) -> str:
    """A character of the payload or the header replaced, inserted or taken out."""
    parts = [json.dumps(header(signer)), json.dumps(claims())]
    which = chance.randrange(2)
    text = parts[which]
    at = chance.randrange(len(text))
    parts[which] = text[:at] + chance.choice('"{}[]:,0 \\-.e\x01é') + text[at + chance.randrange(2) :]
    return raw_token(parts[0].encode(), parts[1].encode(), signer)


def other_segments(chance: random.Random, signer: jose.Key) -> str:
    token, other = _plain(signer), good(chance, signer)
    head, body, tail = token.split(".")
    spare = body[:-1] + chr(ord(body[-1]) + 1)
    return chance.choice((
        f"{head}.{body}", f"{head}.{body}.", f".{body}.{tail}", f"{head}..{tail}", f"{token}.", f".{token}",
        f"{token}.{tail}", f"{head}.{other.split('.')[1]}.{tail}", f"{head}.{body}.{other.split('.')[2]}",
        f"{head}={'.'}{body}.{tail}", resign(f"{head}.{body}=", signer), resign(f"{head}.{body}==", signer),
        f"{token}=", f"{token}==", f" {token}", f"{token}\n", resign(f"{head}\n.{body}", signer),
        resign(f"{head}.{spare}", signer), resign(f"{head}.{body[:20]}\n{body[20:]}", signer),
        f"{head}.{body}.{tail[:-1]}{chr(ord(tail[-1]) + 1)}", token.replace("-", "+").replace("_", "/"), token + token,
        resign(f"{head}.{b64(b'~~~???' * 3)}", signer), resign(f"{head}.{body}A", signer), "", ".", "..", "a.b.c",
        json.dumps({"protected": head, "payload": body, "signature": tail}), f"Bearer {token}", token.lower(),
    ))  # fmt: skip


def other_text(chance: random.Random, signer: jose.Key) -> str:
    """A character of the token replaced, inserted or taken out; under a new signature now and then."""
    token = _plain(signer)
    at = chance.randrange(len(token))
    changed = token[:at] + chance.choice(ALPHABET) + token[at + chance.randrange(2) :]
    signed = changed.rpartition(".")[0]
    return resign(signed, signer) if signed.isascii() and chance.randrange(3) else changed


def _plain(signer: jose.Key) -> str:
    return raw_token(header(signer), claims(), signer)


MUTATORS: tuple[Callable[[random.Random, jose.Key], str], ...] = (
    good, other_claim, other_date, other_header, other_key, other_signature, other_spelling, other_json, other_segments,
    other_text,
)  # fmt: skip
