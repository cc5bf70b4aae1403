"""M-52 at a resource server: tokens that are bound to a key, with the proof that came along (RFC 9449 section 7)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from tests.unit.verifier.issuer import AUDIENCE, FakeIssuer

from ostiary import jose, limits
from ostiary.verifier import (
    Caller,
    CredentialRefused,
    Misconfigured,
    NonceRequired,
    ProofRefused,
    SchemeRefused,
    Unavailable,
    Verifier,
)

URL = f"{AUDIENCE}/notes/1"
_numbers = count()


class Client:
    """Holds a key, and a token that is bound to it."""

    def __init__(self, issuer: FakeIssuer, algorithm: str = "ES256") -> None:
        self.issuer = issuer
        self.key = jose.Key.generate(algorithm)
        self.token = issuer.token(cnf={"jkt": self.key.public().thumbprint()})

    def proof(self, *, key: jose.Key | None = None, typ: str = "dpop+jwt", **changes: Any) -> str:
        """For GET `URL` with this token, but for `changes`; None leaves one out."""
        claims: dict[str, Any] = {
            "htm": "GET", "htu": URL, "iat": int(self.issuer.clock.wall), "jti": f"j{next(_numbers)}",
            "ath": urlsafe_b64encode(sha256(self.token.encode()).digest()).rstrip(b"=").decode(),
        }  # fmt: skip
        said = {name: value for name, value in (claims | changes).items() if value is not None}
        return jose.sign_proof(said, key or self.key, typ=typ)

    def sends(self, proof: str | None = None, *, scheme: str = "DPoP") -> list[tuple[str, str]]:
        """The headers of one request."""
        return [("Authorization", f"{scheme} {self.token}"), ("DPoP", proof or self.proof())]


@pytest.fixture
def client(issuer: FakeIssuer) -> Client:
    return Client(issuer)


def check(verifier: Verifier, headers: Any, method: str | None = "GET", url: str | None = URL) -> Caller:
    """One request."""
    return verifier.authenticate_sync(headers, method=method, url=url)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_a_proof_that_holds(issuer: FakeIssuer, algorithm: str) -> None:
    """The caller comes with the thumbprint; the next request needs the next proof, even of a known token."""
    client, verifier = Client(issuer, algorithm), issuer.verifier()
    for _ in range(3):
        assert check(verifier, client.sends()).key_thumbprint == client.key.public().thumbprint()


@pytest.mark.anyio
async def test_the_same_on_an_event_loop(issuer: FakeIssuer, client: Client) -> None:
    """`authenticate` too."""
    verifier = issuer.verifier()
    assert (await verifier.authenticate(client.sends(), method="GET", url=URL)).account_id == "acc_ada"
    with pytest.raises(ProofRefused):
        await verifier.authenticate(client.sends(), method="POST", url=URL)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"htm": "POST"}, "another method"),
        ({"htm": "get"}, "another method"),
        ({"htm": None}, "htm"),
        ({"htu": f"{AUDIENCE}/notes/2"}, "another address"),
        ({"htu": "https://evil.example/notes/1"}, "another address"),
        ({"htu": "http://api.example/notes/1"}, "another address"),
        ({"htu": "/notes/1"}, "another address"),
        ({"htu": None}, "htu"),
        ({"iat": None}, "iat"),
        ({"ath": None}, "ath"),
        ({"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}, "another credential"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 257}, "jti"),
        ({"typ": "JWT"}, "wrong_type"),
        ({"typ": "at+jwt"}, "wrong_type"),
    ],
)
def test_a_proof_of_something_else(issuer: FakeIssuer, client: Client, changes: dict[str, Any], reason: str) -> None:
    """Section 4.3, one by one: 401 `invalid_dpop_proof`, with the algorithms that there are."""
    verifier = issuer.verifier()
    with pytest.raises(ProofRefused) as refused:
        check(verifier, client.sends(client.proof(**changes)))
    assert reason in refused.value.private
    assert (refused.value.status, refused.value.code) == (401, "invalid_dpop_proof")
    assert refused.value.challenge.startswith('DPoP realm="ostiary", algs="ES256 ')
    assert refused.value.challenge.endswith(', error="invalid_dpop_proof"')


def test_the_window_of_a_proof(issuer: FakeIssuer, client: Client) -> None:
    """A minute, with the clock's leeway on both sides."""
    verifier = issuer.verifier(leeway=30.0)
    now = int(issuer.clock.wall)
    for iat in (now - 90, now + 30):
        assert check(verifier, client.sends(client.proof(iat=iat))).account_id
    for iat in (now - 91, now + 31):
        with pytest.raises(ProofRefused, match="proof"):
            check(verifier, client.sends(client.proof(iat=iat)))


@pytest.mark.parametrize(
    "htu",
    ["https://api.example:443/notes/1", "HTTPS://API.example/notes/1", f"{URL}?page=2", f"{URL}#top",
     f"{AUDIENCE}/%6eotes/1"],
)  # fmt: skip
def test_other_spellings_of_the_address(issuer: FakeIssuer, client: Client, htu: str) -> None:
    """Query and fragment do not count, nor does how an address is written (RFC 3986 section 6.2.2)."""
    assert check(issuer.verifier(), client.sends(client.proof(htu=htu)), url="/notes/1?page=3").account_id


def test_a_proof_is_good_once(issuer: FakeIssuer, client: Client) -> None:
    """The second time it is refused, for as long as it could be used; its token goes on with another one."""
    verifier, proof = issuer.verifier(), client.proof()
    assert check(verifier, client.sends(proof)).account_id
    with pytest.raises(ProofRefused, match="proof") as refused:
        check(verifier, client.sends(proof))
    assert refused.value.private == "used before"
    assert check(verifier, client.sends()).account_id


def test_what_is_remembered_is_bounded(issuer: FakeIssuer, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 rather than forget a proof that could be used again; when they have expired there is room."""
    monkeypatch.setattr(limits, "PROOFS_REMEMBERED", 3)
    verifier = issuer.verifier()
    for _ in range(3):
        check(verifier, client.sends())
    with pytest.raises(Unavailable):
        check(verifier, client.sends())
    issuer.clock.advance(limits.PROOF_SECONDS + 31)
    assert check(verifier, client.sends()).account_id


def test_another_key(issuer: FakeIssuer, client: Client) -> None:
    """Whoever stole the token has no key; one of his own does not help, nor the private half sent along."""
    with pytest.raises(ProofRefused, match="proof") as refused:
        check(issuer.verifier(), client.sends(client.proof(key=jose.Key.generate("ES256"))))
    assert refused.value.private == "signed by another key"


def test_bound_tokens_are_no_bearer_tokens(issuer: FakeIssuer, client: Client) -> None:
    """Nor the other way round (section 7.2): 401 `invalid_token`, and the scheme that would do."""
    verifier = issuer.verifier()
    for _ in range(2):  # verified, and remembered
        with pytest.raises(SchemeRefused) as refused:
            check(verifier, client.sends(scheme="Bearer"))
        assert refused.value.challenge.startswith("DPoP ")
        with pytest.raises(CredentialRefused):
            verifier.verify_sync(client.token)
    client.token = issuer.token()
    with pytest.raises(SchemeRefused) as refused:
        check(verifier, client.sends())
    assert (refused.value.status, refused.value.code) == (401, "invalid_token")


@pytest.mark.parametrize("confirmation", [{}, {"x5t#S256": "x"}, {"jkt": "x", "kid": "y"}, {"jkt": 1}, "x", [], None])
def test_a_confirmation_that_is_not_understood(issuer: FakeIssuer, client: Client, confirmation: Any) -> None:
    """It is not passed over, whatever comes along."""
    claims = issuer.claims() | {"cnf": confirmation}
    client.token = jose.sign_bytes(json.dumps(claims).encode(), issuer.keys[-1], typ="at+jwt")
    if confirmation is None:
        assert issuer.verifier().verify_sync(client.token).account_id  # as good as absent
        return
    with pytest.raises(CredentialRefused):
        check(issuer.verifier(), client.sends())
    with pytest.raises(CredentialRefused):
        check(issuer.verifier(), client.sends(scheme="Bearer"))


def test_one_proof(issuer: FakeIssuer, client: Client) -> None:
    """None, or two, is 401; so is nothing of the sort."""
    verifier = issuer.verifier()
    for proofs in ([], [client.proof(), client.proof()], ["x"], ["a.b.c"]):
        headers = [("Authorization", f"DPoP {client.token}"), *(("DPoP", proof) for proof in proofs)]
        with pytest.raises(ProofRefused):
            check(verifier, headers)


def test_the_origins_are_the_services_own(issuer: FakeIssuer, client: Client) -> None:
    """What the request says of the host does not count: whoever took a proof elsewhere could say it too."""
    elsewhere = "https://evil.example/notes/1"
    with pytest.raises(ProofRefused):
        check(issuer.verifier(), client.sends(client.proof(htu=elsewhere)), url=elsewhere)
    behind = issuer.verifier(origins=["https://public.example:8443"])
    assert check(behind, client.sends(client.proof(htu="https://public.example:8443/notes/1"))).account_id
    with pytest.raises(ProofRefused):
        check(behind, client.sends())
    client.token = issuer.token(aud="notes", cnf={"jkt": client.key.public().thumbprint()})
    with pytest.raises(ProofRefused) as refused:
        check(issuer.verifier(audience="notes"), client.sends())
    assert "origins" in refused.value.private


def test_an_address_that_is_none(issuer: FakeIssuer, client: Client) -> None:
    """Frameworks make the request's address of whatever was sent as `Host`: that is 401, and no error of ours."""
    with pytest.raises(ProofRefused):
        check(issuer.verifier(), client.sends(), url="https://[/notes/1")


@pytest.mark.parametrize(("method", "url"), [(None, URL), ("GET", None), (None, None)])
def test_nobody_said_what_was_asked_for(
    issuer: FakeIssuer, client: Client, method: str | None, url: str | None
) -> None:
    """Without method and URL no proof can be judged, so none is believed."""
    with pytest.raises(ProofRefused, match="proof"):
        check(issuer.verifier(), client.sends(), method, url)


@pytest.mark.parametrize(
    "wrong", [{"origins": "https://a.example"}, {"origins": ["a.example"]}, {"dpop_nonce_key": b"short"}]
)
def test_what_cannot_be_meant(issuer: FakeIssuer, wrong: dict[str, Any]) -> None:
    """It is said where the verifier is made."""
    with pytest.raises(Misconfigured):
        issuer.verifier(**wrong)


def test_a_nonce(issuer: FakeIssuer, client: Client) -> None:
    """Section 9: without it 401 `use_dpop_nonce` and the nonce in `DPoP-Nonce`; with it, in any process, accepted; when
    it has grown too old, another one."""
    one, two = (issuer.verifier(dpop_nonce_key=b"k" * 32) for _ in range(2))
    with pytest.raises(NonceRequired) as refused:
        check(one, client.sends())
    answer = Verifier.answer(refused.value)
    headers = dict(answer.headers)
    assert answer.status == 401
    assert json.loads(answer.body)["code"] == "use_dpop_nonce"
    assert headers["WWW-Authenticate"].endswith('error="use_dpop_nonce"')
    nonce = headers["DPoP-Nonce"]
    assert check(one, client.sends(client.proof(nonce=nonce))).account_id
    assert check(two, client.sends(client.proof(nonce=nonce))).account_id
    with pytest.raises(NonceRequired):
        check(issuer.verifier(dpop_nonce_key=b"j" * 32), client.sends(client.proof(nonce=nonce)))
    issuer.clock.advance(2 * limits.PROOF_NONCE_SECONDS)
    client.token = issuer.token(cnf={"jkt": client.key.public().thumbprint()})
    with pytest.raises(NonceRequired):
        check(one, client.sends(client.proof(nonce=nonce)))


@pytest.mark.anyio
async def test_asgi(issuer: FakeIssuer, client: Client) -> None:
    """The middleware knows method and path by itself; `//` is no host."""
    seen: list[Caller] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["user"])

    guarded = issuer.verifier().asgi(app)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def call(path: str, proof: str, method: str = "GET", host: bytes = b"evil.example") -> None:
        headers = [(b"host", host), (b"authorization", b"DPoP " + client.token.encode()), (b"dpop", proof.encode())]
        scope = {"type": "http", "method": method, "path": path, "query_string": b"a=b", "headers": headers}
        await guarded(scope, receive, send)

    await call("/notes/1", client.proof())
    await call("/notes/\u00e4 b", client.proof(htu=f"{AUDIENCE}/notes/%C3%A4%20b"))
    assert [caller.account_id for caller in seen] == ["acc_ada", "acc_ada"]
    await call("//api.example/notes/1", client.proof())
    await call("/notes/1", client.proof(), "DELETE")
    await call("/notes/1", client.proof(htu="https://evil.example/notes/1"))
    assert len(seen) == 2
    assert [message["status"] for message in sent if "status" in message] == [401, 401, 401]


def test_wsgi(issuer: FakeIssuer, client: Client) -> None:
    """So does this one."""
    app: Callable[..., Any] = issuer.verifier().wsgi(lambda environ, start: [environ["REMOTE_USER"].encode()])
    statuses: list[str] = []

    def call(proof: str | None, path: str = "/1", script: str = "/notes") -> list[bytes]:
        environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": script, "PATH_INFO": path, "HTTP_HOST": "evil.example"}
        environ |= {"HTTP_AUTHORIZATION": f"DPoP {client.token}"}
        if proof is not None:
            environ["HTTP_DPOP"] = proof
        return list(app(environ, lambda status, headers: statuses.append(status)))

    assert call(client.proof()) == [b"acc_ada"]
    umlaut = "/\u00e4".encode().decode("latin-1")
    assert call(client.proof(htu=f"{AUDIENCE}/notes/%C3%A4"), umlaut) == [b"acc_ada"]
    call(client.proof(), "/2")
    call(None)
    call(f"{client.proof()},{client.proof()}")
    assert statuses == ["401 Unauthorized"] * 3
