"""Where exactly the lines run: the last that is accepted and the first that is refused, what may be absent, and what a
refusal names. Most of these were found missing by mutation testing (docs/testing.md)."""

import json
from typing import Any

import pytest
from tests.unit.jose.forge import (
    NOW,
    POLICY,
    RSA_KEYS,
    b64,
    claims,
    code_of,
    good,
    header,
    key,
    large_rsa_jwk,
    payload_code,
    raw_token,
    resign,
)  # fmt: skip
from tests.unit.jose.forge_encrypted import hidden, refusal, sender

from ostiary import jose
from ostiary.jose import jws
from ostiary.limits import (
    CREDENTIAL_CHARS,
    ENCRYPTED_CREDENTIAL_CHARS,
    HEADER_CHARS,
    JSON_DEPTH,
    JWK_SET_KEYS,
    NUMERIC_DATE_MAX,
    RSA_BITS_MAX,
    RSA_BITS_RECEIVED,
)  # fmt: skip

SIGNER = key("HS256")


def accepted(payload: dict[str, Any] | bytes) -> jose.Claims:
    return jose.verify(raw_token(header(SIGNER), payload, SIGNER), SIGNER, POLICY, now=NOW)


def of_length(length: int) -> str:
    """A token of exactly so many characters, signed with `SIGNER`."""
    for spaces in range(4):
        head = json.dumps(header(SIGNER)).encode() + b" " * spaces
        frame = len(b64(head)) + 2 + 43  # dots, and the signature of HS256
        body = json.dumps(claims()).encode()
        size = (length - frame) * 3 // 4
        token = raw_token(head, body[:-1] + b',"x":"' + b"x" * (size - len(body) - 7) + b'"}', SIGNER)
        if len(token) == length:
            return token
    raise AssertionError("no header makes it fit")


def test_the_longest_token() -> None:
    """A token of the limit's length is read; with one character more it is not."""
    assert jose.verify(of_length(CREDENTIAL_CHARS), SIGNER, POLICY, now=NOW)
    assert code_of(of_length(CREDENTIAL_CHARS + 1), SIGNER) == "malformed"


def test_the_longest_encrypted_token() -> None:
    """The same for encrypted tokens, both ways."""
    box = hidden("dir", "", "A256GCM")
    fits = next(
        size for size in range(4000, ENCRYPTED_CREDENTIAL_CHARS)
        if len(jose.encrypt(b"x" * size, box)) >= ENCRYPTED_CREDENTIAL_CHARS - 1
    )  # fmt: skip
    token = jose.encrypt(b"x" * fits, box)
    if len(token) < ENCRYPTED_CREDENTIAL_CHARS:
        token = jose.encrypt(b"x" * (fits + 1), box)
    assert len(token) == ENCRYPTED_CREDENTIAL_CHARS
    assert len(jose.decrypt(token, box).plaintext) >= fits
    assert refusal(token + "A", box).code == "malformed"
    with pytest.raises(jose.Unencryptable):
        jose.encrypt(b"x" * (fits + 3), box)


def test_the_longest_header() -> None:
    """A header of the limit's length is read by `decrypt`, whose tokens have room for it; one more character is not."""
    box = hidden("dir", "", "A256GCM")

    def encrypted(padding: int) -> str:
        return jose.encrypt(b"", box, headers={"x": "y" * padding})

    frame = len(encrypted(0).partition(".")[0])
    padding = next(size for size in range(2900, 3100) if len(encrypted(size).partition(".")[0]) == HEADER_CHARS)
    assert frame < HEADER_CHARS
    assert jose.decrypt(encrypted(padding), box).plaintext == b""
    with pytest.raises(jose.Unencryptable):
        encrypted(padding + 2)
    head, *rest = encrypted(padding).split(".")
    assert refusal(".".join((head + "A", *rest)), box).reason == "the header is too large"


def test_the_largest_set() -> None:
    """A set holds 128 keys and not one more."""
    secrets = [jose.Key.from_secret(bytes([at]) * 32, "HS256", kid=str(at)) for at in range(JWK_SET_KEYS + 1)]
    assert len(jose.KeySet(secrets[:-1])) == JWK_SET_KEYS
    listed = [secret.to_jwk(private=True) for secret in secrets]
    assert len(jose.KeySet.from_jwks({"keys": listed[:-1]})) == JWK_SET_KEYS
    for refused in (lambda: jose.KeySet(secrets), lambda: jose.KeySet.from_jwks({"keys": listed})):
        with pytest.raises(jose.InvalidKey):
            refused()


@pytest.mark.parametrize("headers", [None, {"x": "y"}])
def test_the_longest_that_is_signed(headers: dict[str, Any] | None) -> None:
    """A token of the limit that the caller states is made and read, and with one character more it is not; without one
    the limit is what a verifier accepts."""
    made = jose.sign_bytes(b"x" * CREDENTIAL_CHARS, SIGNER, headers=headers, max_chars=99_000)
    limits: tuple[dict[str, int], ...] = ({"max_chars": len(made) - 1}, {"max_chars": CREDENTIAL_CHARS}, {})
    assert jose.sign_bytes(b"x" * CREDENTIAL_CHARS, SIGNER, headers=headers, max_chars=len(made)) == made
    for stated in limits:
        with pytest.raises(jose.Unsignable, match="larger"):
            jose.sign_bytes(b"x" * CREDENTIAL_CHARS, SIGNER, headers=headers, **stated)
        with pytest.raises(jose.MalformedToken):
            jose.verify_signature(made, SIGNER, **stated)
    assert jose.verify_signature(made, SIGNER, max_chars=len(made)).payload == b"x" * CREDENTIAL_CHARS


@pytest.mark.parametrize(("most", "stated"), [(RSA_BITS_RECEIVED, {}), (RSA_BITS_MAX, {"rsa_bits": RSA_BITS_MAX})])
def test_the_largest_rsa_key(most: int, stated: dict[str, int]) -> None:
    """A modulus of 4096 bits is read out of a JWK and, if the caller says so, one of 16384; one bit more is not."""
    largest, larger = large_rsa_jwk(most), large_rsa_jwk(most + 1)
    assert jose.Key.from_jwk(largest, **stated).to_jwk()["n"] == largest["n"]
    assert len(jose.KeySet.from_jwks({"keys": [largest]}, **stated)) == 1
    with pytest.raises(jose.InvalidKey, match=f"'n' is not a number of 1 to {most} bits"):
        jose.Key.from_jwk(larger, **stated)
    with pytest.raises(jose.InvalidKey):
        jose.KeySet.from_jwks({"keys": [largest, {**larger, "kid": "2"}]}, **stated)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_dates_end_where_milliseconds_begin(name: str) -> None:
    """M-27: 10**12 is no date any more, in none of the claims, as a whole number or not."""
    for value in (NUMERIC_DATE_MAX, float(NUMERIC_DATE_MAX), -1, -0.5):
        assert payload_code(claims(**{name: value})) == "invalid_claim"
    assert accepted(claims(exp=NUMERIC_DATE_MAX - 1))["exp"] == NUMERIC_DATE_MAX - 1
    assert accepted(claims(iat=0, nbf=0))["iat"] == 0
    assert accepted(claims(iat=int(NOW), nbf=int(NOW)))["iat"] == NOW


def test_the_plainest_token_is_judged_as_any_other() -> None:
    """Flaw class 41, M-25: whole seconds, and this very second; two claims that are wrong in the same way."""
    assert accepted(claims(iat=int(NOW), exp=int(NOW) + 1))["exp"] == NOW + 1
    assert payload_code(claims(exp=int(NOW))) == "expired"
    assert payload_code(claims(iat=int(NOW) + 31)) == "issued_in_future"
    assert payload_code(claims(sub=1, jti=1)) == payload_code(claims(sub=None, jti=None)) == "invalid_claim"


def test_max_age_counts_for_the_plainest_token() -> None:
    """Flaw class 41: whole seconds, no `nbf`, not expired, and a second too old."""
    policy = jose.Policy(issuer=POLICY.issuer, audience=POLICY.audience, type="at+jwt", max_age=60)
    old, fits = (raw_token(header(SIGNER), claims(iat=int(NOW) - age), SIGNER) for age in (61, 60))
    assert code_of(old, SIGNER, policy) == "too_old"
    assert jose.verify(fits, SIGNER, policy, now=NOW)
    for refused in (claims(iat=int(NOW) - 61), claims(iat=...)):
        with pytest.raises(jose.TokenRejected) as caught:
            jose.verify(raw_token(header(SIGNER), refused, SIGNER), SIGNER, policy, now=NOW)
        assert caught.value.claim == "iat"


def test_what_may_be_absent() -> None:
    """`sub`, `jti`, `iat` and `nbf` may be left out where the policy does not ask for them."""
    assert "sub" not in accepted(claims(sub=..., jti=..., iat=..., nbf=...))


@pytest.mark.parametrize(("changes", "claim"), [
    ({"sub": 1}, "sub"), ({"jti": None}, "jti"), ({"iss": 1}, "iss"), ({"iss": ...}, "iss"), ({"aud": 1}, "aud"),
    ({"aud": ...}, "aud"), ({"aud": "x"}, "aud"), ({"iss": "x"}, "iss"), ({"exp": ...}, "exp"), ({"exp": 1}, "exp"),
    ({"exp": "1"}, "exp"), ({"exp": NUMERIC_DATE_MAX}, "exp"), ({"nbf": NOW + 31}, "nbf"), ({"iat": NOW + 31}, "iat"),
])  # fmt: skip
def test_a_refusal_names_the_claim(changes: dict[str, Any], claim: str) -> None:
    """M-23: each refusal names the claim that decided, and has a reason in our words."""
    with pytest.raises(jose.TokenRejected) as caught:
        accepted(claims(**changes))
    assert caught.value.claim == claim
    assert caught.value.reason


def test_a_missing_demand_is_named() -> None:
    """A claim that the policy demands is named when it is missing; an unknown key by its id, encrypted or not."""
    policy = jose.Policy(issuer=POLICY.issuer, audience=POLICY.audience, type="at+jwt", required=("sub", "role"))
    with pytest.raises(jose.MissingClaim) as missing:
        jose.verify(good(SIGNER), SIGNER, policy, now=NOW)
    assert missing.value.claim == "role"
    with pytest.raises(jose.UnknownKey) as unknown:
        jose.verify(good(SIGNER), jose.KeySet([key("HS256", 1)]), POLICY, now=NOW)
    assert unknown.value.kid == SIGNER.kid
    box = hidden("A256KW")
    with pytest.raises(jose.UnknownKey) as unread:
        jose.decrypt(jose.encrypt(b"", box), jose.EncryptionKeySet([hidden("A256KW", which=1)]))
    assert unread.value.kid == box.kid


def test_depth_is_counted_where_it_is() -> None:
    """The deepest that is read, among many brackets that open and close again; one level more is refused."""
    rest = json.dumps(claims(y=[{"z": []}] * 9))[1:].encode()
    for levels, fits in ((JSON_DEPTH - 1, True), (JSON_DEPTH, False)):
        for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
            beside = b"[" + b",".join([b"[]"] * 20) + b"]"
            last = b"0" if opened == b'{"a":' else b""
            deep = b'{"x":' + opened * levels + last + closed * levels + b',"b":' + beside + b"," + rest
            if fits:
                assert accepted(deep)["b"] == [[]] * 20
            else:
                assert payload_code(deep) == "malformed"
    siblings = b'{"x":' + b"[" * 10 + b",".join([b"[[]]"] * 9) + b"]" * 10 + b"," + rest
    assert accepted(siblings)
    nested = b'{"x":' + b"[" * 10 + b",".join([b'{"a":{}}'] * 4 + [b"[" * 5 + b"]" * 5]) + b"]" * 10 + b"," + rest
    assert accepted(nested)
    over = b'{"x":' + b"[" * 10 + b",".join([b'{"a":{}}'] * 4 + [b"[" * 6 + b"]" * 6]) + b"]" * 10 + b"," + rest
    assert payload_code(over) == "malformed"


def test_a_header_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a good signature, a header is read the first time and known from then on, for a key and for a set."""
    for keys in (key("ES256").public(), jose.KeySet([key("ES256").public()])):
        tokens = [good(key("ES256"), jti=str(at)) for at in range(3)]
        jose.verify(tokens[0], keys, POLICY, now=NOW)
        with monkeypatch.context() as patched:
            patched.setattr(jws, "read_header", None)
            for token in tokens:
                jose.verify(token, keys, POLICY, now=NOW)


def test_a_header_is_written_once_and_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key remembers the headers of its tokens by `typ`, and not more of them than a bound."""
    signer = jose.Key.from_secret(b"k" * 32, "HS256")
    first = jose.sign({}, signer, typ="a")
    with monkeypatch.context() as patched:
        patched.setattr(jws, "encode_plain", None)
        assert jose.sign_bytes(b"{}", signer, typ="a") == first
    for at in range(200):
        token = jose.sign({}, signer, typ=f"t{at}")
        assert jose.decode_unverified(token).header == {"alg": "HS256", "typ": f"t{at}", "kid": signer.kid}
    assert len(signer.written) <= 64
    assert jose.decode_unverified(jose.sign_bytes(b"{}", signer)).header == {"alg": "HS256", "kid": signer.kid}
    for typ in (1, ["a"], b"a", {}):
        with pytest.raises(jose.Unsignable):
            jose.sign({}, signer, typ=typ)  # type: ignore[arg-type]


def test_members_of_a_set_that_are_passed_over() -> None:
    """RFC 7517 section 5: keys that we do not know are passed over, whatever their members are; keys without `use`, and
    private keys that only sign, are not."""
    known = key("ES256").to_jwk()
    for alg in ([], {}, None, 1, ["ES256"]):
        assert len(jose.KeySet.from_jwks({"keys": [known, {**known, "kid": "x", "alg": alg}]})) == 1
    without_use = {name: value for name, value in known.items() if name != "use"}
    assert len(jose.KeySet.from_jwks({"keys": [without_use]})) == 1
    assert len(jose.KeySet.from_jwks({"keys": [{**key("ES256").to_jwk(private=True), "key_ops": ["sign"]}]})) == 1
    assert len(jose.KeySet.from_jwks({"keys": [{**known, "use": "enc"}]})) == 0


def test_the_algorithm_that_a_caller_states_is_for_keys_that_state_none() -> None:
    """A set of an issuer that says `alg` of some keys only: what a key says itself stands beside what the caller says
    of the others."""
    unsaid = {name: value for name, value in key("RS256").public().to_jwk().items() if name != "alg"}
    keys = jose.KeySet.from_jwks({"keys": [key("ES256").public().to_jwk(), unsaid]}, "RS256")
    assert {each.alg for each in keys} == {"ES256", "RS256"}


def test_what_a_key_may_do_is_told() -> None:
    """`operations` are those of `key_ops`, for pairs as for secrets; `oth` refuses an RSA key, public or not."""
    private = key("ES256").to_jwk(private=True)
    assert jose.Key.from_jwk({**private, "key_ops": ["sign"]}).operations == {"sign"}
    assert jose.Key.from_jwk(private).operations == {"sign", "verify"}
    public = {name: RSA_KEYS[0][name] for name in ("kty", "n", "e")}
    assert jose.Key.from_jwk(public, "RS256")
    with pytest.raises(jose.InvalidKey, match="more than two primes"):
        jose.Key.from_jwk({**public, "oth": []}, "RS256")
    every = ["encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"]
    box = jose.EncryptionKey.from_jwk({**hidden("A256KW").to_jwk(private=True), "key_ops": every})
    assert box.operations == {"encrypt", "decrypt"}


def test_how_things_look() -> None:
    """What is printed of claims, headers and sets names them and shows nothing of their values."""
    found = accepted(claims(sub="secret"))
    assert repr(found) == "<Claims 'iss' 'aud' 'sub' 'jti' 'iat' 'exp'>"
    assert repr(found.header) == "<Header 'alg' 'typ' 'kid'>"
    one, two = (jose.Key.from_secret(bytes([at]) * 32, "HS256", kid=str(at)) for at in range(2))
    assert repr(jose.KeySet([one, two])) == (
        "KeySet(Key(alg='HS256', kid='0', private=***), Key(alg='HS256', kid='1', private=***))"
    )


def test_dots_decide_the_form() -> None:
    """Three segments and no more, five and no more, wherever the dots too many are."""
    token = good(SIGNER)
    box = hidden("A256KW")
    other = jose.encrypt(b"", sender(box))
    for at in range(0, len(token), 7):
        assert code_of(token[:at] + "." + token[at:], SIGNER) == "malformed"
    head, body, _ = token.split(".")
    assert code_of(resign(f"{head}.{body}.{body}", SIGNER), SIGNER) == "malformed"
    for at in range(0, len(other), 7):
        assert refusal(other[:at] + "." + other[at:], box).code == "malformed"
    assert refusal(other + "." * 3000, box).code == "malformed"
