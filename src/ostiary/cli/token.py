"""`ostiary token …`: take a token apart, judge it, make one. A token never stands on the command line."""

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ostiary import jose, limits
from ostiary.cli.app import noun
from ostiary.cli.files import read_input
from ostiary.cli.key_input import read_keys, read_signing_key
from ostiary.cli.options import HERE, Json, Where
from ostiary.cli.output import note, warn
from ostiary.cli.shell import DONE, REFUSED, Usage
from ostiary.cli.system import opened
from ostiary.cli.token_output import print_report, report_shape
from ostiary.clock import SYSTEM_CLOCK
from ostiary.credentials.explain import Rules, explain
from ostiary.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from ostiary.credentials.explained import Report

app = noun("token")

Source = Annotated[str, Parameter(help="File that holds it; - is stdin.", allow_leading_hyphen=True)]
KeyFile = Annotated[
    str | None, Parameter(name="--key", help="JWK, JWK set or PEM file; - is stdin.", allow_leading_hyphen=True)
]
Alg = Annotated[str | None, Parameter(help="The key's algorithm, where its file does not say it.")]


@app.command
def inspect(source: Source = "-", /, *, json: Json = False) -> int:
    """Take a token apart and explain it, without judging it. Exit code 1 if it cannot be read.

    Parameters
    ----------
    source
        File that holds the token; - is stdin.
    """
    now = SYSTEM_CLOCK.wall()
    report = explain(_read_token(source), now=now)
    _say(report, now, json=json)
    return DONE if report.readable else REFUSED


@app.command
async def verify(
    source: Source = "-",
    /,
    *,
    key: KeyFile = None,
    alg: Alg = None,
    issuer: str | None = None,
    audience: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    type: Annotated[tuple[str, ...], Parameter(negative=(), help="Expected typ, such as at+jwt.")] = (),  # noqa: A002
    where: Where = HERE,
    json: Json = False,
) -> int:
    """Judge a token: exit code 0 accepted, 1 refused, 3 if that cannot be known.

    With --key by that key alone, and --issuer, --audience and --type say what is expected. Without it as the server of
    --database would: its keys, its sessions, what has been revoked.

    Parameters
    ----------
    source
        File that holds the token; - is stdin.
    """
    if key == "-" and source == "-":
        raise Usage("the key and the token cannot both come from stdin: put one into a file")
    now = SYSTEM_CLOCK.wall()
    if key is None:
        if alg is not None:
            raise Usage("--alg goes with --key")
        report = await _by_server(_read_token(source), where, issuer, audience, type, now)
    else:
        if issuer is None or not audience or not type:
            raise Usage("with --key, say what is expected: --issuer, --audience and --type")
        keys = read_keys(key, alg)
        rules = Rules(issuer=issuer, audience=audience, types=type)
        report = explain(_read_token(source), now=now, keys=(keys,), rules=rules)
    _say(report, now, json=json)
    return DONE if report.accepted else REFUSED


async def _by_server(
    text: str, where: Where, issuer: str | None, audience: tuple[str, ...], types: tuple[str, ...], now: float
) -> "Report":
    from dataclasses import replace

    from ostiary.services.token_reports import TokenReports

    try:
        async with opened(where, flags={"issuer": issuer}) as system:
            reports = TokenReports(system.context, system.signing_keys, system.recognition)
            own = reports.rules()
            rules = replace(
                own,
                audience=audience or own.audience,
                types=types or own.types,
                actors=bool(audience),
            )
            return await reports.examine(text, now, rules, reveal_encrypted=True)  # to the operator, who has the key
    except Misconfigured as wrong:
        # exit code 1 says that the token is refused; here nobody has looked at it
        raise Unavailable(str(wrong), private=wrong.private) from None


@app.command
def sign(
    claims: Annotated[str, Parameter(help="File that holds them; - is stdin.", allow_leading_hyphen=True)] = "-",
    /,
    *,
    key: Annotated[str, Parameter(name="--key", help="File with a private JWK, or PEM.", allow_leading_hyphen=True)],
    alg: Alg = None,
    type: Annotated[str | None, Parameter(help="The header's typ, such as at+jwt.")] = None,  # noqa: A002
    json: Json = False,
) -> None:
    """Sign claims that stand as JSON on stdin or in a file. Nothing is added; what is missing is said on stderr.

    Parameters
    ----------
    claims
        File that holds the claims; - is stdin.
    """
    if key == "-" and claims == "-":
        raise Usage("the key and the claims cannot both come from stdin: put one into a file")
    signer = read_signing_key(key, alg)
    if not signer.private or "sign" not in signer.operations:
        raise Usage("the key cannot sign: it holds only the public half, or may only verify")
    token = jose.sign_bytes(_encoded(_read_claims(claims)), signer, typ=type)
    now = SYSTEM_CLOCK.wall()
    for line in _cautions(explain(token, now=now), now):
        warn(line)
    note(f"Signed with {signer.alg}, key {signer.kid}.")
    print(json_module.dumps({"token": token}, indent=2) if json else token)


def _encoded(claims: dict[str, Any]) -> bytes:
    from ostiary.jose.jwt import encode_claims

    return encode_claims(claims)


def _read_claims(source: str) -> dict[str, Any]:
    from ostiary.jose.encoding import Unreadable, decode_object

    raw = read_input(source, most=limits.CREDENTIAL_CHARS, what="claims")
    if len(raw) > limits.CREDENTIAL_CHARS:
        raise Usage("the claims are larger than any token that is accepted")
    try:
        return decode_object(raw.strip())
    except Unreadable as wrong:
        raise Usage(f"the claims are not one JSON object: {wrong}") from None


def _cautions(report: "Report", now: float) -> tuple[str, ...]:
    from ostiary.http.pages.language import Translator
    from ostiary.http.pages.token_words import token_view

    return token_view(Translator("en"), report, now).cautions


def _read_token(source: str) -> str:
    """Whatever it is: what is too large, or no text, is explained like everything else."""
    raw = read_input(source, most=4 * limits.EXPLAINED_CHARS, what="token")
    return raw.decode("utf-8", "surrogateescape")


def _say(report: "Report", now: float, *, json: bool) -> None:
    if json:
        # ASCII, so that nothing in it can do anything to a terminal or to a reader of UTF-8
        print(json_module.dumps(report_shape(report, now), indent=2))
    else:
        print_report(report, now)
