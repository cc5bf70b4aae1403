"""A report on a token, for people and for programs."""

from collections.abc import Iterator
from typing import Any

from ostiary.cli.output import instant, say
from ostiary.credentials.explained import Member, Report
from ostiary.http.pages.language import Translator
from ostiary.http.pages.token_words import (
    Row,
    caution_text,
    check_text,
    member_meaning,
    token_view,
    verdict_of,
)

_MARKS = {"passed": "ok", "failed": "NO", "noted": "--", "skipped": "--"}


def report_shape(report: Report, now: float) -> dict[str, Any]:
    """The report as JSON. `accepted` is null where nobody judged."""
    t = Translator("en")
    view = token_view(t, report, now)
    refusal = report.refusal
    refused = report.accepted is False
    return {
        "form": report.form.value,
        "type": report.type or None,
        "characters": report.size,
        "readable": report.readable,
        "verdict": verdict_of(report),
        "accepted": report.accepted,
        "code": refusal.code if refused and refusal else None,
        "step": refusal.name if refused and refusal else None,
        "claim": refusal.name if refused and refusal and _is_claim(report, refusal.name) else None,
        "reason": view.reason or None,
        "problems": [
            {"part": problem.part, "code": problem.code, "text": text}
            for problem, text in zip(report.problems, view.problems, strict=True)
        ],
        "header": _members(t, report.header, "header"),
        "claims": _members(t, report.claims, "claim"),
        "signature": {
            "code": report.signature.code,
            "alg": report.signature.alg or None,
            "kid": report.signature.kid or None,
            "text": view.signature,
        }
        if report.signature is not None
        else None,
        "checks": [
            {
                "name": check.name,
                "outcome": check.outcome.value,
                "code": check.code,
                "text": check_text(t, check, now),
            }
            for check in report.checks
        ],
        "cautions": [{"code": caution.code, "text": caution_text(t, caution, now)} for caution in report.cautions],
    }


def _is_claim(report: Report, name: str) -> bool:
    """`typ` stands in the header and decides like a claim; steps such as `signature` name none."""
    return name in ("iss", "aud", "exp", "nbf", "iat", "sub", "jti", "act") or any(
        member.name == name for member in report.claims or ()
    )


def _members(t: Translator, members: tuple[Member, ...] | None, part: str) -> list[dict[str, Any]] | None:
    if members is None:
        return None
    return [
        {
            "name": member.name,
            "value": member.value,
            "meaning": member_meaning(t, part, member),
            **({"at": instant(member.at)} if member.at is not None else {}),
        }
        for member in members
    ]


def print_report(report: Report, now: float) -> None:
    """The report on stdout."""
    for line in _lines(report, now):
        say(line)


def _lines(report: Report, now: float) -> Iterator[str]:
    view = token_view(Translator("en"), report, now)
    yield f"{view.verdict_text}: {view.reason}" if view.reason else view.verdict_text
    refusal = report.refusal
    if report.accepted is False and refusal is not None:
        yield f"  code {refusal.code}, step {refusal.name}"
    yield ""
    yield f"{view.form}, {view.size}"
    yield from (text for text in (view.kind, view.signature) if text)
    yield from _section("Problems", (f"  {text}" for text in view.problems))
    yield from _section("Cautions", (f"  ! {text}" for text in view.cautions))
    width = max((len(step.title) for step in view.steps), default=0)
    yield from _section(
        "Step by step", (f"  {_MARKS[step.outcome]}  {step.title:<{width}}  {step.text}" for step in view.steps)
    )
    yield from _section("Header", _rows(view.header))
    yield from _section("Payload", _rows(view.claims))


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield title
        yield from found


def _rows(rows: tuple[Row, ...] | None) -> Iterator[str]:
    width = max((len(row.name) for row in rows or ()), default=0)
    for row in rows or ():
        yield f"  {row.name:<{width}}  {row.value}" + (f"  = {row.when}" if row.when else "")
        yield f"  {'':<{width}}    {row.meaning}"
