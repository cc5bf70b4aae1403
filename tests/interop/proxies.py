"""HAProxy and Apache as docs/guide/other-verifiers.md configures them, an application behind them, and a key set over
TLS. All on 127.0.0.1, each in a folder of its own."""

import datetime as dt
import http.server
import ipaddress
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.docs.reading import blocks
from tests.interop.node_peer import installed
from tests.servers.ports import free_port

PAGE = Path("docs/guide/other-verifiers.md")
PATIENCE = 60.0  # seconds until a server answers, or the test fails
MODULES = Path("/usr/lib/apache2/modules")


def shown(language: str, changes: Mapping[str, str]) -> str:
    """The page's configuration, with addresses and files of this run."""
    text = blocks(PAGE, language)[0].text
    for what, instead in changes.items():
        assert what in text, what
        text = text.replace(what, instead)
    return text


@contextmanager
def answering(
    body: Callable[[http.server.BaseHTTPRequestHandler], bytes], tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """An HTTP server; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = body(self)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def application() -> Iterator[int]:
    """What stands behind the proxies: it says who it was told is calling."""
    with answering(lambda request: request.headers.get("X-Account-Id", "nobody").encode()) as port:
        yield port


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            end = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < end, log.read_text()
                    time.sleep(0.02)  # between two looks
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextmanager
def haproxy(folder: Path, backend: int, changes: Mapping[str, str]) -> Iterator[str]:
    program = installed("haproxy", "on Debian: apt-get install haproxy")
    port = free_port()
    settings = folder / "haproxy.cfg"
    text = shown(
        "haproxy", {"127.0.0.1:8080": f"127.0.0.1:{port}", "127.0.0.1:9000": f"127.0.0.1:{backend}", **changes}
    )
    settings.write_text("global\n    maxconn 50\n\n" + text)
    with running([program, "-db", "-f", str(settings)], port, folder / "haproxy.log"):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def apache(folder: Path, backend: int, authority: Path, changes: Mapping[str, str]) -> Iterator[str]:
    program = installed("apache2", "on Debian: apt-get install apache2 libapache2-mod-auth-openidc")
    port = free_port()
    needed = ("mpm_event", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http", "headers", "auth_openidc")
    lines = [
        f'ServerRoot "{folder}"', f'DefaultRuntimeDir "{folder}"', "ServerName 127.0.0.1", f"Listen 127.0.0.1:{port}",
        f'PidFile "{folder}/apache.pid"', f'ErrorLog "{folder}/error.log"',
        *(f'LoadModule {name}_module "{MODULES}/mod_{name}.so"' for name in needed),
        f'OIDCCABundlePath "{authority}"',
    ]  # fmt: skip
    if os.geteuid() == 0:
        lines += ["User nobody", "Group nogroup"]
    text = shown("apache", {"http://127.0.0.1:9000": f"http://127.0.0.1:{backend}", **changes})
    settings = folder / "apache.conf"
    settings.write_text("\n".join([*lines, text]))
    with running([program, "-f", str(settings), "-DFOREGROUND"], port, folder / "apache.log"):
        yield f"http://127.0.0.1:{port}/"


def ask(url: str, token: str | None, **headers: str) -> tuple[int, str]:
    """Status and what the application said."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers.get("WWW-Authenticate", "")


@contextmanager
def authority() -> Iterator[tuple[Path, ssl.SSLContext]]:
    """A certificate for 127.0.0.1 that vouches for itself: the file to trust, which everybody may read (Apache gives up
    being root), and what a server needs."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, nothing = serialization.Encoding.PEM, serialization.NoEncryption()
    with tempfile.TemporaryDirectory() as folder:
        trusted, private = Path(folder, "authority.pem"), Path(folder, "authority.key")
        trusted.write_bytes(certificate.public_bytes(pem))
        private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, nothing))
        private.chmod(0o600)
        Path(folder).chmod(0o755)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trusted, private)
        yield trusted, context
