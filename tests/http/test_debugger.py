"""The page `/debugger`: what a token says, whether this server accepts it and why not; and nothing stays behind."""

import logging
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.http.harness import API, ISSUER, KINDS, PASSWORD, Login, Site, open_site
from tests.http.test_pages_render import Outline

from ostiary import jose
from ostiary.credentials.explain import Rules, explain
from ostiary.credentials.explained import KNOWN_CLAIMS, KNOWN_HEADER, KNOWN_TYPES, Form, Outcome
from ostiary.domain.refresh import Presented
from ostiary.http.pages import LANGUAGES, Frame, Language, Pages
from ostiary.http.pages.language import Translator
from ostiary.http.pages.texts import CATALOGUES
from ostiary.http.pages.token_words import token_view
from ostiary.services.accounts import AccountPatch
from ostiary.services.token_reports import TokenReports
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

CHECKS = {
    "form": "ok malformed too_large",
    "encryption": "ok",
    "header": "ok never_accepted",
    "algorithm": "ok none unknown_algorithm algorithm_not_allowed",
    "key": "ok unknown_key no_kid key_retired key_revoked skipped",
    "signature": "ok invalid_signature unsigned malformed unreadable no_keys encrypted skipped",
    "typ": "ok wrong_type missing_type",
    "iss": "ok wrong_issuer",
    "aud": "ok wrong_audience",
    "exp": "ok expired",
    "nbf": "ok not_yet_valid skipped",
    "iat": "ok issued_in_future too_old skipped",
    "act": "ok acting",
    "shape": "invalid",
    "revoked": "ok key_revoked session_revoked everything_revoked epoch_revoked",
    "session": "ok unknown no_such_token moved_on ended everything_ended over idle",
    "account": "ok gone disabled",
    "refresh": " ".join([*(meaning.value for meaning in Presented), "forged"]),
}
PROBLEMS = (
    "whitespace wrong_length not_base64url not_canonical empty not_utf8 not_json not_object too_deep too_many_members "
    "not_finite duplicate wrong_members"
)
SIGNATURES = (
    "verified unsigned no_keys unreadable malformed encrypted invalid_signature unknown_key algorithm_not_allowed"
)
CAUTIONS = (
    "private_key alg_none alg_unknown weak_key hmac never_accepted no_kid no_typ duplicate milliseconds no_exp expired "
    "longer_than_a_day longer_than_an_hour no_aud no_iss personal large too_large invisible"
)
STATE = {"session", "account", "revoked", "refresh"}


def expected_keys() -> set[str]:
    """Every text about tokens that some report can call for."""
    keys = {f"token.header.{name}" for name in (*KNOWN_HEADER, "unknown")}
    keys |= {f"token.claim.{name}" for name in (*KNOWN_CLAIMS, "unknown", "personal")}
    keys |= {f"token.type.{name}" for name in KNOWN_TYPES}
    keys |= {f"token.form.{form.value}" for form in Form}
    keys |= {f"token.outcome.{outcome.value}" for outcome in Outcome}
    keys |= {f"token.verdict.{word}" for word in ("accepted", "refused", "unreadable", "read")}
    keys |= {f"token.part.{part}" for part in ("token", "header", "payload", "signature")}
    keys |= {f"token.problem.{code}" for code in PROBLEMS.split()}
    keys |= {f"token.signature.{code}" for code in SIGNATURES.split()}
    keys |= {f"token.caution.{code}" for code in CAUTIONS.split()}
    keys |= {f"token.check.{name}" for name in (*CHECKS, "other", "missing_claim", "invalid_claim", "skipped")}
    keys |= {f"token.check.{name}.{code}" for name, codes in CHECKS.items() for code in codes.split()}
    keys |= {f"token.seconds.{way}.{form}" for way in ("past", "future") for form in ("one", "other")}
    return keys | {"token.when", "token.when.unknown"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_that_a_report_can_say_has_words(lang: Language) -> None:
    """Every claim, header member, step, refusal and danger is explained in every language, and no text is left over."""
    assert {key for key in CATALOGUES[lang] if key.startswith("token.")} == expected_keys()


async def ask(site: Site, token: str, lang: str = "en", **how: Any) -> str:
    """The page about a token."""
    response = await site.post("/debugger", form={"token": token, "lang": lang}, **how)
    assert response.status_code == 200, response.text
    return str(response.text)


def verdict(html: str) -> str:
    """`accepted`, `refused` or `unreadable`."""
    found = re.search(r'class="verdict (\w+)"', html)
    assert found is not None
    return found[1]


async def reason_for(site: Site, token: str) -> tuple[str, str]:
    """The step that refuses a token, and its code."""
    services = site.auth.services
    reports = TokenReports(services.context, services.signing_keys, services.recognition)
    report = await reports.examine(token, site.clock.clock.wall())
    assert report.refusal is not None
    return report.refusal.name, report.refusal.code


@pytest.mark.parametrize("kind", KINDS)
async def test_a_live_credential_is_accepted(site: Site, kind: str) -> None:
    """Of each kind, before and after it was used."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    assert verdict(await ask(site, login.access_token)) == "accepted"
    assert await site.alive(login)
    assert verdict(await ask(site, f"Authorization: Bearer {login.access_token}\n")) == "accepted"


async def _end(site: Site, login: Login) -> None:
    await site.post("/v1/logout", bearer=login.access_token)


async def _end_all(site: Site, login: Login) -> None:
    await site.auth.system.sessions.end_all(login.account_id, actor="test")


async def _disable(site: Site, login: Login) -> None:
    await site.auth.system.accounts.change(login.account_id, AccountPatch(disabled=True), actor="test")


async def _promote(site: Site, login: Login) -> None:
    await site.auth.system.accounts.change(login.account_id, AccountPatch(roles=("user", "admin")), actor="test")


async def _end_everything(site: Site, login: Login) -> None:
    await site.auth.system.sessions.end_everything(actor="test")


async def _wait(site: Site, login: Login) -> None:
    site.clock.advance(901.0)


async def _wait_long(site: Site, login: Login) -> None:
    site.clock.advance(43_201.0)


async def _new_password(site: Site, login: Login) -> None:
    body = {"current_password": PASSWORD, "new_password": "seven loud umbrellas"}
    assert (await site.post("/v1/password", json=body, bearer=login.access_token)).status_code == 200


async def _revoke_key(site: Site, login: Login) -> None:
    await site.auth.system.signing_keys.revoke(site.auth.system.signing_keys.ring.signer.kid, actor="test")


async def _retire_key(site: Site, login: Login) -> None:
    kid = site.auth.system.signing_keys.ring.signer.kid
    await site.auth.system.signing_keys.rotate(actor="test")
    await site.auth.system.signing_keys.retire(kid, actor="test")


async def _wait_idle(site: Site, login: Login) -> None:
    site.clock.advance(1801.0)


async def _nothing(site: Site, login: Login) -> None:
    pass


EVENTS = (
    _nothing, _end, _end_all, _disable, _promote, _end_everything, _wait, _wait_long, _new_password, _revoke_key,
    _retire_key, _wait_idle,
)  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__.strip("_"))
@pytest.mark.parametrize("kind", KINDS)
async def test_the_verdict_is_what_a_request_would_meet(site: Site, kind: str, event: Any) -> None:
    """After whatever happened: accepted on the page exactly if the API accepts it, and a refusal has a reason."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    await event(site, login)
    said = verdict(await ask(site, login.access_token))
    assert (said == "accepted") == await site.alive(login)
    if said != "accepted":
        name, code = await reason_for(site, login.access_token)
        assert code in CHECKS[name].split()


@pytest.mark.parametrize(
    ("kind", "event", "step", "code"),
    [
        ("session", _end, "session", "ended"),
        ("session", _end_everything, "session", "everything_ended"),
        ("session", _new_password, "session", "no_such_token"),
        ("session", _wait_idle, "session", "idle"),
        ("stateful", _end_everything, "session", "everything_ended"),
        ("stateful", _new_password, "revoked", "session_revoked"),
        ("stateless", _retire_key, "key", "key_retired"),
        ("stateful", _end, "revoked", "session_revoked"),
        ("stateless", _end, "revoked", "session_revoked"),
        ("stateless", _promote, "revoked", "epoch_revoked"),
        ("stateless", _end_everything, "revoked", "everything_revoked"),
        ("stateless", _wait, "exp", "expired"),
        ("stateless", _revoke_key, "key", "key_revoked"),
        ("session", _wait_long, "session", "over"),
        ("session", _disable, "session", "ended"),
    ],
)
async def test_the_reason_is_the_true_one(site: Site, kind: str, event: Any, step: str, code: str) -> None:
    """Ended, changed, expired, revoked: told apart, in plain words."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    await event(site, login)
    assert await reason_for(site, login.access_token) == (step, code)


async def test_a_token_for_another_service_is_not_for_this_server(site: Site) -> None:
    """Meant for somebody else: genuine, and refused here for that alone."""
    await site.account()
    login = await site.log_in(kind="stateless", audience=API)
    assert await reason_for(site, login.access_token) == ("aud", "wrong_audience")
    assert not await site.alive(login)


async def test_an_encrypted_token_is_judged_and_not_revealed() -> None:
    """It was encrypted so that its holder cannot read it: the page says whether it is accepted, and nothing of what it
    says; the operator may see that."""
    async with open_site(FakeClock(), encrypt_stateless=True) as site:
        await site.account()
        login = await site.log_in(kind="stateless")
        assert login.access_token.count(".") == 4
        html = await ask(site, login.access_token)
        assert verdict(html) == "accepted"
        assert login.account_id not in html
        assert "roles" not in html
        assert verdict(await ask(site, login.access_token[:-4] + "AAAA")) == "refused"
        services = site.auth.services
        reports = TokenReports(services.context, services.signing_keys, services.recognition)
        seen = await reports.examine(login.access_token, site.clock.clock.wall(), reveal_encrypted=True)
        assert ("sub", login.account_id) in {(member.name, str(member.value)) for member in seen.claims or ()}
        await _end(site, login)
        assert await reason_for(site, login.access_token) == ("revoked", "session_revoked")


async def test_a_refresh_token_is_explained_and_not_spent(site: Site) -> None:
    """Looked at three times it is still current; used, it is the predecessor; used again later it is reuse (M-03)."""
    await site.account()
    login = await site.log_in(kind="stateless")
    for _ in range(3):
        assert verdict(await ask(site, login.refresh_token)) == "accepted"
    assert (await site.refresh(login)).status_code == 200
    assert verdict(await ask(site, login.refresh_token)) == "accepted"
    site.clock.advance(11.0)
    assert await reason_for(site, login.refresh_token) == ("refresh", "reused")
    assert await site.alive(login)
    last = "E" if login.refresh_token.endswith("A") else "A"  # both are canonical there
    assert await reason_for(site, login.refresh_token[:-1] + last) == ("refresh", "forged")


async def test_nobody_learns_of_a_session_from_a_token_that_is_not_genuine(site: Site) -> None:
    """A forged token with the id of somebody's session gets no word about that session, nor about its account."""
    await site.account()
    login = await site.log_in(kind="stateless")
    forged = login.access_token[:-8] + "AAAAAAAA"
    services = site.auth.services
    reports = TokenReports(services.context, services.signing_keys, services.recognition)
    report = await reports.examine(forged, site.clock.clock.wall())
    assert report.accepted is False
    assert STATE.isdisjoint(check.name for check in report.checks)


def dump(database: Path) -> list[str]:
    """Everything in a database, as SQL."""
    with sqlite3.connect(database) as connection:
        lines = list(connection.iterdump())
    connection.close()
    return lines


async def test_nothing_stays_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the store, the log, what this process remembers, the answer, or an address."""
    caplog.set_level(logging.DEBUG)
    database = tmp_path / "ostiary.db"
    async with open_site(FakeClock(), database=f"sqlite:///{database}", secret_key=b"k" * 32) as site:
        await site.account()
        logins = [await site.log_in(kind=kind, transport="bearer") for kind in KINDS]
        tokens = [login.access_token for login in logins] + [login.refresh_token for login in logins[1:]]
        tokens += [tokens[1][:-6] + "AAAAAA", "ost_st_" + "b" * 43, "eyJhbGciOiJub25lIn0.e30."]
        caplog.clear()
        recognition = site.auth.services.recognition
        remembered, before = dict(recognition.known._entries), dump(database)
        for token in tokens:
            response = await site.post("/debugger", form={"token": token})
            assert response.status_code == 200
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["referrer-policy"] == "same-origin"
            assert response.headers["content-security-policy"].startswith(
                "default-src 'none'; script-src 'self'; connect-src 'self';"
            )
            assert "set-cookie" not in response.headers
            assert "location" not in response.headers
            assert token not in response.text
            assert token not in caplog.text
            for part in token.split("."):
                assert len(part) < 20 or part not in caplog.text + response.text
        assert dump(database) == before
        assert dict(recognition.known._entries) == remembered
        assert recognition.known.take_unwritten() == {}


async def test_a_token_in_the_address_is_not_looked_at(site: Site) -> None:
    """Addresses are logged and kept: only a form brings a token."""
    await site.account()
    login = await site.log_in(kind="stateless")
    page = await site.get(f"/debugger?token={login.access_token}")
    assert 'class="verdict' not in page.text
    assert login.access_token not in page.text
    assert 'method="post"' in page.text


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
async def test_another_site_cannot_ask(site: Site, headers: dict[str, str]) -> None:
    """The rule for forms: a POST that another site sent is refused, and nothing is explained (contract section 3)."""
    response = await site.post("/debugger", form={"token": "a.b.c"}, headers=headers)
    assert response.status_code == 403
    assert 'class="verdict' not in response.text


async def test_it_works_beside_every_credential(site: Site) -> None:
    """Logged in, logged out or with an old cookie: whoever asks gets an answer, and no cookie is changed."""
    await site.account()
    login = await site.log_in(kind="session", transport="cookie")
    await ask(site, "a.b.c", headers={"Origin": ISSUER}, **login.use)
    await site.post("/v1/logout", **login.use)
    await ask(site, "a.b.c", **login.use)


async def test_sizes_are_bounded(site: Site) -> None:
    """More than a form may hold is 413; more than is taken apart is told; a large answer is no larger than that."""
    assert (await site.post("/debugger", form={"token": "x" * 70_000})).status_code == 413
    assert "Too large" in await ask(site, "x" * 33_000)
    deep = b'{"a":' * 14 + b"[" + b"1," * 11_000 + b"1]" + b"}" * 14
    for payload in (
        deep,
        b'{"' + b"n" * 20_000 + b'":"' + b"v" * 3_000 + b'"}',
        b'{"a":"' + b"\xe2\x80\xae" * 7_000 + b'"}',
    ):
        html = await ask(site, f"e30.{jose.encoding.encode_bytes(payload).decode()}.e30")
        assert len(html) < 60_000
        Outline(html)


async def test_chinese_is_spoken(site: Site) -> None:
    """The whole page, with every claim, in the language that was asked for."""
    await site.account()
    login = await site.log_in(kind="stateless")
    html = await ask(site, login.access_token, lang="zh-CN")
    assert '<html lang="zh-CN">' in html
    for text in ("接受", "签发者：由谁签发。", "会话版本", "账户的授权纪元"):
        assert text in html
    visible = re.sub(r"<[^>]+>", " ", html[html.index("<main") : html.index("</main")])
    assert not re.search(r"\b(It|The|issued|session|token)\b", visible.replace("session+jwt", ""))


async def test_the_start_page_leads_here(site: Site) -> None:
    """It can be found."""
    assert 'href="/debugger?lang=en"' in (await site.get("/")).text


HOSTILE = [
    "<script>alert(1)</script>.x.y",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}.{% raw %}.x",
    "\u202e\u2066\x00\ud7ff",
]
NOW = 1_795_435_200.0
RULES = Rules(issuer=ISSUER, audience=(ISSUER,), types=("at+jwt",), actors=False)
KEY = jose.Key.generate("ES256")
texts = st.text() | st.sampled_from(HOSTILE)


@given(
    name=texts,
    value=st.one_of(texts, st.integers(), st.lists(texts, max_size=3)),
    alg=texts,
    typ=texts,
    issuer=texts,
    date=st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lang=st.sampled_from(LANGUAGES),
)
@example(name="<b>", value="</bdi>", alg="<i>", typ="&", issuer="{x}{0}", date=10**11, lang="zh-CN")
def test_whatever_a_token_says_the_page_stays_whole(
    name: str, value: object, alg: str, typ: str, issuer: str, date: float, lang: Language
) -> None:
    """Markup, braces, direction marks, half characters, absurd dates: shown as text, in a page that is well-formed."""
    import json

    def encode(members: dict[str, object]) -> str:
        return jose.encoding.encode_bytes(json.dumps(members).encode()).decode()

    payload = encode({name: value, "iss": issuer, "aud": issuer, "exp": date, "iat": date, "nbf": date})
    token = f"{encode({'alg': alg, 'typ': typ, 'kid': issuer})}.{payload}.e30"
    report = explain(token, now=NOW, keys=(KEY,), rules=RULES)
    html = Pages().debugger(Frame(lang=lang), report=report, now=NOW)
    page = Outline(html)
    assert not {"img", "b", "i"} & {tag for tag, _ in page.tags}
    assert len(page.all("script")) == 1
    assert all(char.isprintable() or char == "\n" for char in html)
    assert token_view(Translator(lang), report, NOW).verdict in ("refused", "unreadable")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_known_member_is_explained_on_the_page(lang: Language) -> None:
    """A token with every claim and header member of the table: each has its sentence (M-13)."""
    header = {**dict.fromkeys(sorted(KNOWN_HEADER), "x"), "alg": "ES256"}
    claims = dict.fromkeys(sorted(KNOWN_CLAIMS), 1)
    segments = [jose.encoding.encode_bytes(jose.encoding.encode_object(part)).decode() for part in (header, claims)]
    report = explain(".".join([*segments, "e30"]), now=NOW)
    words = " ".join(Outline(Pages().debugger(Frame(lang=lang), report=report, now=NOW)).text)
    for part, names in (("header", header), ("claim", claims)):
        for name in names:
            assert CATALOGUES[lang][f"token.{part}.{name}"] in words
