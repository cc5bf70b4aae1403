"""Explaining a token: whatever it is, nothing raises, nothing is slow, and the verdict is that of `jose.verify`."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ostiary import jose, limits
from ostiary.credentials import opaque
from ostiary.credentials.explain import Rules, bare_token, explain
from ostiary.credentials.explained import Form, Outcome, Report
from ostiary.credentials.lenient import indented, one_line, visible

NOW = 1_795_435_200.0
KEY = jose.Key.generate("ES256")
OTHER = jose.Key.generate("ES256")
SECRET = jose.Key.from_secret(bytes(range(32)), "HS256")
RULES = Rules(issuer="https://id.example", audience=("https://api.example",), types=("at+jwt",))
POLICY = jose.Policy(issuer=RULES.issuer, audience=RULES.audience, type="at+jwt")
GOOD: dict[str, Any] = {
    "iss": RULES.issuer,
    "aud": "https://api.example",
    "sub": "acc_1",
    "iat": int(NOW) - 10,
    "exp": int(NOW) + 290,
    "jti": "1",
}


def segment(content: bytes | dict[str, Any]) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_token(header: bytes | dict[str, Any], payload: bytes | dict[str, Any], key: jose.Key = KEY) -> str:
    """Signed without any of the rules of `jose.sign`."""
    signed = f"{segment(header)}.{segment(payload)}"
    return f"{signed}.{segment(key.sign(signed.encode()))}"


def head(**members: Any) -> dict[str, Any]:
    return {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid, **members}


def judged(token: str, *keys: jose.Key | jose.KeySet, now: float = NOW) -> Report:
    return explain(token, now=now, keys=keys or (jose.KeySet([KEY]),), rules=RULES)


def cautions(token: str) -> set[str]:
    return {caution.code for caution in explain(token, now=NOW).cautions}


def test_a_good_token_is_accepted_and_every_step_says_so() -> None:
    """Every check passes, or has nothing to look at; times are told; the key is named."""
    report = judged(jose.sign(GOOD, KEY, typ="at+jwt"))
    assert report.accepted is True
    assert report.form is Form.JWS
    assert report.signature is not None
    assert (report.signature.code, report.signature.kid) == ("verified", KEY.kid)
    assert [check.name for check in report.checks] == [
        "form", "header", "algorithm", "key", "signature", "typ", "iss", "aud", "exp", "nbf", "iat",
    ]  # fmt: skip
    assert {check.outcome for check in report.checks} == {Outcome.PASSED, Outcome.SKIPPED}
    assert {member.name: member.at for member in report.claims or () if member.at} == {
        "iat": GOOD["iat"],
        "exp": GOOD["exp"],
    }
    assert report.cautions == ()


CHANGES: list[tuple[str, dict[str, Any], str, str]] = [
    ("iss", {"iss": "https://evil.example"}, "iss", "wrong_issuer"),
    ("iss", {"iss": 1}, "iss", "invalid_claim"),
    ("iss", {"iss": None}, "iss", "invalid_claim"),
    ("aud", {"aud": ["https://other.example"]}, "aud", "wrong_audience"),
    ("aud", {"aud": []}, "aud", "invalid_claim"),
    ("aud", {"aud": [1]}, "aud", "invalid_claim"),
    ("exp", {"exp": int(NOW)}, "exp", "expired"),
    ("exp", {"exp": "soon"}, "exp", "invalid_claim"),
    ("exp", {"exp": True}, "exp", "invalid_claim"),
    ("exp", {"exp": -1}, "exp", "invalid_claim"),
    ("exp", {"exp": (int(NOW) + 300) * 1000}, "exp", "invalid_claim"),
    ("nbf", {"nbf": NOW + 31}, "nbf", "not_yet_valid"),
    ("nbf", {"nbf": []}, "nbf", "invalid_claim"),
    ("iat", {"iat": NOW + 31}, "iat", "issued_in_future"),
    ("iat", {"iat": {}}, "iat", "invalid_claim"),
    ("sub", {"sub": 7}, "sub", "invalid_claim"),
    ("jti", {"jti": None}, "jti", "invalid_claim"),
]


@pytest.mark.parametrize(("name", "change", "step", "code"), CHANGES)
def test_a_refusal_names_its_step(name: str, change: dict[str, Any], step: str, code: str) -> None:
    """Each claim that decides has a step, and its code is that of the exception that `jose.verify` raises."""
    token = raw_token(head(), {**GOOD, **change})
    report = judged(token)
    assert report.accepted is False
    assert report.refusal is not None
    assert (report.refusal.name, report.refusal.code) == (step, code)
    with pytest.raises(jose.TokenRejected) as refused:
        jose.verify(token, jose.KeySet([KEY]), POLICY, now=NOW)
    assert (refused.value.claim, refused.value.code) == (name, code)


@pytest.mark.parametrize("name", ["iss", "aud", "exp"])
def test_a_claim_that_is_missing_is_told_apart(name: str) -> None:
    """Absent is not the same as wrong (flaw class 37)."""
    report = judged(raw_token(head(), {key: value for key, value in GOOD.items() if key != name}))
    assert report.refusal is not None
    assert (report.refusal.name, report.refusal.code) == (name, "missing_claim")


HEADERS: list[tuple[dict[str, Any], str, str]] = [
    (head(typ="JWT"), "typ", "wrong_type"),
    ({"alg": "ES256", "kid": KEY.kid}, "typ", "missing_type"),
    ({"alg": "ES256", "typ": "at+jwt"}, "key", "no_kid"),
    (head(kid="nobody"), "key", "unknown_key"),
    (head(alg="none"), "algorithm", "none"),
    (head(alg="nOnE"), "algorithm", "none"),
    (head(alg="HS256"), "algorithm", "algorithm_not_allowed"),
    (head(alg="ROT13"), "algorithm", "unknown_algorithm"),
    (head(jwk={}), "header", "never_accepted"),
    (head(crit=["exp"]), "header", "never_accepted"),
    ({"typ": "at+jwt"}, "form", "malformed"),
    (head(kid=7), "form", "malformed"),
]


@pytest.mark.parametrize(("header", "step", "code"), HEADERS)
def test_a_header_is_refused_at_its_step(header: dict[str, Any], step: str, code: str) -> None:
    """What a token must not decide, and keys that are not ours, are named as the reason (M-27)."""
    report = judged(raw_token(header, GOOD))
    assert report.accepted is False
    assert report.refusal is not None
    assert (report.refusal.name, report.refusal.code) == (step, code)


def test_a_wrong_signature_is_told_from_an_unknown_key() -> None:
    """Changed, signed by another, never checked: three different answers."""
    token = jose.sign(GOOD, KEY, typ="at+jwt")
    forged = raw_token(head(), GOOD, OTHER)
    assert [judged(text).signature.code for text in (token, forged)] == ["verified", "invalid_signature"]  # type: ignore[union-attr]
    assert judged(jose.sign(GOOD, OTHER, typ="at+jwt")).signature.code == "unknown_key"  # type: ignore[union-attr]
    unchecked = explain(token, now=NOW)
    assert unchecked.signature is not None
    assert (unchecked.signature.code, unchecked.accepted) == ("no_keys", None)


def test_nothing_is_accepted_without_a_key() -> None:
    """Rules alone accept nobody."""
    assert explain(jose.sign(GOOD, KEY, typ="at+jwt"), now=NOW, rules=RULES).accepted is False


def test_of_several_sets_any_may_have_the_key() -> None:
    """While two algorithms overlap, each token is checked by the set that is for it."""
    sets = (jose.KeySet([KEY]), jose.KeySet([SECRET]))
    for key in (KEY, SECRET):
        assert judged(jose.sign(GOOD, key, typ="at+jwt"), *sets).accepted is True
    assert judged(jose.sign(GOOD, OTHER, typ="at+jwt"), *sets).signature.code == "unknown_key"  # type: ignore[union-attr]


WARNINGS: list[tuple[str, str]] = [
    ("alg_none", f"{segment({'alg': 'none'})}.{segment(GOOD)}.x"),
    ("alg_unknown", raw_token(head(alg="X"), GOOD)),
    ("hmac", jose.sign(GOOD, SECRET, typ="at+jwt")),
    ("weak_key", jose.sign(GOOD, jose.insecure_hmac_key_shorter_than_the_hash(b"secret"), typ="at+jwt")),
    (
        "weak_key",
        jose.sign(GOOD, jose.Key.from_secret(b"a-string-secret-at-least-256-bits-long", "HS256"), typ="JWT"),
    ),
    ("never_accepted", raw_token(head(jku="https://evil.example"), GOOD)),
    ("never_accepted", raw_token(head(zip="DEF"), GOOD)),
    ("no_kid", raw_token({"alg": "ES256", "typ": "JWT"}, GOOD)),
    ("no_typ", raw_token({"alg": "ES256", "kid": "1"}, GOOD)),
    ("duplicate", raw_token(head(), b'{"sub":"a","sub":"b"}')),
    ("duplicate", raw_token(b'{"alg":"ES256","alg":"none"}', GOOD)),
    ("milliseconds", raw_token(head(), {**GOOD, "exp": int(NOW) * 1000})),
    ("no_exp", raw_token(head(), {"iss": "a"})),
    ("expired", raw_token(head(), {**GOOD, "exp": NOW})),
    ("longer_than_a_day", raw_token(head(), {**GOOD, "exp": NOW + 90_000})),
    ("longer_than_a_day", raw_token(head(), {"exp": NOW + 90_000})),
    ("longer_than_an_hour", raw_token(head(), {**GOOD, "exp": NOW + 3700})),
    ("no_aud", raw_token(head(), {"iss": "a", "exp": NOW})),
    ("no_iss", raw_token(head(), {"aud": "a", "exp": NOW})),
    ("personal", raw_token(head(), {**GOOD, "email": "a@example.org"})),
    ("large", raw_token(head(), {**GOOD, "x": "y" * 2000})),
    ("too_large", raw_token(head(), {**GOOD, "x": "y" * 6000})),
    ("invisible", raw_token(head(), {**GOOD, "x": {"y": ["a\u202eb"]}})),
    ("invisible", raw_token(head(), {**GOOD, "a\u200bb": 1})),
    ("private_key", "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----"),
]


@pytest.mark.parametrize(("code", "token"), WARNINGS)
def test_a_danger_is_named(code: str, token: str) -> None:
    """Each danger of the table is found, and a good token has none (M-27)."""
    assert code in cautions(token)


FORMS: list[tuple[str, Form, bool]] = [
    ("", Form.EMPTY, False),
    (" \n ", Form.EMPTY, False),
    ("hello", Form.UNKNOWN, False),
    ("a.b", Form.UNKNOWN, False),
    ("a.b.c.d", Form.UNKNOWN, False),
    ("." * 100, Form.UNKNOWN, False),
    ("x" * (limits.EXPLAINED_CHARS + 1), Form.OVERSIZE, False),
    ('{"payload": ""}', Form.JSON, False),
    ("-----BEGIN PUBLIC KEY-----", Form.PEM, False),
    ("ost_cs_" + "a" * 43, Form.CLIENT_SECRET, False),
    (opaque.session_token(bytes(32)), Form.SESSION_TOKEN, True),
    (opaque.session_token(bytes(31)), Form.SESSION_TOKEN, False),
    ("ost_rt_" + "A" * 91, Form.REFRESH_TOKEN, True),
    ("ost_rt_", Form.REFRESH_TOKEN, False),
    (f"{segment({'alg': 'dir', 'enc': 'A256GCM'})}....", Form.JWE, True),
    ("a.b.c.d.e", Form.JWE, False),
    ("a.b.c", Form.JWS, False),
]


@pytest.mark.parametrize(("text", "form", "readable"), FORMS)
def test_the_form_is_told(text: str, form: Form, readable: bool) -> None:
    """By what it looks like, whole or not; and nothing that is not a credential is ever accepted."""
    report = explain(text, now=NOW)
    assert (report.form, report.readable, report.accepted) == (form, readable, None)
    if not readable or form is Form.JWE:
        assert explain(text, now=NOW, keys=(KEY,), rules=RULES).accepted is False


@pytest.mark.parametrize(
    ("part", "code", "token"),
    [
        ("token", "whitespace", "\n".join(jose.sign(GOOD, KEY).partition("."))),
        ("header", "not_base64url", f"!.{segment(GOOD)}.x"),
        ("header", "not_canonical", f"{segment(head())}=.{segment(GOOD)}.xx"),
        ("header", "wrong_members", f"{segment({})}.{segment(GOOD)}.xx"),
        ("payload", "not_json", raw_token(head(), b"no")),
        ("payload", "not_object", raw_token(head(), b"[1]")),
        ("payload", "not_utf8", raw_token(head(), b"\xff")),
        ("payload", "not_finite", raw_token(head(), b'{"exp":NaN}')),
        ("payload", "not_finite", raw_token(head(), b'{"exp":1e999}')),
        ("payload", "not_finite", raw_token(head(), b'{"exp":' + b"9" * 5000 + b"}")),
        ("payload", "too_deep", raw_token(head(), b'{"a":' + b"[" * 16 + b"]" * 16 + b"}")),
        ("payload", "too_many_members", raw_token(head(), {str(number): 1 for number in range(257)})),
        ("signature", "empty", f"{segment(head())}.{segment(GOOD)}."),
        ("signature", "not_base64url", f"{segment(head())}.{segment(GOOD)}.a*b"),
    ],
)
def test_what_cannot_be_read_says_where(part: str, code: str, token: str) -> None:
    """The part, and what is wrong with it; and the strict reader refuses it too (flaw classes 26 to 28)."""
    report = explain(token, now=NOW, keys=(KEY,), rules=RULES)
    assert (part, code) in {(problem.part, problem.code) for problem in report.problems}
    assert report.accepted is False
    with pytest.raises(jose.TokenRejected):
        jose.verify(token, KEY, POLICY, now=NOW)


@pytest.mark.parametrize("around", ["Bearer {}", "  bearer   {}\n", "Authorization: Bearer {}", "DPoP {}", "{}\r\n"])
def test_what_is_copied_along_is_left_out(around: str) -> None:
    """Blanks and a scheme around a token are not held against it."""
    token = jose.sign(GOOD, KEY, typ="at+jwt")
    assert bare_token(around.format(token)) == token
    assert judged(around.format(token)).accepted is True


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
claims = st.dictionaries(st.sampled_from([*GOOD, "nbf", "act", "cnf", "x"]), json_values, max_size=6)


@settings(deadline=None)
@given(change=claims, header=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "cty", "jwk"]), json_values))
@example(change={}, header={})
@example(change={"nbf": NOW + 30, "iat": NOW + 30}, header={})
@example(change={"aud": ["x", "https://api.example"]}, header={})
def test_the_verdict_is_that_of_jose(change: dict[str, Any], header: dict[str, Any]) -> None:
    """Whatever a signed token says: accepted here exactly where `jose.verify` accepts it."""
    token = raw_token(head(**header), {**GOOD, **change})
    keys = jose.KeySet([KEY])
    try:
        jose.verify(token, keys, POLICY, now=NOW)
        accepted = True
    except jose.TokenRejected:
        accepted = False
    assert judged(token, keys).accepted is accepted


@settings(deadline=None)
@given(text=st.text() | st.binary().map(lambda raw: f"{segment(raw)}.{segment(raw)}.{segment(raw)}"))
@example(text="\ud800.\udfff.\x00")
@example(text=f"{segment(b'{' * 9000)}.{segment(b'[' * 9000)}.x")
def test_nothing_raises(text: str) -> None:
    """Any text has a report, and all of it can be shown as JSON."""
    report = explain(text, now=NOW, keys=(KEY,), rules=RULES)
    assert report.accepted is False
    for member in (*(report.header or ()), *(report.claims or ())):
        json.dumps(member.value)
        assert one_line(member.value, 50).isprintable()
        assert all(line.isprintable() for line in indented(member.value, 500).split("\n"))


QUOTE, ESCAPED = b'"', b'\\"'
HOSTILE: list[tuple[str, str]] = [
    ("unknown", "." * 32_000),
    ("unknown", "a " * 16_000),
    ("not_json", f"{segment(b'[' * 16 + QUOTE + b'x' * 20_000)}.e30.x"),
    ("not_json", f"{segment(b'[' * 16 + QUOTE + ESCAPED * 10_000)}.e30.x"),
    ("too_deep", f"{segment(b'[' * 20 + QUOTE + ESCAPED * 10_000)}.e30.x"),
    ("too_deep", f"{segment(b'[' * 20_000)}.e30.x"),
    ("not_object", f"{segment(b'[' + b'1' * 20_000 + b']')}.e30.x"),
    ("not_object", f"{segment(b'1.' + b'1' * 20_000)}.e30.x"),
    ("too_many_members", f"{segment({str(number): 0 for number in range(1500)})}.e30.x"),
]


@pytest.mark.parametrize(("code", "text"), HOSTILE)
def test_hostile_text_is_explained_like_any_other(code: str, text: str) -> None:
    """Texts on which a reader that looks at anything twice would be busy for minutes are read once (M-27)."""
    assert len(text) <= limits.EXPLAINED_CHARS
    report = explain(text, now=NOW, keys=(KEY,), rules=RULES)
    assert code in {report.form.value, *(problem.code for problem in report.problems)}
    assert report.accepted is False


def test_hidden_characters_are_shown_as_escapes() -> None:
    """Nothing that a screen obeys or hides is left: controls, direction marks, halves of characters."""
    assert visible("a\u202eb\x1b[2J\ud800\U000e0001é中") == "a\\u202eb\\u001b[2J\\ud800\\udb40\\udc01é中"
    assert visible("abcdef", 3) == "abc…"
    assert one_line({"a": "\u200b"}, 100) == '{"a": "\\u200b"}'
    assert indented({"a": [1]}, 8).endswith("…")
