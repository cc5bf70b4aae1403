"""Signed tokens: whatever comes, our own errors and nothing else; and what is accepted is what it seems to be.

The first byte of an input chooses how the rest becomes a token, so that the fuzzer need not find out how to sign.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.unit.jose.forge import NOW, POLICY, b64, claims, header, key, raw_token, resign, unb64

from ostiary import jose
from ostiary.jose.header import NEVER_ACCEPTED

SECRET = key("HS256")
SIGNERS = [key(alg) for alg in ("HS256", "HS512", "ES256", "ES512", "EdDSA", "RS256", "PS256")]
KEYS = jose.KeySet([SECRET, key("HS512")])
PUBLISHED = jose.KeySet(signer.public() for signer in SIGNERS[2:6])  # PS256 has the numbers of RS256
BETWEEN = b"\x1e"


def judge(token: str, signer: jose.Key) -> None:
    """Every entry point. What is accepted must be so for the reasons that the standard library sees too."""
    accepted = None
    for keys in (signer, KEYS, PUBLISHED):
        with suppress(jose.TokenRejected):
            accepted = jose.verify(token, keys, POLICY, now=NOW)
    for alg in ("ES256", "EdDSA", "RS256"):
        with suppress(jose.TokenRejected):
            jose.verify_proof(token, typ="dpop+jwt", algorithms=(alg,))
    try:
        seen = jose.decode_unverified(token)
    except jose.MalformedToken:
        assert accepted is None, "what cannot be read was accepted"
        return
    if accepted is not None:
        check(token, accepted, seen)


def check(token: str, accepted: jose.Claims, seen: jose.Unverified) -> None:
    segments = token.split(".")
    assert [b64(unb64(segment)) for segment in segments] == segments, "another spelling of the same bytes was accepted"
    head, body = (json.loads(unb64(segment), object_pairs_hook=once) for segment in segments[:2])
    assert dict(accepted) == body == seen.claims
    assert dict(accepted.header) == head == seen.header
    assert NEVER_ACCEPTED.isdisjoint(head)
    assert head["typ"].lower().removeprefix("application/") == "at+jwt"
    assert body["iss"] == POLICY.issuer
    audience = body["aud"] if isinstance(body["aud"], list) else [body["aud"]]
    assert POLICY.audience[0] in audience
    assert type(body["exp"]) in (int, float)
    assert body["exp"] > NOW
    for name in ("nbf", "iat"):
        assert type(body.get(name, 0)) in (int, float)
        assert body.get(name, 0) <= NOW + POLICY.leeway


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a member that is there twice was accepted"
    return dict(pairs)


def members(text: bytes) -> dict[str, Any] | None:
    """The text as a JSON object, as the standard library reads it: NaN, UTF-16 and doubles included."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def text(data: bytes) -> None:
    judge(data.decode("utf-8", "surrogateescape"), SECRET)


def signed_bytes(data: bytes) -> None:
    head, _, body = data.partition(BETWEEN)
    judge(raw_token(head, body, SECRET), SECRET)


def signed_payload(data: bytes) -> None:
    judge(raw_token(header(SECRET), data, SECRET), SECRET)


def signed_header(data: bytes) -> None:
    judge(raw_token(data, claims(), SECRET), SECRET)


def changed_claims(data: bytes) -> None:
    changes = members(data)
    if changes is not None:
        judge(raw_token(header(SECRET), claims(**{"iat": 0, **changes}), SECRET), SECRET)


def changed_header(data: bytes) -> None:
    changes = members(data)
    if changes is not None:
        signer = SIGNERS[len(data) % len(SIGNERS)]
        judge(raw_token({**header(signer), **changes}, claims(), signer), signer)


def signature(data: bytes) -> None:
    """Any bytes as the signature: none is right unless it is the one that the key makes, or one equal to it."""
    signer = SIGNERS[(data[0] if data else 0) % len(SIGNERS)]
    token = raw_token(header(signer), claims(), signer)
    forged = f"{token.rpartition('.')[0]}.{b64(data[1:])}"
    try:
        jose.verify(forged, signer, POLICY, now=NOW)
    except jose.TokenRejected:
        return
    assert signer.alg in ("ES256", "ES512", "PS256") or forged == token, "a signature that nobody made was accepted"


def proof(data: bytes) -> None:
    signer = SIGNERS[2]
    public = {name: value for name, value in signer.to_jwk().items() if name in ("kty", "crv", "x", "y")}
    changes = members(data) or {}
    head = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public, **changes}
    token = raw_token(head, claims(), signer)
    with suppress(jose.TokenRejected):
        found = jose.verify_proof(token, typ="dpop+jwt", algorithms=("ES256", "EdDSA", "RS256"))
        assert found.key.thumbprint() == signer.thumbprint(), "the proof of another key was accepted"
        assert not found.key.private


def signing(data: bytes) -> None:
    """What we agree to sign, we can read."""
    changes = members(data)
    try:
        token = jose.sign(changes, SECRET)  # type: ignore[arg-type]
    except jose.Unsignable:
        return
    assert jose.decode_unverified(token).claims == changes


def resigned(data: bytes) -> None:
    """Segments as they come, under a good signature."""
    judge(resign(data.decode("latin-1").encode("ascii", "ignore").decode(), SECRET), SECRET)


FORMS: tuple[Callable[[bytes], None], ...] = (
    text, signed_bytes, signed_payload, signed_header, changed_claims, changed_header, signature, proof, signing,
    resigned,
)  # fmt: skip


def one_input(data: bytes) -> None:
    if data:
        FORMS[data[0] % len(FORMS)](data[1:])


def seeds() -> list[bytes]:
    good = json.dumps(claims()).encode()
    head = json.dumps(header(SECRET)).encode()
    ours = raw_token(header(SECRET), claims(), SECRET)
    changes = [
        good, b'{"aud":["https://api.example","x"]}', b'{"exp":1e3,"nbf":1.5,"iat":1800000000}',
        b'{"jti":"","sub":"\\u00e9"}', b'{"typ":"application/AT+JWT","kid":"k","cty":"x","crit":[]}',
        b'{"jwk":{},"x":{"y":[1,{"z":null}]}}',
    ]  # fmt: skip
    samples = {
        text: [ours.encode(), b"a.b.c", b".."],
        signed_bytes: [head + BETWEEN + good],
        signed_payload: [good, b'{"a":1,"a":2}', b"[" * 40],
        signed_header: [head],
        changed_claims: changes,
        changed_header: changes,
        signature: [bytes([at]) + unb64(raw_token(header(one), claims(), one).rpartition(".")[2])
                    for at, one in enumerate(SIGNERS)],
        proof: changes,
        signing: changes,
        resigned: [ours.rpartition(".")[0].encode()],
    }  # fmt: skip
    return [bytes([FORMS.index(form)]) + sample for form, inputs in samples.items() for sample in inputs]
