"""Sessions at the edge, tokens inside, through real proxies (M-61)."""

import base64
import hashlib
import json
import socket
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD
from tests.proxies.conftest import HOST, ISSUER, NOTES, Edge, caddy, nginx
from tests.scenario.elsewhere import Process

from ostiary import jose

FOREIGN = ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
OWN = (f"Origin: https://{HOST}", "Sec-Fetch-Site: same-origin")


def named(told: dict[str, Any], *names: str) -> list[tuple[str, str]]:
    """Headers that the service got, whose name is one of these in any spelling."""
    return [(name, value) for name, value in told["headers"] if name.lower().replace("_", "-") in names]


@pytest.mark.parametrize(
    ("kind", "how"),
    [("session", {}), ("session", {"transport": "bearer"}), ("stateful", {}), ("stateless", {}), ("stateless",
    {"transport": "cookie"})],
)  # fmt: skip
def test_what_logs_in_at_the_edge_becomes_a_token_inside(edge: Edge, kind: str, how: dict[str, Any]) -> None:
    """Of every kind; the service checks it with public keys, and never sees what logged in at the edge."""
    line, answer = edge.log_in(kind=kind, **how)
    reply = edge.ask("GET", "/notes", line)
    assert reply.status == 200, reply
    told = reply.told
    assert told["account"] == answer["account"]["id"]
    assert told["session"] == answer["session"]["id"]
    assert told["roles"] == ["user"]
    assert named(told, "x-auth-subject") == [("x-auth-subject", answer["account"]["id"])]
    assert named(told, "x-auth-session") == [("x-auth-session", answer["session"]["id"])]
    assert named(told, "x-auth-roles") == [("x-auth-roles", "user")]
    [(_, bearer)] = named(told, "authorization")
    payload = bearer.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == (ISSUER, NOTES, 60)
    assert line.partition(" ")[2].removeprefix("Bearer ") not in json.dumps(told)


def test_only_our_cookies_stay_at_the_edge(edge: Edge) -> None:
    """The application's own go through, wherever they stand among the others."""
    line, _ = edge.log_in()
    session = line.removeprefix("Cookie: ")
    for cookies in (
        f"theme=dark; {session}; lang=zh",
        f"{session}; theme=dark; lang=zh",
        f"theme=dark; lang=zh; {session}",
    ):
        told = edge.ask("GET", "/notes", f"Cookie: {cookies}; __Host-ostiary_device=abc").told
        [(_, got)] = named(told, "cookie")
        assert sorted(cookie.strip() for cookie in got.strip("; ").split(";")) == ["lang=zh", "theme=dark"]


@pytest.mark.parametrize("kind", ["session", "stateful", "stateless"])
def test_what_is_bound_to_a_key_passes_with_its_proof(edge: Edge, kind: str) -> None:
    """M-52: made for the very address that the proxy was asked for, once; what the client says about that address does
    not count."""
    key, numbers = jose.Key.generate("ES256"), count()

    def proof(method: str, path: str, **more: str) -> str:
        said = {"htm": method, "htu": f"https://{HOST}{path}", "iat": int(time.time()), "jti": f"{next(numbers)}"}
        return jose.sign_proof(said | more, key, typ="dpop+jwt")

    body = json.dumps({"username": "ada", "password": GOOD_PASSWORD, "kind": kind, "transport": "bearer"}).encode()
    login = ("POST", "/auth/v1/login")
    asked = edge.ask(*login, "Content-Type: application/json", f"DPoP: {proof(*login)}", body=body)
    [nonce] = asked.header("dpop-nonce")
    given = edge.ask(*login, "Content-Type: application/json", f"DPoP: {proof(*login, nonce=nonce)}", body=body)
    assert given.status == 200, given
    answer = json.loads(given.body)
    token = answer["access_token"]
    ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    line, right = f"Authorization: DPoP {token}", proof("GET", "/notes", ath=ath)
    reply = edge.ask("GET", "/notes?page=2", line, f"DPoP: {right}")
    assert reply.status == 200, reply
    assert reply.told["account"] == answer["account"]["id"]
    assert edge.ask("GET", "/notes", line, f"DPoP: {right}").status == 401
    assert edge.ask("GET", "/notes", line).status == 401
    assert edge.ask("GET", "/notes", f"Authorization: Bearer {token}").status == 401
    other = proof("GET", "/other", ath=ath)
    for claimed in (
        f"X-Original-URL: https://{HOST}/other",
        "X-Forwarded-Uri: /other",
        f"X-Forwarded-Host: {HOST}",
    ):
        assert edge.ask("GET", "/notes", line, claimed, f"DPoP: {other}").status == 401
        assert edge.ask("GET", "/notes", line, claimed, f"DPoP: {proof('GET', '/notes', ath=ath)}").status == 200


def test_nobody_is_let_through(edge: Edge) -> None:
    """No credential, a forged one, one that was ended: 401 for programs, the login page for who navigates."""
    for lines in ((), ("Cookie: __Host-ostiary_session=ost_st_" + "a" * 43,), ("Authorization: Bearer a.b.c",)):
        reply = edge.ask("GET", "/notes?a=1", *lines)
        assert reply.status == 401, reply
        assert reply.header("www-authenticate")[0].startswith('Bearer realm="ostiary"')
        page = edge.ask("GET", "/notes", "Accept: text/html,*/*;q=0.8", *lines)
        assert page.status == 302
        assert page.header("location")[0].endswith("/auth/login?next=/notes")


def test_what_is_ended_is_refused_at_the_edge_at_once(edge: Edge) -> None:
    """The very next request after a logout (M-06)."""
    for kind in ("session", "stateful", "stateless"):
        line, _ = edge.log_in(kind=kind, transport="bearer")
        assert edge.ask("GET", "/notes", line).status == 200
        assert edge.ask("POST", "/auth/v1/logout", line).status == 200
        assert edge.ask("GET", "/notes", line).status == 401


@pytest.mark.parametrize(
    "smuggled",
    [
        ("X-User: root",), ("X_User: root",), ("X-Auth-Subject: acc_root",), ("X_Auth_Subject: acc_root",),
        ("X-Auth-Subject: acc_root", "X-Auth-Subject: acc_root2"), ("x-AUTH-subject: acc_root",),
        ("X-Auth-Roles: admin",),
        ("X_Auth_Roles: admin", "X-Auth_Roles: admin", "X_Auth-Roles: admin"), ("X-Auth-Session: ses_x",),
        ("Remote-User: root",),
        ("Remote_User: root",), ("X-Forwarded-User: root",), ("X-Remote-User: root",), ("X-Auth-Subject:acc_root   ",),
        ("X-Auth-Subject:\tacc_root",), ("X-Original-Method: GET",), ("X-Forwarded-Method: GET",),
        ("X-Auth-Anything: x",),
    ],
)  # fmt: skip
def test_smuggled_headers_change_nothing(edge: Edge, smuggled: tuple[str, ...]) -> None:
    """Whatever a client says about who it is: logged in, it is who it is; not logged in, it is nobody."""
    line, answer = edge.log_in()
    reply = edge.ask("GET", "/notes", line, *smuggled)
    assert reply.status == 200, reply
    told = reply.told
    assert told["account"] == answer["account"]["id"]
    assert named(told, "x-auth-subject") == [("x-auth-subject", answer["account"]["id"])]
    assert named(told, "x-auth-roles") == [("x-auth-roles", "user")]
    assert len(named(told, "authorization")) == 1
    for name, value in told["headers"]:
        assert "root" not in value, (name, value)
        assert "admin" not in value, (name, value)
    assert edge.ask("GET", "/notes", *smuggled).status == 401


@pytest.mark.parametrize(
    "smuggled", ["X-Auth-Subject : acc_root", " X-Auth-Subject: acc_root", "X-Auth-Subject\t: acc_root"]
)
def test_header_lines_that_are_none(edge: Edge, smuggled: str) -> None:
    """A space before the colon, or a folded line: refused, or without effect; never another identity (RFC 9112 5.1)."""
    line, answer = edge.log_in()
    reply = edge.ask("GET", "/notes", line, smuggled)
    assert reply.status in (200, 400, 401)  # a folded line may also become part of the one before it, the credential
    if reply.status == 200:
        assert named(reply.told, "x-auth-subject") == [("x-auth-subject", answer["account"]["id"])]
        assert "acc_root" not in json.dumps(named(reply.told, "x-auth-subject", "authorization"))


@pytest.mark.parametrize("names", ["X-Auth-Subject", "Authorization", "X-Auth-Subject, X-Auth-Roles, Authorization"])
def test_headers_named_hop_by_hop(edge: Edge, names: str) -> None:
    """`Connection: X-Auth-Subject` does not take away what the proxy has added."""
    line, answer = edge.log_in()
    reply = edge.ask("GET", "/notes", line, f"Connection: close, {names}")
    assert reply.status == 200, reply
    assert reply.told["account"] == answer["account"]["id"]
    assert named(reply.told, "x-auth-subject") == [("x-auth-subject", answer["account"]["id"])]


def test_credentials_named_hop_by_hop(edge: Edge) -> None:
    """Nor does it make somebody of nobody, or take a cookie's CSRF rule away from a browser: no page can send it."""
    assert edge.ask("GET", "/notes", "Connection: close, Cookie").status == 401
    line, _ = edge.log_in()
    assert (
        edge.ask("POST", "/notes", line, *FOREIGN, "Connection: close, X-Original-Method, X-Forwarded-Method").status
        == 403
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_changes_from_another_site_are_refused(edge: Edge, method: str) -> None:
    """The original method decides, also if the client claims another one; the service is not asked (M-50)."""
    line, _ = edge.log_in()
    claims: tuple[tuple[str, ...], ...] = ((), ("X-Original-Method: GET",), ("X-Forwarded-Method: GET",))
    for claim in claims:
        assert edge.ask(method, "/notes", line, *FOREIGN, *claim, body=b"x=1").status == 403, claim
    assert edge.ask(method, "/notes", line, *OWN, body=b"x=1").status == 200
    assert edge.ask("GET", "/notes", line, *FOREIGN).status == 200
    bearer, _ = edge.log_in(kind="stateless")
    assert edge.ask(method, "/notes", bearer, *FOREIGN, body=b"x=1").status == 200, "a header-borne credential"


def test_sockets_from_another_site_are_refused(edge: Edge) -> None:
    """The handshake of a WebSocket is a GET that any page can send (M-50)."""
    line, _ = edge.log_in()
    handshake = ("Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13")
    assert edge.ask("GET", "/notes", line, *handshake, "Connection: Upgrade", *FOREIGN).status == 403


def test_two_credentials(edge: Edge) -> None:
    """A cookie and a header at once are a contradiction: 400, not somebody."""
    cookie, _ = edge.log_in()
    bearer, _ = edge.log_in(kind="stateless")
    assert edge.ask("GET", "/notes", cookie, bearer).status == 400


def test_the_question_is_not_for_clients(edge: Edge) -> None:
    """Neither under the auth server's own path, in whatever spelling, nor under the proxy's."""
    line, _ = edge.log_in()
    for path in (
        "/auth/v1/forward-auth", "/auth/v1/forward-auth?audience=" + NOTES, "/auth//v1/forward-auth",
        "/auth/v1//forward-auth",
        "/auth/v1/./forward-auth", "/auth/v1/x/../forward-auth", "/auth/v1/forward%2Dauth", "/auth/v1/%66orward-auth",
        "/auth/v1/forward-auth/", "//auth/v1/forward-auth", "/auth/%2e%2e/auth/v1/forward-auth",
        "/AUTH/v1/forward-auth", "/auth/auth/v1/forward-auth", "/auth/v1/forward-auth%0A",
    ):  # fmt: skip
        reply = edge.ask("GET", path, line)
        assert not reply.header("authorization"), path
        assert not reply.header("x-auth-subject"), path
    assert edge.ask("GET", "/_ostiary", line).status in (404, 200)
    assert not edge.ask("GET", "/_ostiary", line).header("authorization")


def test_the_auth_servers_path_is_written_once(edge: Edge) -> None:
    """Flaw class: the proxy takes the path away, the auth server takes a second one for a path that was left, and what
    the proxy keeps from clients has another address."""
    line, _ = edge.log_in()
    assert edge.ask("GET", "/auth/v1/me", line).status == 200
    for path in (
        "/auth/auth/v1/me",
        "/auth/auth/admin",
        "/auth/%61uth/v1/me",
        "/auth//auth/v1/me",
        "/auth/./auth/v1/me",
    ):
        assert edge.ask("GET", path, line).status == 404, path


def test_bodies_arrive(edge: Edge) -> None:
    """The question takes nothing of the request's body away."""
    line, _ = edge.log_in()
    assert edge.ask("POST", "/notes", line, *OWN, body=b"x" * 50_000).status == 200


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=lambda proxy: str(proxy.__name__))
def test_without_the_auth_server_nobody_gets_in(proxy: Any, notes: Process, tmp_path: Path) -> None:
    """It is down: a 5xx of the proxy's own, whatever is sent; the service is not asked."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        away = Process(notes.process, f"http://127.0.0.1:{nobody.getsockname()[1]}", notes.log)
        with proxy(tmp_path, away, notes) as port:
            edge = Edge(proxy.__name__, port, away, notes)
            for line in ("X-Auth-Subject: acc_root", "Authorization: Bearer x", "Cookie: __Host-ostiary_session=x"):
                reply = edge.ask("GET", "/open", line)
                assert reply.status in (502, 503)
                assert b"headers" not in reply.body
