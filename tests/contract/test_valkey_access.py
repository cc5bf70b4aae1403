"""Who may talk to Valkey, and how: passwords, users, databases, sockets, TLS."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.servers import valkey
from tests.servers.proxy import proxy

from ostiary.errors import Unavailable
from ostiary.revocation.entry import LOOK, Cursor
from ostiary.stores.port import Add, Append
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio

USER_NAME = "ostiary"
PASSWORD = "p@ss/w:ord?#"
QUOTED = "p%40ss%2Fw%3Aord%3F%23"


async def works(url: str) -> None:
    store = await ValkeyStore.open(url)
    assert await store.write(Add(builders.session()), Append(builders.entry()))
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    await hints.aclose()  # type: ignore[attr-defined]
    await store.close()


async def refused(url: str) -> None:
    with pytest.raises(Unavailable) as wrong:
        await ValkeyStore.open(url)
    assert PASSWORD not in wrong.value.private


async def test_password_and_user() -> None:
    """Both are sent as they are, whatever characters they have; without or with wrong ones nothing is told but that it
    is unavailable. A user needs our keys, our channels and scripts, and nothing else."""
    with valkey.server(requirepass=f'"{PASSWORD}"') as server:
        host = f"127.0.0.1:{server.port}"
        await works(f"valkey://:{QUOTED}@{host}?timeout=30&prefix=one")
        await refused(f"valkey://{host}")
        await refused(f"valkey://:wrong@{host}")
        rights = ["~{two}*", "&{two}*", "+@all", "-@admin", "-@dangerous", "+info"]
        server.password = PASSWORD
        server.ask("ACL", "SETUSER", USER_NAME, "on", f">{PASSWORD}", *rights)
        await works(f"valkey://{USER_NAME}:{QUOTED}@{host}?timeout=30&prefix=two")
        await refused(f"valkey://{USER_NAME}:{QUOTED}@{host}?prefix=one")


async def test_databases_are_apart(valkey_server: valkey.Server) -> None:
    """Two numbers are two stores, down to the channels, which a server has only once."""
    prefix = valkey.fresh_prefix()
    base = f"valkey://127.0.0.1:{valkey_server.port}"
    one = await ValkeyStore.open(f"{base}/1?timeout=30&prefix={prefix}")
    two = await ValkeyStore.open(f"{base}/2?timeout=30&prefix={prefix}")
    hints = two.revocations.hints()
    assert await anext(hints) == LOOK
    assert await one.write(Add(builders.session()), Append(builders.entry("one")))
    assert await two.sessions.get("session-1") is None
    assert await two.write(Append(builders.entry("two")))
    hint = await anext(hints)
    assert (hint.entries, hint.after) == ((builders.entry("two"),), Cursor())
    assert hint.reached == await two.revocations.head()
    await hints.aclose()  # type: ignore[attr-defined]
    await one.close()
    await two.close()
    await refused(f"{base}/999")


async def test_socket(tmp_path: Path) -> None:
    """A file on this machine instead of a port."""
    with valkey.folder() as folder, valkey.server(unixsocket=folder / "v.sock"):
        await works(f"valkey+unix://{folder}/v.sock?timeout=30")
        await refused(f"valkey+unix://{folder}/other.sock")


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context; its certificate, which vouches for itself, lies in `folder / name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / name
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_tls(valkey_server: valkey.Server, tmp_path: Path) -> None:
    """`valkeys` believes only a certificate that the system or `ca` vouches for, and only under its own name."""
    context = certificate(tmp_path, "right")
    certificate(tmp_path, "wrong")
    async with proxy(valkey_server.port, context) as line:
        options = f"timeout=30&prefix={valkey.fresh_prefix()}"
        await works(f"valkeys://127.0.0.1:{line.port}?{options}&ca={tmp_path / 'right'}")
        await refused(f"valkeys://127.0.0.1:{line.port}?{options}&ca={tmp_path / 'wrong'}")
        await refused(f"valkeys://127.0.0.1:{line.port}?{options}")
        await refused(f"valkeys://localhost:{line.port}?{options}&ca={tmp_path / 'right'}")
        await refused(f"valkeys://127.0.0.1:{line.port}?{options}&ca={tmp_path / 'absent'}")
