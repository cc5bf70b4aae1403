"""What `ostiary demo` runs: the auth server on a SQLite file of its own, a notes API behind it in the same process, a
service and a download server in processes of their own, accounts to try, and what to open and type."""

import logging
import secrets
import tempfile
from functools import partial
from pathlib import Path

import httpx2
from starlette.types import ASGIApp

from ostiary import jose
from ostiary.cli.demo_notes import notes_app
from ostiary.cli.demo_page import DemoPage
from ostiary.cli.demo_services import Processes, file_server, free_port, processes, reports_service
from ostiary.cli.demo_watch import Stage
from ostiary.cli.output import say
from ostiary.cli.server import run_server
from ostiary.compose import Ostiary
from ostiary.services.clients import ClientFields
from ostiary.settings import Settings

_ACCOUNTS = (
    ("alice", "Alice Liddell", ("user",)),
    ("bob", "Bob Cratchit", ("user",)),
    ("root", "The administrator", ("user", "admin")),
)


def run_demo(port: int) -> None:
    """Serve until Ctrl-C; the SQLite file goes with it."""
    reports, downloads = (f"http://127.0.0.1:{free_port(port + more)}" for more in (1, 2))
    with tempfile.TemporaryDirectory(prefix="ostiary-demo-") as folder, processes() as started:
        settings = Settings.load(
            flags={
                "host": "127.0.0.1",
                "port": port,
                "issuer": f"http://127.0.0.1:{port}",
                "database": f"sqlite:///{Path(folder) / 'ostiary.db'}",
                "audiences": (reports, downloads),
            }
        )
        demo = _Demo(Path(folder), reports=reports, downloads=downloads, processes=started)
        run_server(settings, application=demo.application, started=demo.begin)


class _Demo:
    """What is served, and what happens before the first request."""

    def __init__(self, folder: Path, *, reports: str, downloads: str, processes: Processes) -> None:
        self._folder = folder
        self._reports = reports
        self._downloads = downloads
        self._processes = processes
        self._page: DemoPage | None = None

    def application(self, auth: Ostiary) -> ASGIApp:
        """The auth server, the notes and the page with the two devices."""
        auth.places = ("demo",)
        self._page = DemoPage(auth)
        return notes_app(auth, also=self._page.routes())

    async def begin(self, auth: Ostiary) -> None:
        """Make the accounts, start the other services, tell what to open."""
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # the page asks hundreds of times
        password = "-".join(secrets.token_hex(3) for _ in range(3))
        for username, name, roles in _ACCOUNTS:
            await auth.system.accounts.create(
                username=username, password=password, display_name=name, roles=roles, actor="demo"
            )
        issuer = auth.settings.issuer
        files = self._folder / "files"
        files.mkdir()
        (files / "report.txt").write_text("Nothing to report.\n")
        for make, address in ((reports_service, self._reports), (partial(file_server, files), self._downloads)):
            client, secret = await self._client(auth, address)
            self._processes.start(make(issuer, _port_of(address), client, secret))
        if self._page is not None:
            self._page.stage = Stage(
                issuer=issuer,
                reports=self._reports,
                downloads=self._downloads,
                username=_ACCOUNTS[0][0],
                password=password,
                http=httpx2.AsyncClient(timeout=5.0, trust_env=False),
                plain_key=jose.Key.generate("HS256"),
            )
        say(_told(issuer, password, auth.settings.database, reports=self._reports, downloads=self._downloads))

    async def _client(self, auth: Ostiary, address: str) -> tuple[str, Path]:
        """Register a service, so that it may follow the revocation feed; its id, and the file with its secret."""
        made = await auth.system.clients.create(ClientFields(name=address, audiences=(address,)), actor="demo")
        path = self._folder / f"{made.client.id}.secret"
        path.write_text(made.secret or "")
        path.chmod(0o600)
        return made.client.id, path


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def _told(url: str, password: str, database: str, *, reports: str, downloads: str) -> str:
    """What is printed. Every command can be pasted as it stands."""
    names = ", ".join(username for username, _, _ in _ACCOUNTS[:-1])
    return f"""\
Ostiary demo: {url}

  open      {url}/demo     two devices, one ends the other
            {url}/login    sign in, see your devices
  services  {reports}    knows only public keys and the revocation feed
            {downloads}    hands out files, each once
  accounts  {names}, and {_ACCOUNTS[-1][0]} who is an administrator
  password  {password}   (the same for all; made for this run)

Log in. "kind" is session, stateful or stateless; the rest stays the same:

  TOKEN=$(curl -s {url}/v1/login -H 'Content-Type: application/json' \\
    -d '{{"username":"alice","password":"{password}","kind":"stateless","transport":"bearer",
         "audience":["{url}","{reports}"]}}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')

Ask for a file, and fetch it; a second time it is gone:

  FILE=$(curl -s {url}/v1/one-time-tokens -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
    -d '{{"audience":"{downloads}","action":"download","resource":"report.txt"}}' \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')
  curl -sL "{downloads}/files/report.txt?token=$FILE"

Use it, at a notes API and (stateless alone) at the other service, neither of which makes a look-up; then end it and
use it again:

  curl -s {url}/notes -H "Authorization: Bearer $TOKEN"
  curl -s {reports}/ -H "Authorization: Bearer $TOKEN"
  curl -s -X POST {url}/v1/logout -H "Authorization: Bearer $TOKEN"
  curl -s {reports}/ -H "Authorization: Bearer $TOKEN"

Or end it from another process, on the same file:

  ostiary account disable alice --database {database}

Ctrl-C stops it; nothing is kept."""
