"""The service behind the proxy: it believes `Authorization` alone, and tells what it got."""

import json
import sys
from typing import Any

import uvicorn

from ostiary.verifier import Refused, Unavailable, Verifier


def make(issuer: str, audience: str, jwks_uri: str) -> Any:
    verifier = Verifier(issuer=issuer, audience=audience, jwks_uri=jwks_uri)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        told: dict[str, Any] = {
            "method": scope["method"],
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        }
        status, headers = 200, [(b"content-type", b"application/json")]
        if scope["path"] != "/open":
            try:
                caller = await verifier.authenticate(scope["headers"])
                told["account"], told["session"] = caller.account_id, caller.session_id
                told["roles"], told["act"] = sorted(caller.roles), list(caller.act)
            except (Refused, Unavailable) as error:
                status = error.status
                told["refused"] = error.code
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})

    return app


if __name__ == "__main__":
    issuer, audience, jwks_uri, port = sys.argv[1:]
    uvicorn.run(
        make(issuer, audience, jwks_uri),
        host="127.0.0.1",
        port=int(port),
        lifespan="off",
        log_level="warning",
        timeout_keep_alive=75,  # a proxy keeps its connections for less: it sends nothing on one that was just closed
    )
