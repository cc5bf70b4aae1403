"""The verdict, step by step, in the order of a verifier: header, key, signature, `typ`, `iss`, `aud`, times, the rest.

A verifier stops at the first step that fails. Here each is told, because whoever asks wants to mend all of them.
`ostiary.jose` decides; a test holds these steps to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ostiary.credentials.explained import Check, Outcome, Signature
from ostiary.credentials.lenient import one_line
from ostiary.jose.algorithms import ALGORITHMS
from ostiary.jose.claims import read_date
from ostiary.jose.errors import InvalidClaim
from ostiary.jose.header import NEVER_ACCEPTED, comparable_type
from ostiary.limits import KID_CHARS

SHOWN_CHARS = 120  # of one value inside a sentence
_SHOWN_NAMES = 8  # of a list inside a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is expected. `audience` and `types`: any one of them. `max_age` in seconds since `iat`, which is then
    demanded. `required`: further claims that must be there. `actors`: whether a token with `act` is acceptable."""

    issuer: str
    audience: tuple[str, ...]
    types: tuple[str, ...]
    leeway: float = 30.0
    max_age: float | None = None
    required: tuple[str, ...] = ()
    actors: bool = True


def header_checks(header: Mapping[str, Any], signature: Signature | None) -> list[Check]:
    """`header`, `algorithm`, `key`, `signature`."""
    found = signature or Signature(code="unreadable")
    alg, kid = (one_line(text, SHOWN_CHARS) for text in (found.alg, found.kid))
    forbidden = sorted(NEVER_ACCEPTED.intersection(header))
    checks = [
        _check("header", "never_accepted" if forbidden else "ok", names=_names(forbidden)),
        _check("algorithm", _algorithm(found), alg=alg),
    ]
    if found.code in ("unsigned", "malformed", "unreadable", "no_keys"):
        return [*checks, _check("signature", found.code)]
    if found.code == "unknown_key" or len(found.kid) > KID_CHARS:
        return [*checks, _check("key", "unknown_key" if found.kid else "no_kid", kid=kid), _skipped("signature")]
    if found.code == "algorithm_not_allowed":
        return [*checks, _skipped("key"), _skipped("signature")]
    return [
        *checks,
        _check("key", "ok", kid=kid),
        _check("signature", "ok" if found.code == "verified" else found.code),
    ]


def _algorithm(signature: Signature) -> str:
    if signature.code == "unsigned":
        return "none"
    if signature.alg not in ALGORITHMS:
        return "unknown_algorithm"
    return "algorithm_not_allowed" if signature.code == "algorithm_not_allowed" else "ok"


def claim_checks(claims: Mapping[str, Any], typ: str, rules: Rules, now: float) -> list[Check]:
    """`typ`, `iss`, `aud`, `exp`, `nbf`, `iat`, then what else is demanded."""
    checks = [
        _type(typ, rules),
        _issuer(claims, rules),
        _audience(claims, rules),
        _expiry(claims, now),
        _not_before(claims, rules, now),
        _issued(claims, rules, now),
    ]
    checks += [
        _check(name, "invalid_claim", claim=name)
        for name in ("sub", "jti")
        if not isinstance(claims.get(name, ""), str)
    ]
    checks += [_check(name, "missing_claim", claim=name) for name in rules.required if name not in claims]
    if not rules.actors:
        checks.append(_check("act", "acting" if "act" in claims else "ok"))
    return checks


def _type(typ: str, rules: Rules) -> Check:
    expected = [comparable_type(name) for name in rules.types]
    code = "ok" if typ in expected else "wrong_type" if typ else "missing_type"
    return _check("typ", code, typ=one_line(typ, SHOWN_CHARS), expected=_names(expected))


def _issuer(claims: Mapping[str, Any], rules: Rules) -> Check:
    if "iss" not in claims:
        return _check("iss", "missing_claim", claim="iss")
    issuer = claims["iss"]
    code = "invalid_claim" if not isinstance(issuer, str) else "ok" if issuer == rules.issuer else "wrong_issuer"
    return _check("iss", code, claim="iss", iss=one_line(issuer, SHOWN_CHARS), expected=rules.issuer)


def _audience(claims: Mapping[str, Any], rules: Rules) -> Check:
    if "aud" not in claims:
        return _check("aud", "missing_claim", claim="aud")
    audience = claims["aud"]
    names = [audience] if isinstance(audience, str) else audience
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return _check("aud", "invalid_claim", claim="aud")
    code = "ok" if not set(rules.audience).isdisjoint(names) else "wrong_audience"
    return _check("aud", code, aud=_names(names), expected=_names(rules.audience))


def _expiry(claims: Mapping[str, Any], now: float) -> Check:
    date, wrong = _date(claims, "exp")
    if wrong is not None:
        return wrong
    if date is None:
        return _check("exp", "missing_claim", claim="exp")
    return _check("exp", "ok" if now < date else "expired", at=date)


def _not_before(claims: Mapping[str, Any], rules: Rules, now: float) -> Check:
    date, wrong = _date(claims, "nbf")
    if wrong is not None:
        return wrong
    if date is None:
        return _skipped("nbf")
    return _check("nbf", "ok" if now + rules.leeway >= date else "not_yet_valid", at=date)


def _issued(claims: Mapping[str, Any], rules: Rules, now: float) -> Check:
    date, wrong = _date(claims, "iat")
    if wrong is not None:
        return wrong
    if date is None:
        return _skipped("iat") if rules.max_age is None else _check("iat", "missing_claim", claim="iat")
    if not now + rules.leeway >= date:
        return _check("iat", "issued_in_future", at=date)
    old = rules.max_age is not None and not now - date <= rules.max_age
    return _check("iat", "too_old" if old else "ok", at=date)


def _date(claims: Mapping[str, Any], name: str) -> tuple[float | None, Check | None]:
    try:
        return read_date(claims, name), None
    except InvalidClaim:
        return None, _check(name, "invalid_claim", claim=name)


def _check(name: str, code: str, /, at: float | None = None, **values: str) -> Check:
    return Check(name=name, outcome=Outcome.PASSED if code == "ok" else Outcome.FAILED, code=code, values=values, at=at)


def _skipped(name: str) -> Check:
    return Check(name=name, outcome=Outcome.SKIPPED, code="skipped")


def _names(names: Sequence[str]) -> str:
    shown = [one_line(name, SHOWN_CHARS) for name in names[:_SHOWN_NAMES]]
    return ", ".join(shown) + (" …" if len(names) > _SHOWN_NAMES else "")
