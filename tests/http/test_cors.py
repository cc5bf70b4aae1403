"""M-51, B-135: an API on another origin works with an exact allow-list."""

import pytest
from tests.http.harness import ISSUER, PASSWORD, Site, open_site, problem

pytestmark = pytest.mark.anyio

APP = "https://app.example"
OTHERS = [
    "https://evil.example", "null", "", "http://app.example", "https://app.example:8443",
    "https://app.example.evil.example",
    "https://sub.app.example", "https://APP.example", "https://app.example/", ISSUER, "*",
]  # fmt: skip


def cors_of(response: object) -> dict[str, str]:
    """The CORS headers of an answer."""
    return {n: v for n, v in response.headers.items() if n.startswith("access-control-")}  # type: ignore[attr-defined]


async def test_an_allowed_origin_may_read(anyio_backend: str) -> None:
    """Exactly that origin, with credentials, and the headers that a client needs (M-51)."""
    async with open_site(cors_origins=(APP,)) as site:
        await site.account()
        for path in ("/v1/me", "/v1/login", "/nothing", "/.well-known/jwks.json", "/healthz"):
            response = await site.get(path, headers={"Origin": APP})
            headers = cors_of(response)
            assert headers["access-control-allow-origin"] == APP
            assert headers["access-control-allow-credentials"] == "true"
            exposed = {name.strip().lower() for name in headers["access-control-expose-headers"].split(",")}
            assert {"www-authenticate", "retry-after"} <= exposed


@pytest.mark.parametrize("origin", OTHERS)
async def test_another_origin_may_not(origin: str, anyio_backend: str) -> None:
    """Any other origin gets no header at all: nothing is reflected, `null` never counts (B-135)."""
    async with open_site(cors_origins=(APP,)) as site:
        await site.account()
        for path in ("/v1/me", "/.well-known/jwks.json"):
            assert not cors_of(await site.get(path, headers={"Origin": origin}))
        body = {"username": "ann", "password": PASSWORD}
        assert not cors_of(await site.post("/v1/login", json=body, headers={"Origin": origin}))
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        response = await site.call("OPTIONS", "/v1/login", headers=preflight)
        assert "access-control-allow-origin" not in response.headers
        assert "access-control-allow-credentials" not in response.headers


async def test_nothing_without_the_setting(site: Site) -> None:
    """Off by default (standards D)."""
    assert not cors_of(await site.get("/v1/me", headers={"Origin": APP}))
    headers = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    response = await site.call("OPTIONS", "/v1/login", headers=headers)
    assert response.status_code == 405
    assert not cors_of(response)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
async def test_preflight(method: str, anyio_backend: str) -> None:
    """A preflight names the methods and headers of the API, needs no credential, and is kept ten minutes at most."""
    async with open_site(cors_origins=(APP, "https://two.example")) as site:
        headers = {
            "Origin": APP,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type, dpop, x-csrf-token",
        }
        response = await site.call("OPTIONS", "/v1/me", headers=headers)
        assert response.status_code in (200, 204)
        found = cors_of(response)
        assert found["access-control-allow-origin"] == APP
        assert found["access-control-allow-credentials"] == "true"
        assert method in found["access-control-allow-methods"].replace(" ", "").split(",")
        allowed = {name.strip().lower() for name in found["access-control-allow-headers"].split(",")}
        assert {"authorization", "content-type", "dpop", "x-csrf-token"} <= allowed
        assert int(found["access-control-max-age"]) <= 600
        assert "*" not in str(found)


async def test_preflight_refuses_what_the_api_does_not_have(anyio_backend: str) -> None:
    """Other methods and headers are not granted (B-135)."""
    async with open_site(cors_origins=(APP,)) as site:
        for extra in (
            {"Access-Control-Request-Method": "PUT"},
            {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-evil"},
        ):
            response = await site.call("OPTIONS", "/v1/me", headers={"Origin": APP, **extra})
            granted = cors_of(response)
            assert "PUT" not in granted.get("access-control-allow-methods", "")
            assert "x-evil" not in granted.get("access-control-allow-headers", "").lower()


async def test_options_that_is_no_preflight(anyio_backend: str) -> None:
    """An OPTIONS request without the preflight's header is an ordinary method (RFC 9110)."""
    async with open_site(cors_origins=(APP,)) as site:
        response = await site.call("OPTIONS", "/v1/me", headers={"Origin": APP})
        assert problem(response) == (405, "method_not_allowed")


async def test_caches_see_that_origins_differ(anyio_backend: str) -> None:
    """What may be cached varies on Origin, with and without one in the request (B-135)."""
    async with open_site(cors_origins=(APP,)) as site:
        for headers in ({}, {"Origin": APP}, {"Origin": "https://evil.example"}):
            response = await site.get("/.well-known/jwks.json", headers=headers)
            assert "origin" in response.headers["vary"].lower()


async def test_reading_is_not_changing(anyio_backend: str) -> None:
    """`cors_origins` lets scripts read; what a cookie changes still needs `trusted_origins` (section 3)."""
    async with open_site(cors_origins=(APP,)) as site:
        await site.account()
        login = await site.log_in()
        headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
        assert problem(await site.post("/v1/sessions/end-all", headers=headers, **login.use)) == (403, "csrf_rejected")
    async with open_site(cors_origins=(APP,), trusted_origins=(APP,)) as site:
        await site.account()
        login = await site.log_in()
        response = await site.post("/v1/sessions/end-all", headers=headers, **login.use)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == APP
