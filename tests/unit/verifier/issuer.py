"""An issuer in this process: keys, tokens, and the documents that it serves, with every fetch counted."""

import json
import threading
from collections.abc import Callable
from typing import Any

from ostiary import jose
from ostiary.testing import FakeClock
from ostiary.verifier import Document, FetchFailed, Verifier

ISSUER = "https://id.example"
AUDIENCE = "https://api.example"
METADATA = f"{ISSUER}/.well-known/oauth-authorization-server"
JWKS = f"{ISSUER}/keys"


class FakeIssuer:
    """`fetch` is what a verifier gets. `down` makes fetches fail; `hold` makes them wait until it is set."""

    def __init__(self, clock: FakeClock, *, issuer: str = ISSUER) -> None:
        self.clock = clock
        self.issuer = issuer
        self.keys = [jose.Key.generate("ES256", kid="one")]
        self.max_age: float | None = 300.0
        self.fetched: list[str] = []
        self.down = False
        self.hold: threading.Event | None = None
        self.arrived = threading.Semaphore(0)
        self.jwks: Callable[[], bytes] = self._jwks
        self.metadata: dict[str, Any] = {"issuer": issuer, "jwks_uri": JWKS}

    def fetch(self, url: str, deadline: float) -> Document:
        """See `ostiary.verifier.Fetch`."""
        self.fetched.append(url)
        answer, hold = self._answer(url), self.hold
        self.arrived.release()
        if hold is not None:
            assert hold.wait(30)
        if self.down:
            raise FetchFailed("down")
        return answer

    def _answer(self, url: str) -> Document:
        if url == JWKS:
            return Document(body=self.jwks(), max_age=self.max_age)
        if url == METADATA:
            return Document(body=json.dumps(self.metadata).encode(), max_age=3600.0)
        raise FetchFailed("nothing there", status=404)

    def _jwks(self) -> bytes:
        return json.dumps({"keys": [key.public().to_jwk() for key in self.keys]}).encode()

    @property
    def key_fetches(self) -> int:
        """How often the key set was asked for."""
        return self.fetched.count(JWKS)

    def rotate(self, kid: str) -> None:
        """Only this key from now on."""
        self.keys = [jose.Key.generate("ES256", kid=kid)]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """As RFC 9068 has them, and as Ostiary issues them; None leaves one out."""
        now = int(self.clock.wall)
        values: dict[str, Any] = {
            "iss": self.issuer, "sub": "acc_ada", "aud": AUDIENCE, "client_id": "ostiary", "iat": now, "exp": now + 300,
            "jti": "t1", "sid": "ses_1", "sv": 1, "auth_time": now, "scope": "notes:read notes:write",
            "roles": ["user"], "ep": 0,
        }  # fmt: skip
        return {name: value for name, value in (values | changes).items() if value is not None}

    def token(self, *, key: jose.Key | None = None, typ: str = "at+jwt", **changes: Any) -> str:
        """Signed by the last key."""
        return jose.sign_bytes(json.dumps(self.claims(**changes)).encode(), key or self.keys[-1], typ=typ)

    def verifier(self, **options: Any) -> Verifier:
        """One that asks this issuer and lives in its time."""
        values: dict[str, Any] = {
            "issuer": self.issuer, "audience": AUDIENCE, "fetch": self.fetch, "clock": self.clock.clock,
        }  # fmt: skip
        return Verifier(**(values | options))


def bearer(token: str) -> dict[str, str]:
    """Request headers."""
    return {"Authorization": f"Bearer {token}"}
