"""HAProxy's jwt_verify and Apache's mod_auth_openidc judge tokens of ours, as the guide configures them."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.interop import proxies
from tests.interop.proxies import ask
from tests.scenario.test_verifier_elsewhere import issuing, log_in
from tests.servers.ports import free_port
from tests.unit.jose.forge import ALGS, b64, key, raw_token

from ostiary import jose

THEIRS, US = "https://auth.example.com", "https://notes.example.com"
HAPROXY = tuple(alg for alg in ALGS if alg[:2] in ("HS", "RS", "ES"))
APACHE = tuple(alg for alg in ALGS if alg[:2] in ("RS", "PS", "ES"))
SECRET = "a-secret-of-64-characters-that-a-configuration-file-can-hold-123"


def signer(alg: str) -> jose.Key:
    """Named after its algorithm, so that RSA keys of the same numbers can be told apart."""
    if alg.startswith("HS"):
        return jose.Key.from_secret(SECRET.encode(), alg, kid=alg)
    return jose.Key.from_jwk({**key(alg).to_jwk(private=True), "kid": alg})


def another(alg: str) -> jose.Key:
    """Another key under the same name."""
    if alg.startswith("HS"):
        return jose.Key.from_secret(SECRET[::-1].encode(), alg, kid=alg)
    return jose.Key.from_jwk({**key(alg, 1).to_jwk(private=True), "kid": alg})


def claims(**changes: object) -> dict[str, object]:
    """As our access tokens have them, now; a claim given as `...` is left out."""
    now = int(time.time())
    members = {"iss": THEIRS, "aud": US, "sub": "acc_1", "client_id": "web", "iat": now, "exp": now + 300, "jti": "j"}
    return {name: value for name, value in {**members, **changes}.items() if value is not ...}


def token(alg: str, typ: str = "at+jwt", **changes: object) -> str:
    return jose.sign(claims(**changes), signer(alg), typ=typ)


def refused_tokens(alg: str) -> dict[str, str]:
    """Tokens that nobody may accept. But for what each is named after, they are good."""
    good = token(alg)
    head, body, tail = good.split(".")
    none = b64(json.dumps({"alg": "none", "typ": "at+jwt", "kid": alg}).encode())
    other = signer({"RS": "ES256", "PS": "ES256", "ES": "RS256", "HS": "ES256"}[alg[:2]])
    header = {"alg": other.alg, "typ": "at+jwt", "kid": alg}
    return {
        "expired": token(alg, exp=int(time.time()) - 1),
        "for another service": token(alg, aud="https://other.example"),
        "of another issuer": token(alg, iss="https://evil.example"),
        "signed with another key": jose.sign(claims(), another(alg), typ="at+jwt"),
        "signed with another algorithm": raw_token(header, claims(), other),
        "not signed": f"{none}.{body}.",
        "no signature": f"{head}.{body}.",
        "changed": f"{head}.{b64(json.dumps(claims(sub='acc_admin')).encode())}.{tail}",
        "no token": "x",
    }


@contextmanager
def haproxy_for(folder: Path, alg: str) -> Iterator[str]:
    """With a key for `alg`, and a second one that signs nothing here."""
    changes = {"-m str ES256": f"-m str {alg}"}
    if alg.startswith("HS"):
        changes["/etc/haproxy/ostiary/active.pem"] = SECRET
        changes["/etc/haproxy/ostiary/upcoming.pem"] = "nobody has this secret"
    else:
        (folder / "active.pem").write_bytes(key(alg).to_pem())
        (folder / "upcoming.pem").write_bytes(jose.Key.generate(alg).to_pem())
        changes["/etc/haproxy/ostiary"] = str(folder)
    with proxies.application() as backend, proxies.haproxy(folder, backend, changes) as url:
        yield url


@pytest.mark.parametrize("alg", HAPROXY)
def test_haproxy(tmp_path: Path, alg: str) -> None:
    """M-63: HAProxy lets our tokens through, tells the application whose they are, and refuses what it should."""
    with haproxy_for(tmp_path, alg) as url:
        assert ask(url, token(alg), X_Account_Id="acc_admin") == (200, "acc_1")
        for why, bad in refused_tokens(alg).items():
            assert ask(url, bad, X_Account_Id="acc_admin") == (401, 'Bearer error="invalid_token"'), why
        assert ask(url, token(alg, typ="one-time+jwt"))[0] == 401
        assert ask(url, None)[0] == 401


def test_apache(tmp_path: Path) -> None:
    """M-63: mod_auth_openidc fetches our key set, lets tokens of each algorithm through, and refuses what it should."""
    published = jose.KeySet(signer(alg).public() for alg in APACHE).to_jwks()
    with (
        proxies.authority() as (trusted, tls),
        proxies.application() as backend,
        proxies.answering(lambda _: json.dumps(published).encode(), tls) as keys_port,
        proxies.apache(
            tmp_path, backend, trusted,
            {"https://auth.example.com/.well-known/jwks.json": f"https://127.0.0.1:{keys_port}/jwks"},
        ) as url,
    ):  # fmt: skip
        for alg in APACHE:
            assert ask(url, token(alg), X_Account_Id="acc_admin") == (200, "acc_1"), alg
            for why, bad in refused_tokens(alg).items():
                assert ask(url, bad, X_Account_Id="acc_admin")[0] == 401, (alg, why)
        assert ask(url, token("ES256", typ="one-time+jwt", client_id=...))[0] == 401
        assert ask(url, None)[0] == 401


def test_a_login_at_both(tmp_path: Path) -> None:
    """M-63: what `ostiary serve` issues passes both, with the keys that `ostiary key` writes and that the server
    publishes; a stateful token of the same login does not."""
    shell = Shell(folder=tmp_path)
    assert shell("account", "create", "ada", "--password-stdin", stdin=GOOD_PASSWORD).code == 0
    with issuing(shell, free_port()) as server:
        good, stateful = log_in(server), log_in(server, kind="stateful")
        exported = shell("key", "export").out
        listed = {one["state"]: one["kid"] for one in shell("key", "list", "--json").json["keys"]}
        for state in ("active", "upcoming"):
            pem = shell("key", "public", "--pem", f"--kid={listed[state]}", stdin=exported)
            assert pem.code == 0, pem.err
            (tmp_path / f"{state}.pem").write_text(pem.out)
        _, published = server.call("GET", "/.well-known/jwks.json")
        assert published == json.loads(exported)
        account = server.call("GET", "/v1/me", token=server.token("ada", "session"))[1]["account"]["id"]
        names = {"https://auth.example.com": server.url, US: "https://api.example"}
        with (
            proxies.authority() as (trusted, tls),
            proxies.application() as backend,
            proxies.answering(lambda _: json.dumps(published).encode(), tls) as keys_port,
            proxies.haproxy(tmp_path, backend, {"/etc/haproxy/ostiary": str(tmp_path), **names}) as one,
            proxies.apache(
                tmp_path, backend, trusted,
                {"https://auth.example.com/.well-known/jwks.json": f"https://127.0.0.1:{keys_port}/jwks", **names},
            ) as other,
        ):  # fmt: skip
            for url in (one, other):
                assert ask(url, good) == (200, account)
                assert ask(url, stateful)[0] == 401
                assert ask(url, good[:-4] + "AAAA")[0] == 401
