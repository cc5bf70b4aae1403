"""What a text that should be a token is and says, and why it would be accepted or refused: for people, never to decide.

`explain` takes any text whatever, raises nothing, and is linear in its length. The signature is checked by the same
function that decides elsewhere; everything else is read leniently, so that what is wrong can be shown.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ostiary import limits
from ostiary.credentials import opaque
from ostiary.credentials.explain_cautions import cautions_of
from ostiary.credentials.explain_checks import Rules, claim_checks, header_checks
from ostiary.credentials.explained import (
    DATES,
    KNOWN_CLAIMS,
    KNOWN_HEADER,
    Check,
    Form,
    Member,
    Outcome,
    Problem,
    Report,
    Signature,
)
from ostiary.credentials.lenient import Loose, read_bytes, read_segment
from ostiary.jose import errors as refusals
from ostiary.jose.header import comparable_type
from ostiary.jose.jws import verify_signature
from ostiary.jose.key_set import KeySet
from ostiary.jose.keys import Key

__all__ = ["Rules", "bare_token", "explain"]

_SCHEME = re.compile(r"(?:authorization:\s*)?(?:bearer|dpop)\s+", re.IGNORECASE | re.ASCII)
_SPACE = re.compile(r"\s+")
_REFRESH_TOKEN_CHARS = len(opaque.REFRESH_TOKEN_PREFIX) + 91
_CLIENT_SECRET_PREFIX = "ost_cs_"  # noqa: S105
_TELLABLE = 253_402_300_800  # Unix seconds: the year 10000, which calendars here do not have
_JWS, _JWE = 3, 5  # segments


def bare_token(text: str) -> str:
    """Without what people copy along: blanks around it, and `Authorization: Bearer`."""
    bare = text.strip()
    scheme = _SCHEME.match(bare)
    return bare[scheme.end() :] if scheme else bare


def explain(text: str, *, now: float, keys: Sequence[Key | KeySet] = (), rules: Rules | None = None) -> Report:
    """The report on `text` at `now` (Unix seconds). Without `keys` no signature is checked; without `rules` nobody
    judges, and `checks` stay empty."""
    token = bare_token(text)
    size = len(token)
    if size > limits.EXPLAINED_CHARS:
        return _refused(Form.OVERSIZE, size, rules)
    if not token:
        return _refused(Form.EMPTY, size, rules)
    spaced = _SPACE.search(token) is not None and not token.startswith(("{", "[", "-----"))
    if spaced:
        token = _SPACE.sub("", token)  # a token that was wrapped on its way
    form = form_of(token)
    report = Report(form=form, size=size, problems=_problem("token", "whitespace") if spaced else ())
    if form is Form.JWS:
        report = _explain_jws(token, report, now, keys, rules)
    elif form is Form.JWE:
        report = _explain_jwe(token, report)
    elif _is_cut(form, token):
        report = _with_problem(report, "token", "wrong_length")
    if rules is not None:
        report = _judged(report)
    return replace(report, cautions=cautions_of(report, token, now))


def _is_cut(form: Form, token: str) -> bool:
    if form is Form.SESSION_TOKEN:
        return not opaque.is_session_token(token)
    return form is Form.REFRESH_TOKEN and len(token) != _REFRESH_TOKEN_CHARS


def form_of(token: str) -> Form:
    """By prefix and number of segments; nothing is decoded."""
    if token.startswith(opaque.SESSION_TOKEN_PREFIX):
        return Form.SESSION_TOKEN
    if token.startswith(opaque.REFRESH_TOKEN_PREFIX):
        return Form.REFRESH_TOKEN
    if token.startswith(_CLIENT_SECRET_PREFIX):
        return Form.CLIENT_SECRET
    if token.startswith(("{", "[")):
        return Form.JSON
    if token.startswith("-----"):
        return Form.PEM
    return {_JWS: Form.JWS, _JWE: Form.JWE}.get(token.count(".") + 1, Form.UNKNOWN)


def _refused(form: Form, size: int, rules: Rules | None) -> Report:
    report = Report(form=form, size=size)
    return report if rules is None else _judged(report)


def _judged(report: Report) -> Report:
    """With the first of all checks in front: is there anything to check?"""
    code = "ok" if report.readable else "malformed"
    if report.readable and report.size > limits.CREDENTIAL_CHARS and report.form is not Form.JWE:
        code = "too_large"
    first = Check(name="form", outcome=Outcome.PASSED if code == "ok" else Outcome.FAILED, code=code)
    return replace(report, judged=True, checks=(first, *report.checks))


def _explain_jws(token: str, report: Report, now: float, keys: Sequence[Key | KeySet], rules: Rules | None) -> Report:
    first, second, third = token.split(".")
    head, body = read_segment(first), read_segment(second)
    _, problem = read_bytes(third)
    problems = (
        *report.problems,
        *(Problem(part="header", code=code) for code in head.problems),
        *(Problem(part="payload", code=code) for code in body.problems),
        *_problem("signature", problem),
        *(_problem("signature", "empty") if not third else ()),
        *_missing_alg(head),
    )
    whole = not problems
    report = replace(
        report,
        problems=problems,
        type=_type_of(head),
        header=_members(head, KNOWN_HEADER),
        claims=_members(body, KNOWN_CLAIMS),
        signature=_signature(token, head, keys, whole=whole),
    )
    if rules is None:
        return report
    steps = [*header_checks(head.members, report.signature)] if head.members is not None else []
    if body.members is not None:
        steps += claim_checks(body.members, report.type, rules, now)
    return replace(report, checks=tuple(steps))


def _explain_jwe(token: str, report: Report) -> Report:
    first, *others = token.split(".")
    head = read_segment(first)
    problems = [
        *report.problems,
        *(Problem(part="header", code=code) for code in head.problems),
        *_missing_alg(head),
    ]
    for segment in others:
        if read_bytes(segment)[1]:
            problems += _problem("token", "not_base64url")
            break
    signature = Signature(code="encrypted", alg=_text(head, "alg"), kid=_text(head, "kid"))
    return replace(
        report,
        problems=tuple(problems),
        type=_type_of(head),
        header=_members(head, KNOWN_HEADER),
        signature=signature,
        checks=(Check(name="signature", outcome=Outcome.FAILED, code="encrypted"),),
    )


def _signature(token: str, head: Loose, keys: Sequence[Key | KeySet], *, whole: bool) -> Signature:
    alg, kid = _text(head, "alg"), _text(head, "kid")
    if head.members is None:
        return Signature(code="unreadable")
    if alg.lower() == "none":
        return Signature(code="unsigned", alg=alg, kid=kid)
    if not keys:
        return Signature(code="no_keys", alg=alg, kid=kid)
    if not whole or len(token) > limits.CREDENTIAL_CHARS:
        return Signature(code="malformed", alg=alg, kid=kid)
    refused = refusals.MalformedToken.code
    for known in keys:
        try:
            verified = verify_signature(token, known)
        except (refusals.UnknownKey, refusals.AlgorithmNotAllowed) as error:
            # of several sets, one may have the key: "unknown" says more than "not the algorithm of this set"
            refused = error.code if refused != refusals.UnknownKey.code else refused
        except refusals.JoseError as error:
            return Signature(code=error.code, alg=alg, kid=kid)
        else:
            return Signature(code="verified", alg=alg, kid=verified.key.kid)
    return Signature(code=refused, alg=alg, kid=kid)


def _missing_alg(head: Loose) -> tuple[Problem, ...]:
    """`alg` must be there, and these must be strings (RFC 7515 section 4.1)."""
    if head.members is None:
        return ()
    texts = all(isinstance(head.members.get(name, ""), str) for name in ("alg", "typ", "kid", "cty"))
    return () if "alg" in head.members and texts else _problem("header", "wrong_members")


def _members(loose: Loose, known: frozenset[str]) -> tuple[Member, ...] | None:
    if loose.members is None:
        return None
    return tuple(
        Member(name=name, value=value, known=name in known, at=_instant(name, value))
        for name, value in loose.members.items()
    )


def _instant(name: str, value: Any) -> float | None:
    if name not in DATES or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _TELLABLE else None


def _type_of(head: Loose) -> str:
    return comparable_type(_text(head, "typ"))


def _text(head: Loose, name: str) -> str:
    value = head.members.get(name) if head.members is not None else None
    return value if isinstance(value, str) else ""


def _problem(part: str, code: str) -> tuple[Problem, ...]:
    return (Problem(part=part, code=code),) if code else ()


def _with_problem(report: Report, part: str, code: str) -> Report:
    return replace(report, problems=(*report.problems, *_problem(part, code)))
