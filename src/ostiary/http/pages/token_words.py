"""A report on a token in words: for the page, and in English for the command line."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ostiary import limits
from ostiary.credentials.access_token import PRIVATE_CLAIMS
from ostiary.credentials.explained import KNOWN_TYPES, Caution, Check, Member, Report
from ostiary.credentials.lenient import indented, one_line, visible
from ostiary.http.pages.language import Translator

VALUE_CHARS = 512  # of one value in a table; the whole of it stands in the JSON
NAME_CHARS = 64
JSON_CHARS = 16 * 1024  # of one part as indented JSON
_TELLABLE = 253_402_300_800  # Unix seconds: the year 10000
_SECONDS_BELOW = 120  # nearer than this is told in seconds: tokens live for minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One member, explained. `when` is "" for what is not a date."""

    name: str
    value: str
    meaning: str
    when: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One check, told. `outcome` is that of `Check`, as text."""

    name: str
    code: str
    outcome: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """Everything as text that is safe to show anywhere; HTML still has to escape it. `verdict`: `accepted`, `refused`,
    `unreadable` or `read`. `header` and `claims` are None where they could not be read."""

    verdict: str
    verdict_text: str
    reason: str
    form: str
    kind: str
    size: str
    problems: tuple[str, ...]
    signature: str
    verified: bool
    header: tuple[Row, ...] | None
    claims: tuple[Row, ...] | None
    header_json: str = field(repr=False)
    claims_json: str = field(repr=False)
    steps: tuple[Step, ...]
    cautions: tuple[str, ...]


def token_view(t: Translator, report: Report, now: float) -> TokenView:
    """The report in the language of `t`, with times as they are seen at `now`."""
    verdict = verdict_of(report)
    refusal = report.refusal
    problems = tuple(
        f"{t(f'token.part.{one.part}')}{_colon(t)}{t(f'token.problem.{one.code}')}" for one in report.problems
    )
    if verdict == "refused" and refusal is not None and (refusal.name != "form" or not problems):
        reason = check_text(t, refusal, now)
    else:
        reason = problems[0] if problems else ""
    known = report.type in KNOWN_TYPES
    signature = report.signature
    return TokenView(
        verdict=verdict,
        verdict_text=t(f"token.verdict.{verdict}"),
        reason=reason,
        form=t(f"token.form.{report.form.value}"),
        kind=t(f"token.type.{report.type}") if known else "",
        size=t("debugger.size", size=report.size),
        problems=problems,
        signature=""
        if signature is None
        else t(
            f"token.signature.{signature.code}",
            kid=one_line(signature.kid, NAME_CHARS),
            alg=one_line(signature.alg, NAME_CHARS),
        ),
        verified=signature is not None and signature.code == "verified",
        header=_rows(t, report.header, "header", now),
        claims=_rows(t, report.claims, "claim", now),
        header_json=_json(report.header),
        claims_json=_json(report.claims),
        steps=tuple(
            Step(
                name=check.name,
                code=check.code,
                outcome=check.outcome.value,
                title=check_title(t, check),
                text=check_text(t, check, now),
            )
            for check in report.checks
        ),
        cautions=tuple(caution_text(t, caution, now) for caution in report.cautions),
    )


def verdict_of(report: Report) -> str:
    """`accepted`, `refused`, `unreadable` or `read`."""
    if not report.readable:
        return "unreadable"
    return {True: "accepted", False: "refused", None: "read"}[report.accepted]


def check_title(t: Translator, check: Check) -> str:
    """The name of a step; that of a claim without a step of its own is the claim's."""
    key = f"token.check.{check.name}"
    return t(key) if t.has(key) else t("token.check.other", claim=visible(check.name, NAME_CHARS))


def check_text(t: Translator, check: Check, now: float) -> str:
    """How a step came out, as a sentence."""
    own, general = f"token.check.{check.name}.{check.code}", f"token.check.{check.code}"
    key = own if t.has(own) else general if t.has(general) else "token.check.shape.invalid"
    return t(key, when=moment(t, check.at, now), **check.values)


def caution_text(t: Translator, caution: Caution, now: float) -> str:
    """A caution as a sentence."""
    return t(f"token.caution.{caution.code}", when=moment(t, caution.at, now), **caution.values)


def member_meaning(t: Translator, part: str, member: Member) -> str:
    """What a member means. `part`: `header` or `claim`."""
    if member.known:
        return t(f"token.{part}.{member.name}")
    return t("token.claim.personal" if part == "claim" and member.name in PRIVATE_CLAIMS else f"token.{part}.unknown")


def moment(t: Translator, at: float | None, now: float) -> str:
    """An instant for people: how far away, and exactly."""
    if at is None or not 0 <= at < _TELLABLE:
        return t("token.when.unknown")
    distance = abs(now - at)
    if distance < _SECONDS_BELOW:
        relative = t.number("token.seconds.past" if at <= now else "token.seconds.future", int(distance))
    else:
        relative = t.relative(at, now)
    return t("token.when", relative=relative, exact=t.exact(at))


def _rows(t: Translator, members: Iterable[Member] | None, part: str, now: float) -> tuple[Row, ...] | None:
    if members is None:
        return None
    return tuple(
        Row(
            name=visible(member.name, NAME_CHARS),
            value=one_line(member.value, VALUE_CHARS),
            meaning=member_meaning(t, part, member),
            when=moment(t, member.at, now) if member.at is not None else "",
        )
        for _, member in zip(range(limits.JSON_MEMBERS), members, strict=False)
    )


def _json(members: Iterable[Member] | None) -> str:
    if members is None:
        return ""
    values: dict[str, Any] = {member.name: member.value for member in members}
    return indented(values, JSON_CHARS)


def _colon(t: Translator) -> str:
    return "：" if t.language == "zh-CN" else ": "
