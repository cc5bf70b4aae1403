"""Known flaw classes 23 to 36, 57 and 58: the envelope, its parsing, and what is done before a signature is known."""

import json
from typing import Any

import pytest
from tests.unit.jose.forge import (
    AUDIENCE,
    ISSUER,
    NOW,
    POLICY,
    b64,
    claims,
    code_of,
    good,
    header,
    header_code,
    key,
    payload_code,
    raw_token,
    resign,
)

from ostiary import jose
from ostiary.jose.encoding import Unreadable, decode_object
from ostiary.jose.header import decode_header
from ostiary.jose.header_cache import HEADERS
from ostiary.limits import CREDENTIAL_CHARS, HEADER_CHARS, JSON_DEPTH, JSON_MEMBERS

SIGNER = key("HS256")


def refuses(token: Any, code: str = "malformed") -> None:
    """Refused by every entry point that reads tokens, with the same code."""
    for keys in (SIGNER, jose.KeySet([SIGNER])):
        assert code_of(token, keys) == code
    if code == "malformed":
        with pytest.raises(jose.MalformedToken):
            jose.decode_unverified(token)


@pytest.mark.parametrize(
    "crit", [["exp"], ["b64"], [], None, "exp", [1], ["alg"], ["exp", "exp"], {}, ["absent"]], ids=str
)
def test_flaw_23_crit_is_never_ignored(crit: object) -> None:
    """No extension is understood, so any `crit` is refused."""
    assert header_code(header(SIGNER, crit=crit, exp=1)) == "malformed"


@pytest.mark.parametrize("b64_value", [False, True, None, "false", 0])
def test_flaw_24_unencoded_payloads(b64_value: object) -> None:
    """RFC 7797 is not spoken: `b64` is refused with any value, with and without `crit`."""
    assert header_code(header(SIGNER, b64=b64_value)) == "malformed"
    assert header_code(header(SIGNER, b64=b64_value, crit=["b64"])) == "malformed"


def test_flaw_24_an_unencoded_payload_is_not_a_segment() -> None:
    """A payload that is not base64url is malformed even if it is signed as it stands."""
    for body in (json.dumps(claims()), "$.02", "$02"):
        refuses(resign(f"{b64(json.dumps(header(SIGNER)).encode())}.{body}", SIGNER))


def spare_bits(segment: str) -> list[str]:
    """The other texts that a lenient decoder takes for the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    bits = {2: 4, 3: 2, 0: 0}[len(segment) % 4]
    value = alphabet.index(segment[-1])
    return [segment[:-1] + alphabet[value + extra] for extra in range(1, 2**bits)]


@pytest.mark.parametrize("where", [0, 1, 2])
def test_flaw_25_non_canonical_base64url(where: int) -> None:
    """Spare bits, padding, the other alphabet, white space, junk, other scripts, impossible lengths: malformed in every
    segment, whether or not the result is signed as it stands."""
    seen = 0
    for filler in ("", "y", "yy"):
        segments = raw_token(header(SIGNER, x=filler), claims(x=filler), SIGNER).split(".")
        segment = segments[where]
        others = [segment + "=", segment + "==", segment + "\n", " " + segment, segment[:4] + "!" + segment[4:],
                  segment[:4] + "!!!!" + segment[4:], segment[:5] + "+" + segment[6:], segment[:5] + "/" + segment[6:],
                  segment[:-1] + "é", segment[:-1] + "ａ", segment[:-1] + "\udc80", segment[:-1] + "\0",
                  segment[:5] + '"' + segment[6:], segment[:5] + "\\" + segment[6:], "\t" + segment,
                  segment + "A" * ((1 - len(segment)) % 4 or 4), *spare_bits(segment)]  # fmt: skip
        for other in others:
            changed = [*segments[:where], other, *segments[where + 1 :]]
            refuses(".".join(changed))
            if where < 2 and other.isascii():
                refuses(resign(".".join(changed[:2]), SIGNER))
            seen += 1
    assert seen >= 48


def test_flaw_26_json_is_not_a_token() -> None:
    """Neither JSON serialisation nor a mixture of both forms is read."""
    token = good(SIGNER)
    head, body, tail = token.split(".")
    flattened = json.dumps({"protected": head, "payload": body, "signature": tail})
    general = json.dumps({"payload": body, "signatures": [{"protected": head, "signature": tail}]})
    polyglot = json.dumps({"protected": head, "payload": body, "signature": tail, f"  {head}.": f".{body}.{tail}"})
    for text in (flattened, general, polyglot, "{" + token, " " + token, token + " ", token + "\n", f'"{token}"'):
        refuses(text)


def test_flaw_27_dot_flooding() -> None:
    """Any number of segments but three is malformed; a megabyte of dots is refused by its length alone."""
    token = good(SIGNER)
    for text in ("", ".", "..", "...", "....", "." * 4096, "." * 1_000_000, "a", "a.b", token + ".", "." + token,
                 token + ".x", token.replace(".", "..", 1), token.rpartition(".")[0], token.rpartition(".")[0] + ".",
                 "." + token.partition(".")[2], resign("a.b.c", SIGNER)):  # fmt: skip
        refuses(text)
    refuses(resign(".".join([*token.split(".")[:2], "e30"]), SIGNER))


def test_flaw_28_oversize() -> None:
    """A token at the limit is read; one character more is refused before anything is decoded."""
    room = CREDENTIAL_CHARS - len(raw_token(header(SIGNER), b"", SIGNER))
    size = room // 4 * 3
    at_limit = raw_token(header(SIGNER), json.dumps(claims()).encode().ljust(size), SIGNER)
    assert len(at_limit) <= CREDENTIAL_CHARS
    assert jose.verify(at_limit, SIGNER, POLICY, now=NOW)
    refuses(raw_token(header(SIGNER), json.dumps(claims()).encode().ljust(size + 3), SIGNER))
    with pytest.raises(jose.Unsignable):
        good(SIGNER, x="x" * CREDENTIAL_CHARS)
    with pytest.raises(jose.MalformedToken):
        decode_header(b"A" * (HEADER_CHARS + 1))


def nested(depth: int) -> bytes:
    return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_flaw_29_an_unclosed_string_is_read_once() -> None:
    """However often a string could begin and never ends, the text is passed over once: an answer at once."""
    for text in (b"[" * 17 + b'"' + b"\\a" * 31_000, b"[" * 40 + b'"a' * 32_000, b'["' * 20 + b"\\" * 64_000):
        with pytest.raises(Unreadable):
            decode_object(text)


def test_flaw_29_deep_nesting() -> None:
    """Deeper than the bound is malformed in header and payload, without recursion; brackets in strings are free."""
    for deep in (b"[" * 3000, b'{"a":' * 600, b"[" * 1500 + b"]" * 1500, nested(JSON_DEPTH + 1)):
        assert payload_code(deep) == "malformed"
        assert header_code(deep[:2900]) == "malformed"
    brackets = claims(x="[" * 50 + '"' + "{" * 50, y=[[]] * 20)
    assert jose.verify(raw_token(header(SIGNER), brackets, SIGNER), SIGNER, POLICY, now=NOW)["x"] == brackets["x"]
    fits = json.dumps(claims())[:-1].encode() + b',"x":' + b"[" * (JSON_DEPTH - 1) + b"]" * (JSON_DEPTH - 1) + b"}"
    assert jose.verify(raw_token(header(SIGNER), fits, SIGNER), SIGNER, POLICY, now=NOW)
    for text in (b"[" * 60_000, b'{"a":' * 10_000, b'{"kty":"oct","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"):
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_jwk(text)
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk(b"[" * 100_000)


@pytest.mark.parametrize("payload", [
    b'{"sub":"a","sub":"b"}', b'{"sub":"a","sub":"a"}', b'{"sub":"a","s\\u0075b":"b"}', b'{"a":{"b":1,"b":2}}',
    b'{"a":[{"b":1,"b":2}]}', b'{"a":1, "a":1}', b'{"":1,"":2}', b'{"a":1,"b":"a","a":1}',
    b'{"a" :1,"a":2}', b'{"a":1,"a":2,"b":"\\u003a"}',
], ids=lambda raw: raw.decode().replace("\\", "!"))  # fmt: skip
def test_flaw_30_duplicate_members(payload: bytes) -> None:
    """A member that appears twice, at any depth and in any spelling, is malformed in header, payload and key."""
    inner = payload[1:-1]
    assert (
        payload_code(json.dumps(claims())[:-1].encode().replace(b'"sub": "acc_1", ', b"") + b"," + inner + b"}")
        == "malformed"
    )
    assert header_code(b'{"alg":"HS256","typ":"at+jwt",' + inner + b"}") == "malformed"
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk(json.dumps(SIGNER.to_jwk(private=True))[:-1].encode() + b"," + inner + b"}")


def test_flaw_30_duplicate_alg() -> None:
    """The header cannot name two algorithms."""
    assert header_code(b'{"alg":"none","alg":"HS256","typ":"at+jwt"}') == "malformed"
    assert header_code(b'{"alg":"HS256","typ":"at+jwt","alg":"HS256"}') == "malformed"


def test_spellings_that_are_not_ours_are_read() -> None:
    """White space, escapes and exponents are good JSON and change nothing."""
    text = (
        json.dumps(claims(x="é/"), indent=1).replace('"sub"', '"s\\u0075b"').replace(str(int(NOW) + 300), "1.8000003e9")
    )
    accepted = jose.verify(raw_token(header(SIGNER), text.encode(), SIGNER), SIGNER, POLICY, now=NOW)
    assert (accepted["sub"], accepted["x"], accepted["exp"]) == ("acc_1", "é/", NOW + 300)


def test_too_many_members() -> None:
    """The breadth of one object is bounded too."""

    def wide(extra: int) -> dict[str, Any]:
        return {**claims(), **{f"{number:x}": 0 for number in range(extra)}}

    fits = JSON_MEMBERS - len(claims())
    assert jose.verify(raw_token(header(SIGNER), wide(fits), SIGNER), SIGNER, POLICY, now=NOW)
    assert payload_code(wide(fits + 1)) == "malformed"
    assert payload_code(json.dumps(wide(fits + 1), separators=(",", ":")).encode()) == "malformed"
    many = json.dumps({**claims(), "x": [{str(n): 0 for n in range(100)}] * 3}, separators=(",", ":")).encode()
    assert jose.verify(raw_token(header(SIGNER), many, SIGNER), SIGNER, POLICY, now=NOW)


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e999", b"nan", b"01", b"+1", b"1.", b".5", b"0x1"]
)
@pytest.mark.parametrize("name", [b"exp", b"other"])
def test_flaw_31_numbers_that_json_does_not_have(number: bytes, name: bytes) -> None:
    """NaN, infinities and overflowing or misspelt numbers are not JSON."""
    text = json.dumps(claims(exp=...))[:-1].encode() + b',"' + name + b'":' + number + b"}"
    assert payload_code(text) == "malformed"
    assert header_code(json.dumps(header(SIGNER))[:-1].encode() + b',"' + name + b'":' + number + b"}") == "malformed"


@pytest.mark.parametrize("digits", [14, 40, 400, 2000])
def test_flaw_32_huge_integers(digits: int) -> None:
    """An integer of any length is refused as a date, or as JSON, and never breaks anything."""
    for name in ("exp", "nbf", "iat"):
        text = json.dumps(claims(**{name: ...}))[:-1] + f',"{name}":' + "9" * digits + "}"
        assert payload_code(text.encode()) == "invalid_claim"
    with pytest.raises(jose.InvalidKey):
        jose.Key.from_jwk(b'{"kty":"oct","k":' + b"9" * 5000 + b"}")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252"])
def test_flaw_33_other_encodings(encoding: str) -> None:
    """JSON in a token is UTF-8 without a mark; nothing is guessed."""
    assert payload_code(json.dumps(claims(x="é€"), ensure_ascii=False).encode(encoding)) == "malformed"
    if encoding.startswith(("utf-16", "utf-32", "utf-8-sig")):
        assert header_code(json.dumps(header(SIGNER)).encode(encoding)) == "malformed"
        with pytest.raises(jose.InvalidKey):
            jose.Key.from_jwk(json.dumps(SIGNER.to_jwk(private=True)).encode(encoding))


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\x80",
        b"\\ud800",
        b"\\udc00\\ud800",
        b"\x00",
        b"\n",
    ],
)
def test_flaw_33_broken_text(text: bytes) -> None:
    """Invalid UTF-8, lone surrogates and raw control characters are not text, in values and in names."""
    for piece in (b',"x":"' + text + b'"}', b',"' + text + b'":1}'):
        assert payload_code(json.dumps(claims())[:-1].encode() + piece) == "malformed"
        assert header_code(json.dumps(header(SIGNER))[:-1].encode() + piece) == "malformed"


@pytest.mark.parametrize("name", ["alg", "typ", "cty", "kid", "x5t", "x5t#S256"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["HS256"]], ids=str)
def test_flaw_34_header_members_of_another_type(name: str, value: object) -> None:
    """`alg`, `typ`, `cty`, `kid` and the certificate thumbprints are strings or the header is malformed."""
    refuses(raw_token(header(SIGNER, **{name: value}), claims(), SIGNER))


@pytest.mark.parametrize(
    "text", [b"", b"null", b"1", b'"x"', b"[]", b"{}", b'{"typ":"at+jwt"}', b"{", b'{"alg":"HS256"}x']
)
def test_flaw_34_a_header_is_an_object_with_alg(text: bytes) -> None:
    """M-23: a damaged header is malformed, and so is one that does not name its algorithm."""
    refuses(raw_token(text, claims(), SIGNER))


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"1", b'"x"', b"[]", b"[{}]", b"{", b"{}x", b"\x00", b'{"a":1,}', b"{'a':1}"]
)
def test_payload_must_be_an_object(payload: bytes) -> None:
    """RFC 7519 section 7.2: the claims are a JSON object."""
    refuses(raw_token(header(SIGNER), payload, SIGNER))


@pytest.mark.parametrize(
    "alg", ["__class__", "constructor", "__proto__", "hs256", "HS256 ", "HS-256", "HS1", "ES256K", "RSA1_5", "dir"]
)
def test_flaw_35_algorithm_names_are_compared_exactly(alg: str) -> None:
    """Nothing is looked up by what a header says; near misses are misses."""
    refuses(raw_token(header(SIGNER, alg=alg), claims(), SIGNER), "algorithm_not_allowed")


def test_flaw_36_the_signature_is_judged_first() -> None:
    """Whatever else is wrong with a token, a bad signature is the one error reported."""
    for payload in (claims(exp=1), claims(iss="x"), claims(aud="x"), claims(nbf=2e9), claims(exp=None), b"\xff", b"[]"):
        token = raw_token(header(SIGNER), payload, key("HS256", 1))
        assert code_of(token, SIGNER) == "invalid_signature"
    assert code_of(raw_token(header(SIGNER, typ="JWT"), claims(), key("HS256", 1)), SIGNER) == "invalid_signature"


@pytest.mark.parametrize(
    "what",
    [None, 1, b"a.b.c", good(SIGNER).encode(), [], {}, object(), ["a", "b", "c"]],
    ids=lambda what: type(what).__name__ + str(len(str(what))),
)
def test_a_token_is_a_string(what: object) -> None:
    """What is not a string is malformed, not a crash."""
    refuses(what)


@pytest.mark.parametrize("name", ["zip", "b64", "crit"])
def test_flaw_49_compression_is_never_undone(name: str) -> None:
    """`zip` is refused with any value."""
    for value in ("DEF", "", None, False):
        assert header_code(header(SIGNER, **{name: value})) == "malformed"


def test_flaw_46_encrypted_tokens_are_not_signed_ones() -> None:
    """Five segments are malformed here, whatever the header says."""
    refuses(f"{b64(json.dumps({'alg': 'dir', 'enc': 'A256GCM', 'kid': SIGNER.kid}).encode())}..AAAA.AAAA.AAAA")


def test_flaw_57_only_good_signatures_fill_the_header_cache() -> None:
    """Whoever cannot sign cannot put anything in; what is in there is bounded."""
    signer = jose.Key.generate("HS256", kid="k")
    keys = jose.KeySet([signer])
    for number in range(3 * HEADERS):
        bad = raw_token(header(signer, n=number), claims(), key("HS256", 1))
        assert code_of(bad, keys) == "invalid_signature"
    assert len(keys.headers) == 0
    for number in range(3 * HEADERS):
        assert jose.verify(raw_token(header(signer, n=number), claims(), signer), keys, POLICY, now=NOW)
        assert len(keys.headers) <= HEADERS
    # a header that is known still needs its own signature
    assert code_of(raw_token(header(signer, n=number), claims(), key("HS256", 1)), keys) == "invalid_signature"


def test_flaw_57_a_known_header_does_not_outlive_its_key() -> None:
    """What one set has learnt is unknown to the next, so a rotated key is gone at once."""
    old, new = key("ES256"), key("ES256", 1)
    token = good(old)
    assert jose.verify(token, jose.KeySet([old.public(), new.public()]), POLICY, now=NOW)
    assert code_of(token, jose.KeySet([new.public()])) == "unknown_key"


def test_flaw_58_nothing_is_read_before_the_signature_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The payload of a token with a bad signature is never parsed."""
    from ostiary.jose import claims as module

    def fail(_: bytes) -> dict[str, Any]:
        raise AssertionError("parsed")

    monkeypatch.setattr(module, "decode_object", fail)
    assert code_of(raw_token(header(SIGNER), claims(), key("HS256", 1)), SIGNER) == "invalid_signature"
    with pytest.raises(AssertionError, match="parsed"):
        jose.verify(good(SIGNER), SIGNER, POLICY, now=NOW)


def test_m23_a_changed_claim_is_an_invalid_signature() -> None:
    """M-23: any other payload or header under the old signature is an invalid signature."""
    head, body, tail = good(SIGNER).split(".")
    other = b64(json.dumps(claims(sub="acc_2")).encode())
    assert code_of(f"{head}.{other}.{tail}", SIGNER) == "invalid_signature"
    spaced = b64(json.dumps(header(SIGNER), indent=1).encode())
    assert code_of(f"{spaced}.{body}.{tail}", SIGNER) == "invalid_signature"
    assert (POLICY.issuer, POLICY.audience[0]) == (ISSUER, AUDIENCE)
