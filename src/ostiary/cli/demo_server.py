"""What `ostiary demo` runs: the auth server on a SQLite file of its own, a notes API behind it in the same process,
accounts to try, and what to open and type."""

import secrets
import tempfile
from pathlib import Path

from ostiary.cli.demo_notes import notes_app
from ostiary.cli.output import say
from ostiary.cli.server import run_server
from ostiary.compose import Ostiary
from ostiary.settings import Settings

_ACCOUNTS = (
    ("alice", "Alice Liddell", ("user",)),
    ("bob", "Bob Cratchit", ("user",)),
    ("root", "The administrator", ("user", "admin")),
)


def run_demo(port: int) -> None:
    """Serve until Ctrl-C; the SQLite file goes with it."""
    with tempfile.TemporaryDirectory(prefix="ostiary-demo-") as folder:
        settings = Settings.load(
            flags={
                "host": "127.0.0.1",
                "port": port,
                "issuer": f"http://127.0.0.1:{port}",
                "database": f"sqlite:///{Path(folder) / 'ostiary.db'}",
            }
        )
        run_server(settings, application=notes_app, started=_seed_and_tell)


async def _seed_and_tell(auth: Ostiary) -> None:
    password = "-".join(secrets.token_hex(3) for _ in range(3))
    for username, name, roles in _ACCOUNTS:
        await auth.system.accounts.create(
            username=username, password=password, display_name=name, roles=roles, actor="demo"
        )
    say(_told(auth.settings.issuer, password, auth.settings.database))


def _told(url: str, password: str, database: str) -> str:
    """What is printed. Every command can be pasted as it stands."""
    names = ", ".join(username for username, _, _ in _ACCOUNTS[:-1])
    return f"""\
Ostiary demo: {url}

  open      {url}/login
  accounts  {names}, and {_ACCOUNTS[-1][0]} who is an administrator
  password  {password}   (the same for all; made for this run)

Log in. "kind" is session, stateful or stateless; the rest stays the same:

  TOKEN=$(curl -s {url}/v1/login -H 'Content-Type: application/json' \\
    -d '{{"username":"alice","password":"{password}","kind":"stateless","transport":"bearer"}}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')

Use it, at a notes API that makes no look-up, then end it and use it again:

  curl -s {url}/notes -H "Authorization: Bearer $TOKEN"
  curl -s -X POST {url}/v1/logout -H "Authorization: Bearer $TOKEN"
  curl -s {url}/notes -H "Authorization: Bearer $TOKEN"

Or end it from another process, on the same file:

  ostiary account disable alice --database {database}

Ctrl-C stops it; nothing is kept."""
