"""The example for Traefik, which is not packaged: what can be told of it without running it."""

import re
from typing import Any

import pytest
import yaml
from tests.proxies.conftest import EXAMPLES, HOST, NOTES

TESTED = ("nginx/app.example.com.conf", "caddy/Caddyfile")


@pytest.fixture(scope="module")
def http() -> dict[str, Any]:
    """Its one section."""
    parsed = yaml.safe_load((EXAMPLES / "traefik/dynamic.yml").read_text())
    assert list(parsed) == ["http"]
    found: dict[str, Any] = parsed["http"]
    return found


def _tested(name: str) -> str:
    return (EXAMPLES / name).read_text()


def _headers_of(caddy: str, directive: str) -> set[str]:
    return set(re.findall(rf"^\s*{directive} (.+)$", caddy, re.MULTILINE)[0].split())


def test_every_name_leads_somewhere(http: dict[str, Any]) -> None:
    """Traefik drops a router whose service or middleware does not exist; one that nobody names is a slip."""
    routers, middlewares, services = http["routers"], http["middlewares"], http["services"]
    named = [name for router in routers.values() for name in router["middlewares"]]
    assert sorted(named) == sorted(middlewares)
    assert {router["service"] for router in routers.values()} == set(services)
    assert all(len(middleware) == 1 for middleware in middlewares.values())
    assert all(set(router) == {"rule", "service", "middlewares", "tls"} for router in routers.values())


def test_a_request_is_asked_about_after_it_was_cleaned(http: dict[str, Any]) -> None:
    """Middlewares work in their order: what the client says about who it is goes before Ostiary's word is added. The
    service's router has no other way in, and the question itself is answered to nobody outside (M-61)."""
    assert http["routers"]["notes"]["middlewares"] == ["nobody-yet", "ask-ostiary"]
    rules = {name: router["rule"] for name, router in http["routers"].items()}
    assert set(rules) == {"ostiary", "notes"}
    assert rules["notes"] == f"Host(`{HOST}`) && !PathPrefix(`/auth/`)"
    assert rules["ostiary"] == f"Host(`{HOST}`) && PathPrefix(`/auth/`) && !Path(`/auth/v1/forward-auth`)"
    assert http["middlewares"]["without-auth-prefix"] == {"stripPrefix": {"prefixes": ["/auth"]}}


def test_it_asks_what_the_tested_files_ask(http: dict[str, Any]) -> None:
    """The same question of the same server, for the same service; the same headers of the answer go on (M-61)."""
    question = http["middlewares"]["ask-ostiary"]["forwardAuth"]
    server = {name: service["loadBalancer"]["servers"][0]["url"] for name, service in http["services"].items()}
    path = f"/v1/forward-auth?audience={NOTES}"
    assert question["address"] == server["ostiary"] + path
    for name in TESTED:
        text = _tested(name)
        assert path in text
        assert all(url.removeprefix("http://") in text for url in server.values())
    given = set(question["authResponseHeaders"])
    assert given == _headers_of(_tested("caddy/Caddyfile"), "copy_headers")
    passed = re.findall(r"proxy_set_header (\S+) \$auth_\w+;", _tested("nginx/app.example.com.conf"))
    assert given == set(passed)


def test_what_is_judged_comes_along(http: dict[str, Any]) -> None:
    """nginx and Caddy pass all headers on to the question; Traefik those that are named: credentials, proof, and what
    the CSRF rule looks at. Of where and how the client came, Traefik's own word counts."""
    question = http["middlewares"]["ask-ostiary"]["forwardAuth"]
    assert question["trustForwardHeader"] is False
    assert set(question["authRequestHeaders"]) == {
        *("Authorization", "DPoP", "Cookie"),
        *("Origin", "Sec-Fetch-Site", "Sec-WebSocket-Key", "X-CSRF-Token"),
    }


def test_what_the_client_says_about_itself_goes(http: dict[str, Any]) -> None:
    """Every name that a tested file takes away, Traefik's takes away as well, and so it does where a service would read
    an underscore as a hyphen."""
    taken = http["middlewares"]["nobody-yet"]["headers"]["customRequestHeaders"]
    assert set(taken.values()) == {""}  # which is how Traefik removes one
    assert set(_taken_by_nginx()) <= set(taken)
    for pattern in _taken_by_caddy():
        assert any(re.fullmatch(pattern, name) for name in taken), pattern
    told = [name for name in taken if "_" not in name and not name.startswith("X-Original-")]
    assert {name for name in taken if "_" in name} == {spelt for name in told for spelt in _with_underscores(name)}


def _taken_by_nginx() -> set[str]:
    """`Connection` is Traefik's own between it and the service, `Authorization` is replaced by the answer's; `Proxy` is
    a setting to programs that are run as CGI alone."""
    service = _tested("nginx/app.example.com.conf").partition("# --- The service -")[2]
    names = re.findall(r"proxy_set_header (\S+) (?:\"\"|\$auth_\w+);", service)
    return set(names) - {"Connection", "Authorization", "Proxy"}


def _taken_by_caddy() -> list[str]:
    """As patterns: Caddy's own have stars. What is taken away by its underscore is looked at apart."""
    names = re.findall(r"request_header -(\S+)", _tested("caddy/Caddyfile"))
    return [re.escape(name).replace(r"\*", ".*") for name in names if name not in ("Connection", "*_*")]


def _with_underscores(name: str) -> set[str]:
    first, *rest = name.split("-")
    spelt = {first}
    for part in rest:
        spelt = {before + between + part for before in spelt for between in "-_"}
    return spelt - {name}
