"""Contract section 5, "Download server": every answer and every refusal."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from tests.unit.downloads.conftest import AUDIENCE, ISSUER, KEY, KEYS, Answer, Client, Site

from ostiary import jose, limits
from ostiary.downloads import DownloadServer
from ostiary.errors import Misconfigured
from ostiary.jose.encoding import decode_bytes, encode_bytes
from ostiary.revocation.entry import KEY_REVOKED, Entry, Scope
from ostiary.revocation.replica import Replica
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def check_every_answer(answer: Answer) -> None:
    """Not kept, not sniffed, not framed, and nobody is told where it came from."""
    headers = answer.headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert ("www-authenticate" in headers) == (answer.status == 401)
    if answer.status != 304:
        assert int(headers["content-length"]) == len(answer.body) or answer.body == b""


@pytest.mark.parametrize("how", ["query", "header", "POST query", "POST header", "POST form"])
async def test_spent_once(site: Site, how: str) -> None:
    """The first one gets 303 to a transfer, however the token is sent; everybody after that 410 (M-62)."""
    token = site.token()
    method = "POST" if "POST" in how else "GET"
    target = "/files/a.bin" + (f"?token={token}&utm_source=mail" if "query" in how else "")
    headers = {"Authorization": f"Bearer {token}"} if "header" in how else {}
    body = f"token={token}".encode() if "form" in how else b""
    if "form" in how:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
    first = await site.client(method, target, headers, body=body)
    assert (first.status, first.body) == (303, b"")
    check_every_answer(first)
    location = first.headers["location"]
    assert re.fullmatch(r"/transfers/[A-Za-z0-9_-]{43}/a\.bin", location)
    assert token not in location
    for again in (method, "GET", "POST", "HEAD"):
        used = await site.client(again, target, headers, body=body if again == "POST" else b"")
        if "form" in how and again in ("GET", "HEAD"):
            continue  # no token in these
        assert used.status == 410
        assert again == "HEAD" or used.code == "already_used"
        check_every_answer(used)
    whole = await site.client("GET", location)
    assert (whole.status, whole.body) == (200, (site.root / "a.bin").read_bytes())
    check_every_answer(whole)


async def test_looking_spends_nothing(site: Site) -> None:
    """HEAD tells what would come, as often as it is asked (M-62)."""
    target = f"/files/a.bin?token={site.token()}"
    for _ in range(3):
        looked = await site.client("HEAD", target)
        assert (looked.status, looked.body, looked.headers["content-length"]) == (200, b"", "1024000")
        check_every_answer(looked)
    assert (await site.client("GET", target)).status == 303


async def test_fetched_in_advance_spends_nothing(site: Site) -> None:
    """A browser that guesses what will be clicked has not clicked."""
    target = f"/files/a.bin?token={site.token()}"
    for header in ({"Sec-Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}):
        assert (await site.client("GET", target, header)).status == 503
    assert (await site.client("GET", target)).status == 303


async def test_no_token(site: Site) -> None:
    """401 without an error, since none was sent; whether or not there is such a file."""
    for target in ("/files/a.bin", "/files/nope", "/files/", "/files/a.bin?token="):
        answer = await site.client("GET", target)
        assert (answer.status, answer.code) == (401, "not_authenticated")
        assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary"'
    basic = await site.client("GET", "/files/a.bin", {"Authorization": "Basic YTpi"})
    assert basic.status == 401


FORGED = jose.Key.generate("ES256", kid=KEY.kid)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_799_999_999}, {"exp": 1_800_000_000}, {"exp": None}, {"iat": 1_800_000_031}, {"nbf": 1_800_000_031},
        {"aud": "https://other.example"}, {"aud": ISSUER}, {"aud": None}, {"aud": [AUDIENCE]},
        {"iss": "https://evil.example"},
        {"iss": None}, {"jti": None}, {"jti": ""}, {"jti": 7}, {"jti": "x" * 300}, {"sub": None}, {"sid": None},
        {"act_on": None}, {"act_on": "a.bin"}, {"act_on": {"resource": "a.bin"}}, {"act_on": {"action": "download"}},
        {"act_on": {"action": "download", "resource": "../a.bin"}}, {"act_on": {"action": "download",
        "resource": ["a.bin"]}},
        {"confirm": "yes"}, {"confirm": 1}, {"iat": 1_800_000_000_000}, {"typ": "at+jwt"}, {"typ": "JWT"},
        {"typ": "session+jwt"}, {"key": FORGED}, {"key": jose.Key.generate("ES256")},
    ],
)  # fmt: skip
async def test_tokens_that_are_refused(site: Site, changes: dict[str, Any]) -> None:
    """Forged, expired, for somebody else, of another type, or saying what none of ours says: 401 `invalid_token`."""
    for method in ("GET", "HEAD", "POST"):
        answer = await site.client(method, f"/files/a.bin?token={site.token(**changes)}")
        assert answer.status == 401, changes
        check_every_answer(answer)
        assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary", error="invalid_token"'
        assert method == "HEAD" or answer.code == "invalid_token"


@pytest.mark.parametrize(
    "text", ["x", "a.b.c", "....", "ost_st_" + "a" * 43, "%C3%A9", "x" * 5000, "%00", "null", "e30.e30.e30"]
)
async def test_what_is_no_token(site: Site, text: str) -> None:
    """Whatever is sent as one."""
    answer = await site.client("GET", f"/files/a.bin?token={text}")
    assert (answer.status, answer.code) == (401, "invalid_token")


async def test_the_same_token_written_in_another_way(site: Site) -> None:
    """An ECDSA signature has a twin, and base64url has sloppy relatives: what is spent is the token's id (M-32,
    M-62)."""
    token = site.token()
    head, payload, signature = token.split(".")
    raw = decode_bytes(signature.encode())
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    assert decode_dss_signature(encode_dss_signature(r, s)) == (r, s)
    twin = f"{head}.{payload}.{encode_bytes(raw[:32] + (order - s).to_bytes(32, 'big')).decode()}"
    assert twin != token
    assert (await site.client("GET", f"/files/a.bin?token={token}")).status == 303
    assert (await site.client("GET", f"/files/a.bin?token={twin}")).code == "already_used"
    for sloppy in (token + "=", token + "%3D", token + "%0A", "%20" + token, token[:-1] + chr(ord(token[-1]) ^ 1)):
        answer = await site.client("GET", f"/files/a.bin?token={sloppy}")
        assert (answer.status, answer.code) in ((401, "invalid_token"), (410, "already_used"))


@pytest.mark.parametrize(
    "resource",
    [
        "b.bin", "A.bin", "a.bin/", "/a.bin", "./a.bin", "x/../a.bin", "a.bin%00", "a.bin%2f", "%61.bi%6e%20", "",
        "a.bi",
        "a.bin%252e", "..%2fa.bin", "%2e%2e/a.bin", "a.bin;x", "a.bin%3ftoken", "%ff", "%5c", "a.bin%0d%0aX:y",
    ],
)  # fmt: skip
async def test_another_file(site: Site, resource: str) -> None:
    """403 `wrong_resource`: the token is for exactly one path, and stays good for it."""
    site.write("b.bin", b"b")
    token = site.token()
    answer = await site.client("GET", f"/files/{resource}?token={token}")
    assert (answer.status, answer.code) == (403, "wrong_resource")
    assert (await site.client("GET", f"/files/a.bin?token={token}")).status == 303


async def test_another_action(site: Site) -> None:
    """A token to delete or upload a file does not download it."""
    token = site.token(act_on={"action": "delete", "resource": "a.bin"})
    answer = await site.client("GET", f"/files/a.bin?token={token}")
    assert (answer.status, answer.code) == (403, "wrong_resource")


async def test_no_such_file(site: Site) -> None:
    """404, and the token is not spent: the file may still come."""
    token = site.token("later.txt")
    for _ in range(2):
        answer = await site.client("GET", f"/files/later.txt?token={token}")
        assert (answer.status, answer.code) == (404, "not_found")
    site.write("later.txt", b"here")
    assert (await site.client("GET", f"/files/later.txt?token={token}")).status == 303
    (site.root / "link").symlink_to("a.bin")
    assert (await site.client("GET", f"/files/link?token={site.token('link')}")).status == 404


async def test_more_than_one_token(site: Site) -> None:
    """One is enough, and two different ones are a contradiction; nothing is spent."""
    one, two = site.token(), site.token()
    bearer = {"Authorization": f"Bearer {two}"}
    assert (await site.client("GET", f"/files/a.bin?token={one}", bearer)).status == 400
    assert (await site.client("GET", f"/files/a.bin?token={one}&token={one}")).status == 400
    twice = [("Authorization", f"Bearer {one}"), ("Authorization", f"Bearer {one}")]
    assert (await site.client("GET", "/files/a.bin", twice)).status == 400
    assert (await site.client("GET", f"/files/a.bin?token={one}")).status == 303
    assert (await site.client("GET", f"/files/a.bin?token={two}", bearer)).status == 303


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("PUT", "/files/a.bin", "GET, HEAD, POST"), ("DELETE", "/files/a.bin", "GET, HEAD, POST"),
        ("POST", "/transfers/x/a.bin", "GET, HEAD"), ("POST", "/healthz", "GET, HEAD"), ("BREW", "/files/a.bin",
        "GET, HEAD, POST"),
    ],
)  # fmt: skip
async def test_other_methods(site: Site, method: str, target: str, allowed: str) -> None:
    """405 with what there is."""
    answer = await site.client(method, target)
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method_not_allowed", allowed)


@pytest.mark.parametrize(
    "target", ["/", "/files", "/transfers/", "/transfers/x", "/x", "//files/a.bin", "/transfers/" + "é" * 99]
)
async def test_nothing_there(site: Site, target: str) -> None:
    """404."""
    answer = await site.client("GET", target)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_confirm(site: Site) -> None:
    """A link that is mailed: scanners that follow it, and look as often as they like, spend nothing; the button does;
    afterwards the link is 410 (M-62)."""
    token = site.token(confirm=True)
    target = f"/files/a.bin?token={token}"
    for language, word in (("en", "good for one download"), ("zh-CN,zh;q=0.9", "只能下载一次")):
        for _ in range(2):
            shown = await site.client("GET", target, {"Accept-Language": language})
            assert shown.status == 200
            assert word in shown.body.decode()
            check_every_answer(shown)
            policy = shown.headers["content-security-policy"]
            assert "form-action 'self'" in policy
            assert "unsafe" not in policy
            assert "script" not in shown.body.decode()
    head = await site.client("HEAD", target)
    assert (head.status, head.body) == (200, b"")
    page = shown.body.decode()
    action = re.search(r'<form method="post" action="([^"]+)">', page)
    field = re.search(r'<input type="hidden" name="token" value="([^"]+)">', page)
    assert action is not None
    assert field is not None
    assert (action[1], field[1]) == ("/files/a.bin", token)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null", "Sec-Fetch-Site": "same-origin"}
    posted = await site.client("POST", action[1], form, body=f"token={field[1]}".encode())
    assert posted.status == 303
    for method in ("GET", "POST", "HEAD"):
        assert (await site.client(method, target)).status == 410
    assert (await site.client("GET", posted.headers["location"])).status == 200


async def test_refusals_for_people(site: Site) -> None:
    """A browser gets a page in its language, with the same status, and no script."""
    token = site.token()
    await site.client("GET", f"/files/a.bin?token={token}")
    for language, word in (("en", "already been used"), ("zh", "已被使用")):
        used = await site.client("GET", f"/files/a.bin?token={token}", {**HTML, "Accept-Language": language})
        assert used.status == 410
        assert used.headers["content-type"] == "text/html; charset=utf-8"
        assert word in used.body.decode()
        check_every_answer(used)
    refused = await site.client("GET", "/files/a.bin?token=x", HTML)
    assert refused.status == 401
    check_every_answer(refused)


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "feed.xml", "a.xhtml", "script.js", "doc.pdf"])
async def test_active_content(site: Site, name: str) -> None:
    """Is saved, not shown; and were it shown, then in a sandbox without this site's origin."""
    site.write(name, b"<script>alert(document.domain)</script>")
    answer = await site.client("GET", await site.spend(name))
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert re.search(r"(^|; )sandbox(;|$)", answer.headers["content-security-policy"])
    check_every_answer(answer)


async def test_odd_names(site: Site) -> None:
    """From the token through the address into the header and back."""
    for name in ("a b.txt", "报告 🎉.pdf", "50%.txt", "q?x=1&y#z.txt", "it's.txt", "a;b.txt", "-rf", "two\u00a0words"):
        site.write("odd/" + name, name.encode())
        location = await site.spend("odd/" + name)
        assert location.isascii()
        answer = await site.client("GET", location)
        assert (answer.status, answer.body) == (200, name.encode()), name
    assert (await site.client("GET", location.rpartition("/")[0] + "/other")).status == 404
    site.write("Caf\u00e9.txt", b"composed")
    token = site.token("Caf\u00e9.txt")
    typed = f"/files/Cafe%CC%81.txt?token={token}"
    answer = await site.client("GET", (await site.client("GET", typed)).headers["location"])
    assert answer.body == b"composed"


async def test_the_log_has_no_token_and_no_handle(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged opens nothing."""
    caplog.set_level(logging.DEBUG)
    token, bad = site.token(), site.token(aud="https://other.example")
    first = await site.client("GET", f"/files/a.bin?token={token}")
    await site.client("GET", f"/files/a.bin?token={token}")
    await site.client("GET", f"/files/a.bin?token={bad}")
    await site.client("GET", "/files/a.bin", {"Authorization": f"Bearer {bad}x"})
    await site.client("GET", first.headers["location"])
    await site.client("GET", first.headers["location"])
    assert "already_used" in caplog.text
    for secret in (token, bad, *token.split(".")[1:], first.headers["location"].split("/")[2]):
        assert secret not in caplog.text


def kept_in(folder: Path) -> bytes:
    """All that the state wrote."""
    return b"".join(path.read_bytes() for path in folder.glob("spent.db*"))


async def test_the_state_has_no_token_and_no_handle(site: Site, tmp_path: Path) -> None:
    """Whoever reads the state downloads nothing (M-09)."""
    token = site.token()
    location = (await site.client("GET", f"/files/a.bin?token={token}")).headers["location"]
    await site.app.stop()
    kept = kept_in(tmp_path)
    for secret in (token, token.split(".")[1], token.split(".")[2], location.split("/")[2]):
        assert secret.encode() not in kept


async def test_expiry_counts_at_first_use_only(site: Site) -> None:
    """The token lives two minutes, the transfer ten; nothing brings a spent token back, a clock set back least of
    all."""
    early, late = site.token(), site.token()
    location = (await site.client("GET", f"/files/a.bin?token={early}")).headers["location"]
    began = site.clock.wall
    site.clock.advance(120)
    assert (await site.client("GET", f"/files/a.bin?token={late}")).code == "invalid_token"
    assert (await site.client("GET", location, {"Range": "bytes=0-0"})).status == 206
    site.clock.advance(479)
    assert (await site.client("HEAD", location)).status == 200
    site.clock.advance(1)
    assert (await site.client("GET", location)).code == "already_used"
    site.clock.set_wall(began)
    assert (await site.client("GET", f"/files/a.bin?token={early}")).code == "already_used"
    site.clock.set_wall(began + 10_000)
    await site.app._state.purge(now=site.clock.wall)
    site.clock.set_wall(began)
    assert (await site.client("GET", f"/files/a.bin?token={early}")).code == "already_used"


async def test_a_restart_revives_nothing(site: Site) -> None:
    """Neither the token, nor does it end the transfer (M-62)."""
    token = site.token()
    location = (await site.client("GET", f"/files/a.bin?token={token}")).headers["location"]
    await site.app.stop()
    assert (await site.client("GET", f"/files/a.bin?token={token}")).code == "already_used"
    assert (await site.client("GET", location)).status == 200
    await site.app.stop()
    assert (await site.client("GET", location)).code == "already_used"


async def test_mounted(site: Site) -> None:
    """In another application, below a path."""
    client = Client(site.app, root_path="/dl")
    token = site.token(confirm=True)
    page = (await client("GET", f"/dl/files/a.bin?token={token}")).body.decode()
    assert 'action="/dl/files/a.bin"' in page
    location = (await client("POST", f"/dl/files/a.bin?token={token}")).headers["location"]
    assert location.startswith("/dl/transfers/")
    assert (await client("GET", location)).status == 200


class Told:
    """Revocations that are told, not fetched, under a lease that does not end."""

    def __init__(self) -> None:
        self.replica = Replica()

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    async def ask(self) -> None:
        """Nothing to ask."""


async def test_what_a_revoked_key_signed(site: Site) -> None:
    """The key set may be minutes old; a server that follows the feed refuses what a revoked key signed at once
    (M-07)."""
    told = Told()
    site.app._tokens._revocations = told
    assert (await site.client("HEAD", f"/files/a.bin?token={site.token()}")).status == 200
    kid = KEYS.to_jwks()["keys"][0]["kid"]
    told.replica.apply([Entry(scope=Scope.KEY, id=kid, value=KEY_REVOKED, until=site.clock.wall + 600)])
    answer = await site.client("GET", f"/files/a.bin?token={site.token()}")
    assert (answer.status, answer.code) == (401, "invalid_token")


async def test_a_form_that_never_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins to send a form and never goes on is refused after a while, and keeps nothing busy."""
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        if not sent:
            sent.append("a part of it")
            return {"type": "http.request", "body": b"token=", "more_body": True}
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/files/a.bin", "headers": [], "query_string": b""}
    await site.app(scope, receive, send)
    assert sent[1]["status"] == 400


async def test_health(site: Site) -> None:
    """For whoever watches it."""
    for path in ("/healthz", "/readyz"):
        assert (await site.client("GET", path)).status == 200


async def test_without_the_issuer(tmp_path: Path, anyio_backend: str) -> None:
    """503, never 401, while its keys have not been had (M-62)."""
    (tmp_path / "a.bin").write_bytes(b"a")
    app = DownloadServer(tmp_path, issuer="http://127.0.0.1:1", audience=AUDIENCE, state=tmp_path / "s.db")
    answer = await Client(app)("GET", "/files/a.bin?token=x")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await Client(app)("GET", "/readyz")).status == 503
    await app.stop()


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""}, {"issuer": "http://id.example"}, {"audience": ""}, {"state": None}, {"valkey": "valkey://x"},
        {"root": "/nope"}, {"state": None, "valkey": "http://x"},
    ],
)  # fmt: skip
async def test_what_cannot_be_set_up(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Is told when it is made."""
    given = {"root": tmp_path, "issuer": ISSUER, "audience": AUDIENCE, "state": tmp_path / "s.db", **wrong}
    with pytest.raises(Misconfigured):
        DownloadServer(given.pop("root"), **given)


async def test_fixed_keys_need_no_issuer(tmp_path: Path, anyio_backend: str) -> None:
    """As lifespan of the outermost application."""
    app = DownloadServer(
        tmp_path, issuer=ISSUER, audience=AUDIENCE, state=tmp_path / "s.db", keys=KEYS, clock=FakeClock().clock
    )
    told: list[Any] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        told.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
