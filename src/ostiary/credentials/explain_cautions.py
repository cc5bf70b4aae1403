"""What is dangerous about a token, whoever accepts it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ostiary import limits
from ostiary.credentials.access_token import PRIVATE_CLAIMS
from ostiary.credentials.explained import DATES, Caution, Form, Report
from ostiary.credentials.lenient import visible
from ostiary.jose.algorithms import ALGORITHMS
from ostiary.jose.errors import JoseError
from ostiary.jose.header import NEVER_ACCEPTED
from ostiary.jose.jws import verify_signature
from ostiary.jose.keys import insecure_hmac_key_shorter_than_the_hash

_HOUR, _DAY = 3600, 86_400
_MILLISECONDS_FROM = 10**11  # a date above this was meant in milliseconds: as seconds it is beyond the year 5000
_NAME_CHARS, _NAMES = 40, 8
_GUESSES = (
    "secret", "secretkey", "secret-key", "secret_key", "mysecret", "my-secret", "password", "changeme", "changethis",
    "change-me", "default", "test", "key", "jwt", "jwt-secret", "jwt_secret", "supersecret", "123456", "qwerty",
    "your-secret-key", "your_secret_key", "your-256-bit-secret", "your-384-bit-secret", "your-512-bit-secret",
    "a-string-secret-at-least-256-bits-long", "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
)  # fmt: skip
"""Secrets of documentation pages and the first that anybody tries. Trying them costs less than one real signature."""


def cautions_of(report: Report, token: str, now: float) -> tuple[Caution, ...]:
    """The gravest first."""
    return tuple(_cautions(report, token, now))


def _cautions(report: Report, token: str, now: float) -> Iterator[Caution]:
    header = {member.name: member.value for member in report.header or ()}
    claims = {member.name: member.value for member in report.claims or ()}
    if report.form is Form.PEM and "PRIVATE KEY" in token:
        yield Caution(code="private_key")
    if report.form is Form.JWS and report.header is not None:
        yield from _of_algorithm(header, token, whole=report.readable)
        yield from _of_header(header)
    yield from _of_problems(report)
    if report.form is Form.JWS and report.claims is not None:
        yield from _of_claims(claims, now)
    if report.form in (Form.JWS, Form.JWE) and report.size > limits.ISSUED_TOKEN_CHARS:
        most = limits.CREDENTIAL_CHARS if report.form is Form.JWS else limits.ENCRYPTED_CREDENTIAL_CHARS
        yield Caution(
            code="too_large" if report.size > most else "large", values={"size": str(report.size), "most": str(most)}
        )
    if any(name != visible(name) or _hides(value) for name, value in (*header.items(), *claims.items())):
        yield Caution(code="invisible")


def _of_algorithm(header: Mapping[str, Any], token: str, *, whole: bool) -> Iterator[Caution]:
    alg = header.get("alg")
    if not isinstance(alg, str):
        return
    if alg.lower() == "none":
        yield Caution(code="alg_none")
    elif alg not in ALGORITHMS:
        yield Caution(code="alg_unknown", values={"alg": visible(alg, _NAME_CHARS)})
    elif ALGORITHMS[alg].symmetric:
        yield Caution(code="weak_key" if whole and _guessed(token, alg) else "hmac", values={"alg": alg})


def _guessed(token: str, alg: str) -> bool:
    for guess in _GUESSES:
        try:
            verify_signature(token, insecure_hmac_key_shorter_than_the_hash(guess.encode(), alg))
        except JoseError:
            continue
        return True
    return False


def _of_header(header: Mapping[str, Any]) -> Iterator[Caution]:
    forbidden = sorted(NEVER_ACCEPTED.intersection(header))
    if forbidden:
        yield Caution(code="never_accepted", values={"names": ", ".join(forbidden)})
    if "kid" not in header and "jwk" not in header:
        yield Caution(code="no_kid")
    if "typ" not in header:
        yield Caution(code="no_typ")


def _of_problems(report: Report) -> Iterator[Caution]:
    codes = {problem.code for problem in report.problems}
    if "duplicate" in codes:
        yield Caution(code="duplicate")


def _of_claims(claims: Mapping[str, Any], now: float) -> Iterator[Caution]:
    expiry, issued = _number(claims.get("exp")), _number(claims.get("iat"))
    if any((_number(claims.get(name)) or 0) >= _MILLISECONDS_FROM for name in DATES):
        yield Caution(code="milliseconds")
    elif "exp" not in claims:
        yield Caution(code="no_exp")
    elif expiry is not None:
        if now >= expiry:
            yield Caution(code="expired", at=expiry if expiry >= 0 else None)
        life = expiry - (issued if issued is not None else now)
        if life > _DAY:
            yield Caution(code="longer_than_a_day")
        elif life > _HOUR:
            yield Caution(code="longer_than_an_hour")
    if "aud" not in claims:
        yield Caution(code="no_aud")
    if "iss" not in claims:
        yield Caution(code="no_iss")
    private = sorted(PRIVATE_CLAIMS.intersection(claims))
    if private:
        yield Caution(code="personal", values={"names": ", ".join(private[:_NAMES])})


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _hides(value: Any) -> bool:
    """Whether a text somewhere inside holds what a screen would hide or obey. Depth is bounded by the reader."""
    if isinstance(value, str):
        return not value.isprintable()
    if isinstance(value, list):
        return any(map(_hides, value))
    if isinstance(value, dict):
        return any(not name.isprintable() or _hides(item) for name, item in value.items())
    return False
