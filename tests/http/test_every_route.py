"""What holds for every row of the table of endpoints, whatever it does: HEAD, OPTIONS, and the query."""

from typing import Any

import httpx2
import pytest
from tests.http.harness import API, Login, Site, open_site
from tests.http.services import service as registered

from ostiary.http.endpoints import Auth, Dialect, Endpoint
from ostiary.http.routes import ENDPOINTS
from ostiary.http.routes.openapi import openapi_endpoints
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

ALL = (*ENDPOINTS, *openapi_endpoints(ENDPOINTS))
READ = [endpoint for endpoint in ALL if endpoint.method == "GET"]
METRICS = "a token for scrapers, of good length"


def _name(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


class World:
    """A site with something behind every path."""

    def __init__(self, site: Site, admin: Login, service: Any, paths: dict[str, str]) -> None:
        self.site = site
        self.admin = admin
        self.service = service
        self._paths = paths
        self.sent = b""
        """The body of the last answer as the application sent it: a client throws that of HEAD away."""

    async def _seen(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            self.sent += message.get("body", b"")
            await send(message)

        await self.site.auth.asgi(scope, receive, sending)

    def path(self, endpoint: Endpoint) -> str:
        path = endpoint.path
        for name, value in self._paths.items():
            path = path.replace("{" + name + "}", value)
        if path == "/v1/admin/clients/{id}":
            return f"/v1/admin/clients/{self.service.id}"
        if "/accounts/{id}" in path:
            return path.replace("{id}", self.admin.account_id)
        return path.replace("{id}", self.admin.id)

    async def call(
        self, endpoint: Endpoint, query: str = "", *, method: str = "", known: bool = True
    ) -> httpx2.Response:
        """As whoever may call it; anonymously if not `known`."""
        how: dict[str, Any] = {"app": self._seen}
        self.sent = b""
        if known and endpoint.by_client:
            how["headers"] = self.service.basic
        elif known and endpoint.path == "/metrics":
            how["bearer"] = METRICS
        elif (known and endpoint.dialect is Dialect.PAGE) or (known and endpoint.auth is not Auth.ANYONE):
            how["cookies"] = self.admin.use["cookies"]
        if endpoint.path == "/v1/forward-auth":
            how["peer"] = "127.0.0.1"
        if known and endpoint.path == "/v1/forward-auth":
            how["cookies"] = self.admin.use["cookies"]
            how["headers"] = {"X-Original-Method": "GET"}
        return await self.site.call(method or endpoint.method, self.path(endpoint) + query, **how)


@pytest.fixture
async def world(anyio_backend: str) -> Any:
    async with open_site(FakeClock(), status_lists=True, audiences=(API,), metrics_token=METRICS.encode()) as site:
        await site.account(roles=("admin", "user"))
        admin = await site.log_in()
        await site.log_in(kind="stateless")
        service = await registered(site)
        static = (await site.get("/login")).text.partition("/static/")[2].partition('"')[0]
        (key, *_) = (await site.get("/v1/admin/keys", **admin.use)).json()["keys"]
        yield World(site, admin, service, {"kid": key["kid"], "n": "0", "name": static})


@pytest.mark.parametrize("known", [True, False], ids=["known", "anonymous"])
@pytest.mark.parametrize("endpoint", READ, ids=_name)
async def test_head_says_what_get_says(world: World, endpoint: Endpoint, known: bool) -> None:
    """HEAD of whatever can be read: the same status and the same headers, and no body (RFC 9110 section 9.3.2)."""
    whole = await world.call(endpoint, known=known)
    head = await world.call(endpoint, method="HEAD", known=known)
    assert head.status_code == whole.status_code
    assert world.sent == b""
    varies = {"content-length"} if endpoint.path == "/metrics" else set()
    assert not known or whole.status_code in (200, 303) or endpoint.path in ("/setup", "/admin/audit/export")
    assert _headers(head, varies) == _headers(whole, varies)


def _headers(response: httpx2.Response, varies: set[str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in response.headers.items() if name not in varies)


@pytest.mark.parametrize("endpoint", ALL, ids=_name)
async def test_a_parameter_that_comes_twice_is_refused(world: World, endpoint: Endpoint) -> None:
    """Flaw class: the proxy in front looks at the first of two values, and the server takes the last. Whatever an
    endpoint takes from its query comes once, with every method: 400 `invalid_request`, and nothing is done (section
    1)."""
    names = [one.name for one in endpoint.query] + (["wait"] if endpoint.ends else [])
    if endpoint.dialect is Dialect.PAGE:
        names = ["lang", "next", "cursor"]
    for name in names:
        for values in (("all", "all"), ("", "all"), ("all", "")):
            query = f"?{name}={values[0]}&other=1&{name}={values[1]}"
            methods = ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,)
            for method in methods:
                refused = await world.call(endpoint, query, method=method)
                assert refused.status_code == 400, (name, refused.text)
                if endpoint.dialect is Dialect.PROBLEM and method != "HEAD":
                    assert refused.json()["code"] == "invalid_request"
    assert (await world.site.get("/v1/me", **world.admin.use)).status_code == 200


@pytest.mark.parametrize("endpoint", READ, ids=_name)
async def test_a_parameter_that_nobody_knows_says_nothing(world: World, endpoint: Endpoint) -> None:
    """What came with a link from elsewhere, once or twice, keeps nobody from what it leads to (section 1)."""
    plain = await world.call(endpoint)
    for query in ("?utm_source=mail", "?%00=%ff&&=&a", *(() if endpoint.dialect is Dialect.PAGE else ("?x=1&x=2",))):
        assert (await world.call(endpoint, query)).status_code == plain.status_code, query


@pytest.mark.parametrize("endpoint", READ, ids=_name)
async def test_a_path_has_one_spelling(world: World, endpoint: Endpoint) -> None:
    """Flaw class: a proxy keeps a path from clients, and the server takes another one, with a line end or a slash after
    it, for the same."""
    for after in ("%0A", "%0a", "%0D", "%0D%0A", "/", "%2F", "%20", "%00"):
        assert (await world.call(endpoint, after)).status_code == 404 or endpoint.path == "/", after


@pytest.mark.parametrize("endpoint", [one for one in ALL if one.path.count("/") > 1], ids=_name)
async def test_an_encoded_slash_separates_nothing(world: World, endpoint: Endpoint) -> None:
    """Flaw class: a proxy keeps `/v1/admin` from clients, and the server takes `/v1%2Fadmin` for the same (RFC 3986
    section 2.2)."""
    for slash in ("%2F", "%2f"):
        first, *rest = world.path(endpoint).removeprefix("/").split("/")
        refused = await world.site.call(endpoint.method, f"/{first}{slash}" + "/".join(rest), app=world._seen)
        assert refused.status_code == 404, slash


@pytest.mark.parametrize("endpoint", ALL, ids=_name)
async def test_other_methods_are_405_and_say_which_there_are(world: World, endpoint: Endpoint) -> None:
    """Whoever asks, the same: also OPTIONS, which is nobody's preflight without `cors_origins` (RFC 9110 section
    15.5.6)."""
    there = {one.method for one in ALL if one.path == endpoint.path}
    there |= {"HEAD"} if "GET" in there else set()
    for method in ("OPTIONS", "PUT", "TRACE", "PROPFIND", *({"GET", "HEAD", "POST", "PATCH", "DELETE"} - there)):
        for known in (True, False):
            refused = await world.call(endpoint, method=method, known=known)
            assert refused.status_code == 405, method
            assert set(refused.headers["allow"].split(", ")) == there


@pytest.mark.parametrize("origin", ["https://app.example", "https://evil.example"])
async def test_answers_to_another_origin_are_the_same_for_head(origin: str) -> None:
    """CORS: HEAD grants what GET grants; a preflight of every documented path is answered for an origin on the list,
    and says nothing to another (M-51)."""
    async with open_site(FakeClock(), cors_origins=("https://app.example",)) as site:
        for endpoint in (one for one in ALL if one.documented):
            path = endpoint.path.replace("{id}", "x").replace("{kid}", "x").replace("{n}", "0")
            asks = {"Origin": origin, "Access-Control-Request-Method": endpoint.method}
            preflight = await site.call("OPTIONS", path, headers=asks)
            granted = preflight.headers.get("access-control-allow-origin")
            if origin == "https://evil.example":
                assert granted is None
                assert preflight.status_code == 405
                continue
            assert (preflight.status_code, granted) == (204, origin)
            assert endpoint.method in preflight.headers["access-control-allow-methods"].split(", ")
            if endpoint.method == "GET":
                whole, head = [await site.call(method, path, headers={"Origin": origin}) for method in ("GET", "HEAD")]
                assert head.status_code == whole.status_code
                assert _headers(head, set()) == _headers(whole, set())
                assert head.headers["access-control-allow-origin"] in (origin, "*")
