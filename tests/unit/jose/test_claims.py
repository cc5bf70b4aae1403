"""Known flaw classes 37 to 43 and 56, M-25 to M-27: what a verified payload must say, and what its reader gets."""

import itertools
import json
import math
from typing import Any

import msgspec
import pytest
from tests.unit.jose.forge import (
    AUDIENCE,
    ISSUER,
    NOW,
    POLICY,
    claims,
    code_of,
    good,
    header,
    key,
    payload_code,
    raw_token,
)

from ostiary import jose

SIGNER = key("HS256")


def policy(**changes: Any) -> jose.Policy:
    return jose.Policy(**{"issuer": ISSUER, "audience": AUDIENCE, "type": "at+jwt", **changes})


def accepts(payload: dict[str, Any], now: float = NOW, **changes: Any) -> jose.Claims:
    return jose.verify(raw_token(header(SIGNER), payload, SIGNER), SIGNER, policy(**changes), now=now)


@pytest.mark.parametrize(
    "value", ["9999999999", "", True, False, None, [], [1], {}, {"$date": 1}, -1, -0.5, 10**12, 1e12, 1e300], ids=repr
)
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_flaw_37_a_date_that_is_none(name: str, value: object) -> None:
    """A date that is no number of seconds is refused, and never taken for an absent one."""
    assert payload_code(claims(**{name: value})) == "invalid_claim"


def test_m27_milliseconds() -> None:
    """M-27: dates in milliseconds are out of range, whichever claim carries them."""
    for name in ("exp", "nbf", "iat"):
        assert payload_code(claims(**{name: int(NOW * 1000)})) == "invalid_claim"
        with pytest.raises(jose.Unsignable):
            jose.sign(claims(**{name: int(NOW * 1000)}), SIGNER)


@pytest.mark.parametrize("name", ["sub", "jti"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["a"]], ids=repr)
def test_flaw_37_names_are_strings(name: str, value: object) -> None:
    """`sub` and `jti` are strings wherever they appear (RFC 7519 sections 4.1.2 and 4.1.7)."""
    assert payload_code(claims(**{name: value})) == "invalid_claim"


@pytest.mark.parametrize(("value", "code"), [
    ([], "invalid_claim"), ("", "wrong_audience"), (None, "invalid_claim"), ([AUDIENCE, 1], "invalid_claim"),
    ({AUDIENCE: 1}, "invalid_claim"), (True, "invalid_claim"), (AUDIENCE + "2", "wrong_audience"),
    (AUDIENCE[:-1], "wrong_audience"), (AUDIENCE + "/", "wrong_audience"), (AUDIENCE.upper(), "wrong_audience"),
    (["other"], "wrong_audience"), ([[AUDIENCE]], "invalid_claim"), ([""], "wrong_audience"), (..., "missing_claim"),
], ids=repr)  # fmt: skip
def test_flaw_38_audience(value: object, code: str) -> None:
    """`aud` is one string or a list of strings, compared whole; absent, empty or ill-typed is refused."""
    assert payload_code(claims(aud=value)) == code
    assert payload_code(claims(aud=value), policy(audience=(AUDIENCE, "another"))) == code


def test_flaw_38_one_common_name_is_enough() -> None:
    """Being one of several audiences, or having several names, is fine."""
    assert accepts(claims(aud=["other", AUDIENCE]))["aud"] == ["other", AUDIENCE]
    assert accepts(claims(aud="b"), audience=("a", "b"))
    assert payload_code(claims(aud=["c"]), policy(audience=("a", "b"))) == "wrong_audience"
    assert payload_code(claims(aud="a"), policy(audience=("ab", "ca"))) == "wrong_audience"


@pytest.mark.parametrize(("value", "code"), [
    ([ISSUER], "invalid_claim"), (ISSUER + "/", "wrong_issuer"), (ISSUER[:-1], "wrong_issuer"), ("", "wrong_issuer"),
    (ISSUER.upper(), "wrong_issuer"), (None, "invalid_claim"), ({}, "invalid_claim"), (..., "missing_claim"),
    (ISSUER + ".evil", "wrong_issuer"), (1, "invalid_claim"),
], ids=repr)  # fmt: skip
def test_flaw_39_issuer(value: object, code: str) -> None:
    """`iss` is one string, compared whole."""
    assert payload_code(claims(iss=value)) == code


@pytest.mark.parametrize("pattern", [".*", "https://.*", "^https://auth.example$", "*", "%"])
def test_flaw_40_nothing_is_a_pattern(pattern: str) -> None:
    """A policy's words are compared, never matched."""
    assert payload_code(claims(), policy(issuer=pattern)) == "wrong_issuer"
    assert payload_code(claims(), policy(audience=pattern)) == "wrong_audience"


def test_flaw_41_boundaries() -> None:
    """Live while now < exp, with no leeway; `nbf` and `iat` have the leeway and not a second more."""
    assert accepts(claims(exp=NOW + 0.001))
    assert payload_code(claims(exp=NOW)) == "expired"
    assert payload_code(claims(exp=NOW - 1), policy(leeway=3600)) == "expired"
    assert accepts(claims(nbf=NOW + 30, iat=NOW + 30))
    assert payload_code(claims(nbf=NOW + 30.5)) == "not_yet_valid"
    assert payload_code(claims(iat=NOW + 30.5)) == "issued_in_future"
    assert payload_code(claims(nbf=NOW + 1), policy(leeway=0)) == "not_yet_valid"
    assert payload_code(claims(iat=NOW + 1), policy(leeway=0)) == "issued_in_future"
    assert payload_code(claims(), now=math.nan) == "expired"


def test_flaw_41_max_age() -> None:
    """`max_age` counts from `iat` and demands it."""
    assert accepts(claims(iat=NOW - 60), max_age=60)
    assert payload_code(claims(iat=NOW - 61), policy(max_age=60)) == "too_old"
    assert payload_code(claims(iat=...), policy(max_age=60)) == "missing_claim"
    assert accepts(claims(iat=...))


@pytest.mark.parametrize("changes", [
    {"leeway": -1}, {"leeway": math.nan}, {"leeway": math.inf}, {"max_age": -1}, {"max_age": math.nan}, {"issuer": ""},
    {"audience": ""}, {"audience": ()}, {"audience": ("a", "")}, {"type": ""}, {"issuer": None}, {"type": None},
    {"required": ("",)}, {"required": "sub"}, {"audience": (1,)},
], ids=repr)  # fmt: skip
def test_a_policy_that_protects_nothing(changes: dict[str, Any]) -> None:
    """A policy without issuer, audience or type, or with an impossible time, cannot be made."""
    with pytest.raises(jose.InvalidPolicy):
        policy(**changes)


KINDS = ("at+jwt", "session+jwt", "one-time+jwt", "dpop+jwt", "logout+jwt", "statuslist+jwt", "JWT")


@pytest.mark.parametrize(("made", "wanted"), list(itertools.product(KINDS, KINDS)))
def test_flaw_42_a_token_of_one_kind_is_no_other(made: str, wanted: str) -> None:
    """RFC 8725 section 3.11: of all pairs of kinds, only equal ones are accepted."""
    token = jose.sign(claims(), SIGNER, typ=made)
    if made == wanted:
        assert jose.verify(token, SIGNER, policy(type=wanted), now=NOW)
    else:
        assert code_of(token, SIGNER, policy(type=wanted)) == "wrong_type"


@pytest.mark.parametrize("typ", ["AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_flaw_42_spellings_of_one_type(typ: str) -> None:
    """RFC 7515 section 4.1.9: case and the `application/` prefix do not count, in the token and in the policy."""
    assert jose.verify(jose.sign(claims(), SIGNER, typ=typ), SIGNER, POLICY, now=NOW)
    assert jose.verify(good(SIGNER), SIGNER, policy(type=typ), now=NOW)


@pytest.mark.parametrize(
    "typ", ["at", "jwt", "at+jwt ", "xat+jwt", "text/at+jwt", "application/application/at+jwt", "", ...], ids=repr
)
def test_flaw_42_another_or_no_type(typ: object) -> None:
    """An absent type is a wrong one."""
    assert code_of(raw_token(header(SIGNER, typ=typ), claims(), SIGNER), SIGNER) == "wrong_type"


def test_flaw_43_required_claims() -> None:
    """`exp` is demanded by every policy, other claims by those that name them; null is not absent."""
    assert payload_code(claims(exp=...)) == "missing_claim"
    assert payload_code(claims(jti=...), policy(required=("sub", "jti"))) == "missing_claim"
    assert accepts(claims(jti="1", x=None), required=("sub", "jti", "x"))


def test_m25_order_of_the_checks() -> None:
    """M-25: type, issuer, audience, expiry, not-before, issued-at: of several faults the first is reported."""
    faults: list[tuple[str, dict[str, Any]]] = [
        ("wrong_issuer", {"iss": "x"}), ("wrong_audience", {"aud": "x"}), ("expired", {"exp": 1}),
        ("not_yet_valid", {"nbf": NOW + 99}), ("issued_in_future", {"iat": NOW + 99}), ("missing_claim", {"jti": ...}),
    ]  # fmt: skip
    strict = policy(required=("jti",))
    for first, (code, _) in enumerate(faults):
        changes = {"jti": "1"}
        for _, fault in faults[first:]:
            changes.update(fault)
        assert payload_code(claims(**changes), strict) == code
    wrong_type = jose.sign(claims(iss="x", exp=1), SIGNER, typ="other")
    assert code_of(wrong_type, SIGNER) == "wrong_type"


def test_m23_each_refusal_has_its_own_stable_code() -> None:
    """M-23: the codes are part of the contract, and `claim` says which claim decided."""
    found = {}
    for changes in (
        {"exp": 1},
        {"nbf": NOW + 99},
        {"aud": "x"},
        {"iss": "x"},
        {"iat": NOW + 99},
        {"exp": ...},
        {"iat": "x"},
    ):
        with pytest.raises(jose.TokenRejected) as caught:
            accepts(claims(**changes))
        assert caught.value.status == 401
        assert caught.value.reason
        found[caught.value.code] = caught.value.claim
    assert found == {"expired": "exp", "not_yet_valid": "nbf", "wrong_audience": "aud", "wrong_issuer": "iss",
                     "issued_in_future": "iat", "missing_claim": "exp", "invalid_claim": "iat"}  # fmt: skip


def test_flaw_56_one_reader_cannot_change_what_another_sees() -> None:
    """Claims and header are views that do not change; what comes out of them is the reader's own."""
    payload = claims(roles=["user"], act={"sub": "svc", "act": {"sub": "svc2"}})
    accepted = accepts(payload)
    accepted["roles"].append("admin")
    accepted["act"]["act"]["sub"] = "root"
    for value in accepted.values():
        if isinstance(value, list):
            value.clear()
    assert dict(accepted) == payload
    assert accepted == payload
    for change in (
        lambda: accepted.__setitem__("sub", "x"),
        lambda: accepted.__delitem__("sub"),
        lambda: accepted.update({}),
    ):  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            change()
    token = raw_token(header(SIGNER, x=["a"]), claims(), SIGNER)
    first = jose.verify(token, SIGNER, POLICY, now=NOW)
    first.header["x"].append("b")
    assert jose.verify(token, SIGNER, POLICY, now=NOW).header["x"] == ["a"]
    assert json.loads(json.dumps(dict(accepted))) == payload


def test_claims_are_a_mapping() -> None:
    """They read like a dictionary, and print their names only."""
    accepted = accepts(claims(email="a@example.org"))
    assert accepted["sub"] == "acc_1"
    assert accepted.get("absent") is None
    assert "sub" in accepted
    assert len(accepted) == 7
    assert next(iter(accepted)) == "iss"
    assert (accepted.header.alg, accepted.header.kid, accepted.header.type) == ("HS256", SIGNER.kid, "at+jwt")
    assert accepted.header["typ"] == "at+jwt"
    assert "email" in repr(accepted)
    assert "example.org" not in repr(accepted)


class Wanted(msgspec.Struct):
    sub: str
    exp: float
    roles: tuple[str, ...] = ()


def test_claims_become_a_type() -> None:
    """Claims convert to the caller's own type, or are refused."""
    assert accepts(claims(roles=["a"])).into(Wanted) == Wanted("acc_1", NOW + 300, ("a",))
    with pytest.raises(jose.InvalidClaim):
        accepts(claims(roles="a")).into(Wanted)


def test_a_policy_can_be_chosen_by_type() -> None:
    """Signature first, then the policy that fits the kind: the two halves of `verify` are callable by themselves."""
    verified = jose.verify_signature(good(SIGNER), SIGNER)
    assert verified.key is SIGNER
    policies = {"at+jwt": POLICY, "session+jwt": policy(type="session+jwt")}
    assert verified.header.type
    assert jose.check_claims(verified, policies[verified.header.type], NOW)["sub"] == "acc_1"


def test_without_now_the_clock_is_read() -> None:
    """`verify` with three arguments judges by the system's clock."""
    with pytest.raises(jose.Expired):
        jose.verify(good(SIGNER, iat=0, exp=1), SIGNER, POLICY)
    assert jose.verify(good(SIGNER, iat=0, exp=10**11), SIGNER, POLICY)
