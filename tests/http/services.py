"""Registered services, and how they prove themselves."""

import base64
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote_plus

from tests.http.harness import API, ISSUER, REPORTS, Site

from ostiary import jose
from ostiary.services.clients import ClientFields

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_numbers = count()


@dataclass(slots=True, kw_only=True)
class Service:
    """A client of the server under test."""

    site: Site
    id: str
    secret: str | None = None
    key: jose.Key | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def basic(self) -> dict[str, str]:
        """RFC 6749 section 2.3.1."""
        assert self.secret is not None
        return basic(self.id, self.secret)

    def assertion(self, *, typ: str = "JWT", headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """RFC 7523 section 3; a claim of None is left out."""
        assert self.key is not None
        now = self.site.clock.wall
        said = {"iss": self.id, "sub": self.id, "aud": ISSUER, "iat": int(now), "exp": int(now) + 60}
        said |= {"jti": f"jti-{next(_numbers)}", **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jose.sign(said, self.key, typ=typ, headers=headers)

    def proof(self) -> dict[str, Any]:
        """For `Site.post`: whatever this client has."""
        if self.secret is not None:
            return {"headers": {**self.basic, **self.headers}}
        return {"form": {"client_assertion_type": ASSERTION, "client_assertion": self.assertion()}}

    async def post(self, path: str, form: dict[str, str], **how: Any) -> Any:
        """As this client."""
        proof = self.proof()
        headers = {**proof.get("headers", {}), **how.pop("headers", {})}
        return await self.site.post(path, form={**form, **proof.get("form", {})}, headers=headers, **how)

    async def exchange(self, token: str, audience: str | None = REPORTS, **more: str) -> Any:
        """RFC 8693, for `audience` ("" or None: not said)."""
        form = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS, **more}
        if audience:
            form["audience"] = audience
        return await self.post("/oauth/token", form)

    async def introspect(self, token: str, **how: Any) -> Any:
        """RFC 7662."""
        return await self.post("/oauth/introspect", {"token": token}, **how)


def basic(client_id: str, secret: str) -> dict[str, str]:
    """RFC 6749 section 2.3.1."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


async def service(
    site: Site,
    *,
    grants: tuple[str, ...] = (EXCHANGE,),
    audiences: tuple[str, ...] = (API,),
    targets: tuple[str, ...] = (REPORTS,),
    scopes: tuple[str, ...] = (),
    key: jose.Key | None = None,
) -> Service:
    """Registered behind the scenes."""
    jwks = None if key is None else {"keys": [key.public().to_jwk()]}
    made = await site.auth.system.clients.create(
        ClientFields(name="svc", grants=grants, audiences=audiences, targets=targets, scopes=scopes, jwks=jwks),
        actor="test",
    )
    if made.secret:
        site.secrets.add(made.secret)
    return Service(site=site, id=made.client.id, secret=made.secret, key=key)
