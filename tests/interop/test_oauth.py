"""M-63: oauth4webapi, a client library of others, finds its way by our metadata and gets what the RFCs promise."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.cli.test_serve import Server, wait_until_ready
from tests.interop.node_peer import HERE, installed, missing
from tests.servers.ports import free_port

from ostiary import jose

FRONT, BEHIND = "https://front.example", "https://b.example"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Shell, Server]]:
    """`ostiary serve` with an account."""
    shell = Shell(folder=tmp_path)
    assert shell("account", "create", "ada", "--password-stdin", stdin=GOOD_PASSWORD).code == 0
    (tmp_path / "ostiary.toml").write_text(
        f'audiences = ["{FRONT}"]\n[role_scopes]\nuser = ["notes:read", "notes:write"]\n'
    )
    process = shell.start("serve", "--port", str(port := free_port()))
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        wait_until_ready(server)
        yield shell, server
    finally:
        process.terminate()
        process.communicate(timeout=30)


def ask_node(request: dict[str, Any]) -> dict[str, Any]:
    """One run of node/oauth.mjs."""
    installed("node", "install nodejs")
    if not (HERE / "node_modules" / "oauth4webapi").is_dir():
        missing("oauth4webapi is not there; run scripts/ensure-node-packages")
    done = subprocess.run(
        ["node", "oauth.mjs"], cwd=HERE, input=json.dumps(request) + "\n", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_standard_client(server: tuple[Shell, Server], tmp_path: Path) -> None:
    """Metadata (RFC 8414, 9728), refresh, token exchange (8693), `client_credentials` by private_key_jwt (7523),
    introspection plain and signed (7662, 9701), revocation (7009), and errors as they are expected."""
    shell, running = server
    key = jose.Key.generate("ES256")
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key.public().to_jwk()]}))
    options = ("--audience", FRONT, "--target", BEHIND)
    made = json.loads(shell("client", "create", "front", "--grant", "token-exchange", *options, "--json").out)
    grant = ("--grant", "client_credentials", "--jwks", str(tmp_path / "jwks.json"))
    by_key = json.loads(shell("client", "create", "by-key", *grant, *options, "--json").out)
    body = {"username": "ada", "password": GOOD_PASSWORD, "kind": "stateless", "audience": FRONT}
    login = running.call("POST", "/v1/login", body=body)[1]
    private = {name: value for name, value in key.to_jwk(private=True).items() if name not in ("alg", "use")}
    answer = ask_node(
        {
            "issuer": running.url, "id": made["client"]["id"], "secret": made["client_secret"],
            "keyId": by_key["client"]["id"], "jwk": private, "refreshToken": login["refresh_token"],
            "subjectToken": login["access_token"], "audience": BEHIND,
        }
    )  # fmt: skip
    assert "failed" not in answer, answer
    assert answer["issuer"] == answer["resource"] == running.url
    assert {"access_token", "expires_in", "refresh_token", "token_type"} <= set(answer["refreshed"])
    assert answer["exchanged"]["expires_in"] == 60
    assert answer["exchanged"]["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert answer["claims"]["act"] == {"sub": made["client"]["id"]}
    assert (answer["claims"]["aud"], answer["claims"]["scope"]) == (BEHIND, "notes:read")
    assert answer["own"]["token_type"] == "bearer"
    assert answer["plain"]["active"] is True
    assert answer["contentType"] == "application/token-introspection+jwt"
    assert answer["signed"]["sub"] == answer["plain"]["sub"] == login["account"]["id"]
    assert answer["after"] == {"active": False}
    assert answer["refused"] == {"status": 400, "error": "invalid_grant"}
    assert answer["wrong"]["status"] == 401
