"""A service of the demonstration that shares nothing with the auth server: it has public keys, and follows the feed of
what has been revoked. Run as a process of its own: `python -m ostiary.cli.demo_reports
ISSUER PORT CLIENT SECRET_FILE`."""

import sys
from pathlib import Path
from typing import Any

import uvicorn

from ostiary.verifier import Verifier


def main() -> None:
    """Serve until SIGTERM."""
    issuer, port, client_id, secret = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]).read_text()
    verifier = Verifier(issuer=issuer, audience=f"http://127.0.0.1:{port}", client=(client_id, secret))
    uvicorn.run(verifier.asgi(reports), host="127.0.0.1", port=port, log_level="warning", access_log=False)


async def reports(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - an ASGI application
    """What whoever may see it sees."""
    body = b'{"report":"nothing to report"}'
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    main()
