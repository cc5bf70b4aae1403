"""A service that checks tokens with the issuer's public keys alone; no framework.

Run the issuer with this service among its audiences, then this:

    OSTIARY_AUDIENCES=http://127.0.0.1:9000 ostiary serve
    uvicorn examples.resource_server:app --port 9000
"""

from typing import Any

from ostiary.verifier import Caller, Verifier

verifier = Verifier(issuer="http://127.0.0.1:8000", audience="http://127.0.0.1:9000")


async def hello(scope: Any, _receive: Any, send: Any) -> None:
    """Called only for those who may: the verifier has set `scope["user"]`."""
    caller: Caller = scope["user"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": caller.account_id.encode()})


app = verifier.asgi(hello, role="user")
