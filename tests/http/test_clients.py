"""Contract section 5: administration of registered services."""

import pytest
from tests.http.harness import API, ISSUER, PASSWORD, REPORTS, Login, Site, problem
from tests.http.services import EXCHANGE, basic, service
from tests.unit.jose.forge import large_rsa_jwk

from ostiary import jose

pytestmark = pytest.mark.anyio

PATH = "/v1/admin/clients"
FULL = {
    "name": "notes",
    "grants": ["client_credentials", EXCHANGE],
    "audiences": [API],
    "targets": [REPORTS],
    "scopes": ["b", "a"],
}


async def administrator(site: Site) -> Login:
    """Just logged in."""
    await site.account("root", roles=("admin",))
    return await site.log_in("root")


def key_of(alg: str = "ES256") -> jose.Key:
    return jose.Key.generate(alg)


async def test_a_service_is_registered_and_its_secret_shown_once(site: Site) -> None:
    """201 `{client, client_secret}`; nothing shows the secret again, and the store has a digest only (section 5)."""
    root = await administrator(site)
    response = await site.post(PATH, json=FULL, **root.use)
    assert response.status_code == 201
    assert set(response.json()) == {"client", "client_secret"}
    client, secret = response.json()["client"], response.json()["client_secret"]
    assert secret.startswith("ost_cs_")
    assert len(secret) == len("ost_cs_") + 43
    assert client["id"].startswith("cli_")
    assert {name: client[name] for name in FULL} == {**FULL, "scopes": ["a", "b"]}
    assert client["token_endpoint_auth_method"] == "client_secret_basic"
    shown = await site.get(f"{PATH}/{client['id']}", **root.use)
    listed = await site.get(PATH, **root.use)
    assert shown.json() == {"client": client}
    assert listed.json() == {"clients": [client], "next": None}
    stored = await site.auth.system.store.clients.get(client["id"])
    assert stored is not None
    assert secret not in repr(stored)
    for answer in (shown, listed, await site.get("/v1/admin/audit", **root.use)):
        assert "ost_cs_" not in answer.text


async def test_all_but_the_name_default_to_empty(site: Site) -> None:
    """A service that is registered by its name alone may do nothing (section 5)."""
    root = await administrator(site)
    client = (await site.post(PATH, json={"name": "n"}, **root.use)).json()["client"]
    assert all(client[name] == [] for name in ("grants", "audiences", "targets", "scopes"))
    assert client["jwks"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"name": ""}, {"name": " "}, {"name": "x" * 201}, {"name": "a\u0000"}, {"name": 5},
        {"name": "n", "grants": ["password"]}, {"name": "n", "grants": ["refresh_token"]},
        {"name": "n", "grants": ["token-exchange"]}, {"name": "n", "grants": "client_credentials"},
        {"name": "n", "audiences": [""]}, {"name": "n", "audiences": ["a b"]}, {"name": "n", "targets": ["x" * 257]},
        {"name": "n", "targets": ["t"] * 65}, {"name": "n", "scopes": ['"']}, {"name": "n", "scopes": ["a b"]},
        {"name": "n", "scopes": ["é"]}, {"name": "n", "secret": "mine"}, {"name": "n", "id": "cli_x"},
        {"name": "n", "jwks": []}, {"name": "n", "jwks": {}}, {"name": "n", "jwks": {"keys": []}},
        {"name": "n", "jwks": {"keys": [5]}}, {"name": "n", "jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"name": "n", "jwks": {"keys": [{"kty": "EC", "crv": "P-256"}]}},
        {"name": "n", "jwks": {"keys": [{"kty": "EC"}], "more": 1}},
    ],
    ids=str,
)  # fmt: skip
async def test_what_is_no_service_is_refused(site: Site, wrong: dict[str, object]) -> None:
    """422 `invalid_request` that says what is wrong, and nothing is registered (section 1)."""
    root = await administrator(site)
    response = await site.post(PATH, json=wrong, **root.use)
    assert problem(response) == (422, "invalid_request")
    assert len(response.json()["detail"]) > 10
    assert (await site.get(PATH, **root.use)).json()["clients"] == []


async def test_all_that_is_wrong_is_said_at_once(site: Site) -> None:
    """Whoever registers a service mends it in one go."""
    root = await administrator(site)
    wrong = {"name": "", "grants": ["x"], "audiences": [""], "targets": [""], "scopes": [""], "jwks": {}}
    detail = (await site.post(PATH, json=wrong, **root.use)).json()["detail"]
    assert all(f"'{member}'" in detail for member in wrong)


@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA", "RS256", "PS256"])
async def test_a_service_with_keys_has_no_secret(site: Site, alg: str) -> None:
    """`jwks` takes the place of a secret; it comes back with algorithm and id, however it was sent (section 5)."""
    root = await administrator(site)
    jwk = key_of(alg).public().to_jwk()
    bare = {name: value for name, value in jwk.items() if name not in ("use", "kid")}
    if alg != "PS256":  # an RSA key that does not say it is for RS256
        del bare["alg"]
    response = await site.post(PATH, json={"name": "n", "jwks": {"keys": [bare]}}, **root.use)
    assert response.status_code == 201
    assert response.json()["client_secret"] is None
    client = response.json()["client"]
    assert client["jwks"] == {"keys": [jwk]}
    assert client["token_endpoint_auth_method"] == "private_key_jwt"


async def test_a_private_key_is_refused_and_not_echoed(site: Site) -> None:
    """Whoever sends a private key is told, and it is kept nowhere."""
    root = await administrator(site)
    jwk = key_of().to_jwk(private=True)
    response = await site.post(PATH, json={"name": "n", "jwks": {"keys": [jwk]}}, **root.use)
    assert problem(response) == (422, "invalid_request")
    assert jwk["d"] not in response.text
    assert "private" in response.text


async def test_flaw_15_a_service_brings_no_key_that_takes_long_to_verify(site: Site) -> None:
    """An RSA key of a service has at most 4096 bits: whoever names the service makes the server compute with it."""
    root = await administrator(site)
    for bits, status in ((4096, 201), (4097, 422), (16384, 422)):
        body = {"name": "n", "jwks": {"keys": [large_rsa_jwk(bits)]}}
        response = await site.post(PATH, json=body, **root.use)
        assert response.status_code == status, response.text
    assert "4096 bits" in response.json()["detail"]


async def test_a_service_is_changed(site: Site) -> None:
    """PATCH changes what it names; `ended` is 1 if what was issued before is void (section 5)."""
    root = await administrator(site)
    client = (await site.post(PATH, json=FULL, **root.use)).json()["client"]
    path = f"{PATH}/{client['id']}"
    for change, ended in (
        ({}, 0), ({"name": "renamed"}, 0), ({"targets": [REPORTS, "https://more.example"]}, 0),
        ({"targets": [REPORTS]}, 1), ({"scopes": []}, 1), ({"audiences": []}, 1), ({"grants": []}, 1),
        ({"jwks": {"keys": [key_of().public().to_jwk()]}}, 1),
    ):  # fmt: skip
        response = await site.patch(path, json=change, **root.use)
        assert response.status_code == 200, response.text
        assert (response.json()["ended"], response.json()["bound"]) == (ended, 0.0), change
        client = {**client, **change}
        if "jwks" not in change:
            assert response.json()["client"] == client
    assert response.json()["client"]["token_endpoint_auth_method"] == "private_key_jwt"
    for wrong in ({"name": ""}, {"grants": ["x"]}, {"jwks": None}, {"name": None}, {"id": "x"}, {"epoch": 1}):
        assert problem(await site.patch(path, json=wrong, **root.use)) == (422, "invalid_request"), wrong
    assert problem(await site.patch(f"{PATH}/cli_x", json={"name": "n"}, **root.use)) == (404, "not_found")


async def test_a_secret_is_replaced(site: Site) -> None:
    """The new secret works and the old one does not, from the moment of the answer."""
    root = await administrator(site)
    svc = await service(site)
    assert (await svc.introspect("x")).status_code == 200
    response = await site.post(f"{PATH}/{svc.id}/secret", **root.use)
    assert response.status_code == 200
    assert (response.json()["ended"], response.json()["bound"]) == (1, 0.0)
    assert problem(await svc.introspect("x")) == (401, "invalid_client")
    svc.secret = response.json()["client_secret"]
    assert (await svc.introspect("x")).status_code == 200


async def test_a_service_is_deleted(site: Site) -> None:
    """`{ended, bound}`; from then on it is unknown, here and at /oauth (section 5)."""
    root = await administrator(site)
    svc = await service(site)
    assert (await svc.introspect("x")).status_code == 200
    response = await site.delete(f"{PATH}/{svc.id}", **root.use)
    assert response.json() == {"ended": 1, "bound": 0.0}
    assert problem(await svc.introspect("x")) == (401, "invalid_client")
    assert problem(await site.delete(f"{PATH}/{svc.id}", **root.use)) == (404, "not_found")
    assert problem(await site.get(f"{PATH}/{svc.id}", **root.use)) == (404, "not_found")
    assert (await site.get(PATH, **root.use)).json() == {"clients": [], "next": None}


async def test_services_are_paged(site: Site) -> None:
    """Each is on one page, and `next` leads on (section 5)."""
    root = await administrator(site)
    made = {(await service(site)).id for _ in range(5)}
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await site.get(f"{PATH}?limit=2&cursor={cursor}", **root.use)).json()
        seen += [client["id"] for client in page["clients"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 5
    assert set(seen) == made
    assert problem(await site.get(f"{PATH}?limit=0", **root.use)) == (422, "invalid_request")


async def test_only_administrators_and_only_after_a_recent_proof(site: Site) -> None:
    """Role `admin` for all of it, re-authentication within 5 minutes for changes (section 5)."""
    root = await administrator(site)
    svc = await service(site)
    await site.account("ann")
    ann = await site.log_in("ann")
    calls = [
        ("GET", PATH, None), ("GET", f"{PATH}/{svc.id}", None), ("POST", PATH, FULL),
        ("PATCH", f"{PATH}/{svc.id}", {"name": "n"}), ("DELETE", f"{PATH}/{svc.id}", None),
        ("POST", f"{PATH}/{svc.id}/secret", None),
    ]  # fmt: skip
    for method, path, body in calls:
        assert problem(await site.call(method, path, json=body)) == (401, "not_authenticated")
        assert problem(await site.call(method, path, json=body, **ann.use)) == (403, "forbidden")
        refused = await site.call(method, path, json=body, headers=basic(svc.id, svc.secret or ""))
        assert problem(refused) == (401, "not_authenticated")
    site.clock.advance(301)
    for method, path, body in calls:
        response = await site.call(method, path, json=body, **root.use)
        if method == "GET":
            assert response.status_code == 200
        else:
            assert problem(response) == (403, "reauthentication_required")
    assert (await site.get(f"{PATH}/{svc.id}", **root.use)).json()["client"]["name"] == "svc"
    proven = root.renewed(await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **root.use))
    assert (await site.delete(f"{PATH}/{svc.id}", **proven.use)).status_code == 200


async def test_changes_are_audited(site: Site) -> None:
    """Who did what to which service (section 5)."""
    root = await administrator(site)
    client = (await site.post(PATH, json=FULL, **root.use)).json()["client"]
    path = f"{PATH}/{client['id']}"
    site.clock.advance(1)
    await site.patch(path, json={"scopes": []}, **root.use)
    site.clock.advance(1)
    await site.post(f"{path}/secret", **root.use)
    site.clock.advance(1)
    await site.delete(path, **root.use)
    events = (await site.get("/v1/admin/audit", **root.use)).json()["events"]
    told = [event for event in events if event["event"].startswith("client.")]
    assert [event["event"] for event in reversed(told)] == [
        "client.created", "client.changed", "client.secret_replaced", "client.deleted",
    ]  # fmt: skip
    for event in told:
        assert event["actor"] == root.account_id
        assert event["detail"] == {"client_id": client["id"], "name": "notes"}


async def test_metadata_names_only_what_works(site: Site) -> None:
    """RFC 8414, RFC 9728: endpoints answer, methods and grants are those that there are (section 5)."""
    body = (await site.get("/.well-known/oauth-authorization-server")).json()
    assert body["introspection_endpoint"] == f"{ISSUER}/oauth/introspect"
    assert set(body["grant_types_supported"]) == {"refresh_token", "client_credentials", EXCHANGE}
    assert set(body["token_endpoint_auth_methods_supported"]) == {"none", "client_secret_basic", "private_key_jwt"}
    assert "none" not in body["introspection_endpoint_auth_methods_supported"]
    assert body["introspection_signing_alg_values_supported"] == ["ES256"]
    assert body["scopes_supported"] == ["accounts:write", "notes:read", "notes:write"]
    for endpoint in ("token", "revocation", "introspection"):
        assert "HS256" not in body[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
    resource = (await site.get("/.well-known/oauth-protected-resource")).json()
    assert resource["resource"] == ISSUER
    assert resource["authorization_servers"] == [ISSUER]
    assert resource["bearer_methods_supported"] == ["header"]
