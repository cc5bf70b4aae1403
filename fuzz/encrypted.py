"""Encrypted tokens: one error for whatever is wrong beyond the envelope, and nothing inside is believed unsigned."""

import json
from collections.abc import Callable

from tests.unit.jose.forge import NOW, POLICY, b64, claims, header, raw_token
from tests.unit.jose.forge_encrypted import ENCS, KINDS, PLAINTEXT, forged, hidden, sender

from fuzz.tokens import BETWEEN, SECRET, members
from ostiary import jose

KEYS = [hidden(alg, crv) for alg, crv in KINDS]
CHEAP = [at for at, (alg, crv) in enumerate(KINDS) if alg in ("dir", "A128KW", "A256KW") or crv == "X25519"]
INNER = raw_token(header(SECRET), claims(), SECRET)


def judge(token: str, key: jose.EncryptionKey, plaintext: bytes | None = None) -> None:
    """`plaintext`: the only one that there may be."""
    try:
        found = jose.decrypt(token, key)
    except jose.TokenRejected:
        pass
    else:
        assert plaintext is None or found.plaintext == plaintext, "something else was decrypted"
        assert found.header["enc"] in key.encs
        assert found.header.alg == key.alg
    try:
        accepted = jose.verify_nested(token, key, SECRET, POLICY, NOW)
    except jose.TokenRejected:
        return
    assert dict(accepted) == claims(), "what nobody signed was believed"


def text(data: bytes) -> None:
    for at in CHEAP:
        judge(data.decode("utf-8", "surrogateescape"), KEYS[at])


def changed_header(data: bytes) -> None:
    key = KEYS[(data[0] if data else 0) % len(KEYS)]
    changes = members(data[1:])
    if changes is not None:
        judge(forged(key, raw_header=None, **{"x": 0, **_safe(changes)}), key)


def _safe(changes: dict[str, object]) -> dict[str, object]:
    """Without the names of `forged`'s own parameters."""
    taken = ("key", "plaintext", "using", "content_key", "encrypted_key", "raw_header")
    return {name: value for name, value in changes.items() if name not in taken}


def any_header(data: bytes) -> None:
    key = KEYS[CHEAP[(data[0] if data else 0) % len(CHEAP)]]
    judge(forged(key, raw_header=data[1:]), key)


def segments(data: bytes) -> None:
    """Encrypted key, IV, ciphertext and tag replaced where something is given for them."""
    key = KEYS[(data[0] if data else 0) % len(KEYS)]
    own = forged(key, using=ENCS[0] if key.alg == "dir" else ENCS[len(data) % len(ENCS)]).split(".")
    given = data[1:].split(BETWEEN)[:4]
    judge(".".join((own[0], *(b64(raw) if raw else was for raw, was in zip(
        (*given, *[b""] * (4 - len(given))), own[1:], strict=True)))), key, PLAINTEXT)  # fmt: skip


def inside(data: bytes) -> None:
    """Any plaintext in a good envelope."""
    key = KEYS[CHEAP[(data[0] if data else 0) % len(CHEAP)]]
    judge(jose.encrypt(data[1:1500], sender(key), cty="JWT"), key, data[1:1500])


FORMS: tuple[Callable[[bytes], None], ...] = (text, changed_header, any_header, segments, inside)


def one_input(data: bytes) -> None:
    if data:
        FORMS[data[0] % len(FORMS)](data[1:])


def seeds() -> list[bytes]:
    found = [b"\0" + jose.encrypt(INNER.encode(), sender(KEYS[at]), cty="JWT").encode() for at in CHEAP]
    changes = [
        b'{"epk":{"kty":"OKP","crv":"X25519","x":"AAAA"}}', b'{"apu":"AAAA","apv":"_w"}', b'{"zip":"DEF","crit":[]}',
        b'{"enc":"A128GCM","cty":"application/jwt","p2c":1}', json.dumps({"kid": "x", "alg": "dir"}).encode(),
    ]  # fmt: skip
    found += [bytes([1, at]) + change for at in range(len(KEYS)) for change in changes]
    found += [
        bytes([2, at]) + json.dumps({"alg": KEYS[one].alg, "enc": ENCS[0]}).encode() for at, one in enumerate(CHEAP)
    ]
    found += [bytes([3, at]) + BETWEEN.join((b"", b"\5" * 12, b"x" * 16, b"y" * 16)) for at in range(len(KEYS))]
    return [*found, b"\4\0" + INNER.encode(), b"\4\1" + jose.encrypt(INNER.encode(), sender(KEYS[0])).encode()]
