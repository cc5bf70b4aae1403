"""Contract section 5, operation: is it alive, is it ready, what does it offer."""

import html
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from openapi_spec_validator import validate
from tests.http.harness import Site, open_site

from ostiary.errors import Unavailable
from ostiary.http.endpoints import Dialect
from ostiary.http.routes import ENDPOINTS

pytestmark = pytest.mark.anyio


def anchor_of(method: str, path: str) -> str:
    """Where a call stands on the page."""
    return re.sub(r"\W+", "-", method + path).strip("-")


UNWRITTEN = {"/", "/static/{name}", "/openapi.json", "/docs"}


async def test_healthz(site: Site) -> None:
    """200 as long as the process answers (section 5)."""
    response = await site.get("/healthz")
    assert response.json() == {"status": "ok"}


async def test_readyz(site: Site) -> None:
    """200 with each check by name (section 5)."""
    body = (await site.get("/readyz")).json()
    assert body["ready"] is True
    assert [check["name"] for check in body["checks"]] == ["store", "migrations", "signing_key", "revocation_lease"]
    assert all(check["ok"] for check in body["checks"])


async def test_readyz_names_what_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the failing check and Retry-After; /healthz is still 200 (section 5)."""

    async def down() -> None:
        raise Unavailable(private="the disk said ost_st_secret")

    monkeypatch.setattr(type(site.auth.system.store), "check", lambda self: down())
    response = await site.get("/readyz")
    assert response.status_code == 503
    checks = {check["name"]: check["ok"] for check in response.json()["checks"]}
    assert (checks["store"], checks["migrations"], checks["signing_key"]) == (False, None, True)
    assert response.json()["ready"] is False
    assert "secret" not in response.text
    assert (await site.get("/healthz")).status_code == 200


async def test_readyz_tells_migrations_from_the_store(anyio_backend: str, tmp_path: Path) -> None:
    """A store that answers under another schema: the check that fails is `migrations` (section 5)."""
    path = tmp_path / "ready.db"
    async with open_site(database=f"sqlite:///{path}") as site:
        assert (await site.get("/readyz")).status_code == 200
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE alembic_version SET version_num = '0000'")
        response = await site.get("/readyz")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert [check["name"] for check in response.json()["checks"] if not check["ok"]] == ["migrations"]


async def test_a_store_that_is_down_is_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """`unavailable` with Retry-After, never a reason to log out (section 1)."""
    await site.account()
    login = await site.log_in()

    async def down(*arguments: object, **more: object) -> None:
        raise Unavailable(private="no")

    for table in ("sessions", "accounts"):
        monkeypatch.setattr(type(getattr(site.auth.system.store, table)), "get", down)
    for method, path in (("GET", "/v1/me"), ("POST", "/v1/logout"), ("GET", "/account")):
        response = await site.call(method, path, **login.use)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        assert "set-cookie" not in response.headers
        if path.startswith("/v1/"):
            assert response.json()["code"] == "unavailable"
            assert response.json()["retry_after"] >= 1


async def test_a_defect_of_ours_says_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error is 500 without a trace of what happened (section 1)."""
    from tests.http import harness

    monkeypatch.setattr(harness, "check_every_answer", lambda response: None)

    def broken(*arguments: object, **more: object) -> None:
        raise RuntimeError("secret detail")

    await site.account()
    monkeypatch.setattr(type(site.auth.system.accounts), "register", broken)
    response = await site.post("/v1/accounts", json={"username": "bob", "password": "eleven quiet lanterns"})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "internal_error"
    assert "secret" not in response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_document_is_valid(site: Site) -> None:
    """/openapi.json is an OpenAPI 3.1 document (section 5)."""
    response = await site.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    validate(document)
    assert document["openapi"].startswith("3.1")
    identifiers = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(identifiers) == len(set(identifiers))


async def test_every_route_is_documented(site: Site) -> None:
    """Whatever the server answers is in the document, or is a page for people (section 5)."""
    document = (await site.get("/openapi.json")).json()
    for_programs = {(one.method, one.path) for one in ENDPOINTS if one.dialect is not Dialect.PAGE}
    written = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert {(method, path) for method, path in for_programs if path not in UNWRITTEN} == written


async def test_docs(site: Site) -> None:
    """A page for people: every call of the document in its group, with what it takes and gives, and no script
    (section 5)."""
    response = await site.get("/docs")
    page = response.text
    assert "<script" not in page
    assert "unsafe" not in response.headers["content-security-policy"]
    document = (await site.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            call = page.partition(f'<details class="card call" id="{anchor_of(method, path)}">')[2].partition(
                "</details>"
            )[0]
            assert f'<code class="call-path">{path}</code>' in call
            assert html.escape(operation["summary"]) in call.replace("&#39;", "&#x27;")
            assert all(status in call for status in operation["responses"])
    login = page.partition('id="post-v1-login"')[2].partition("</details>")[0]
    for name in document["components"]["schemas"]["LoginBody"]["properties"]:
        assert f"<code>{name}</code>" in login
    for tag in document["tags"]:
        assert f'id="{tag["name"]}-title"' in page
