"""The PostgreSQL store keeps the contract behind PgBouncer in transaction mode, and over TLS, which that can speak."""

import asyncio
import itertools
import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.pgbouncer import bouncer
from tests.servers.postgres import Cluster, folder

from ostiary.errors import Misconfigured, Unavailable
from ostiary.revocation.entry import LOOK
from ostiary.stores.port import Add, Append, Store
from ostiary.stores.postgres import PostgresStore
from ostiary.testing import builders
from ostiary.testing.store_contract.batches import Batches
from ostiary.testing.store_contract.log import Log
from ostiary.testing.store_contract.nodes import Nodes
from ostiary.testing.store_contract.races import Races

# ruff: noqa: S608 - names and numbers of the test itself

pytestmark = pytest.mark.anyio
_names = itertools.count()


@pytest.fixture(scope="module")
def pooler(postgres: Cluster) -> Iterator[int]:
    """One for all of these tests."""
    with folder() as path, bouncer(postgres, path) as port:
        yield port


class TestPooled(Batches, Races, Log, Nodes):
    """The chapters in which connections matter, with the server's own address for notifications."""

    @pytest.fixture(autouse=True)
    def _schema(self, postgres: Cluster, pooler: int) -> None:
        self.server = postgres
        self.schema = f"p_{secrets.token_hex(8)}"
        parameters = f"schema={self.schema}&pool_size=5&listen=127.0.0.1:{postgres.port}"
        self.url = f"postgresql://postgres@127.0.0.1:{pooler}/postgres?{parameters}"

    async def open_store(self) -> Store:
        return await PostgresStore.open(self.url)

    async def age(self, store: Store, seconds: float) -> None:
        earlier = f"- interval '{seconds} seconds'"
        self.server.sql(
            f"SET search_path TO {self.schema}",
            "UPDATE nodes SET seen_at = seen_at " + earlier,
            "UPDATE revocation_logs SET made_at = made_at " + earlier,
        )


async def test_a_pooler_is_found_out(postgres: Cluster, pooler: int) -> None:
    """Flaw class: statements that were prepared on one connection are asked for on another."""
    direct = await PostgresStore.open(postgres.url(schema="found_out"))
    pooled = await PostgresStore.open(f"postgresql://postgres@127.0.0.1:{pooler}/postgres?schema=found_out")
    assert (direct.connector.pooled, pooled.connector.pooled) == (False, True)
    assert (direct.connector.can_listen, pooled.connector.can_listen) == (True, False)
    done = await asyncio.gather(*(pooled.write(Add(builders.account(f"a{i}"))) for i in range(40)))
    assert done == [True] * 40
    await direct.close()
    await pooled.close()


async def test_without_notifications_it_looks(postgres: Cluster, pooler: int) -> None:
    """A node that nobody can tell anything still hears of a revocation soon."""
    url = f"postgresql://postgres@127.0.0.1:{pooler}/postgres?schema=looks"
    here, there = await PostgresStore.open(url), await PostgresStore.open(url)
    hints = there.revocations.hints()
    assert await anext(hints) == LOOK
    assert await here.write(Append(builders.entry()))
    assert await anext(hints) == LOOK
    await here.close()
    await there.close()


async def test_the_certificate_is_looked_at(postgres: Cluster, tmp_path: Path) -> None:
    """`verify-full` connects where certificate and name are right, and to nobody else."""
    with folder() as path:
        key, certificate = _certificate(path, "127.0.0.1")
        _, other = _certificate(tmp_path, "127.0.0.1")
        wrong_name, wrong_name_certificate = _certificate(path, "127.0.0.2")
        tls = {"client_tls_sslmode": "require"}
        with bouncer(postgres, path, **tls, client_tls_key_file=key, client_tls_cert_file=certificate) as port:
            base = f"postgresql://postgres@127.0.0.1:{port}/postgres?schema=tls&sslmode=verify-full&sslrootcert="
            store = await PostgresStore.open(f"{base}{certificate}")
            connection = await store._pools.quick._connect()
            assert isinstance(connection._transport.get_extra_info("ssl_object"), ssl.SSLObject)
            connection.terminate()
            await store.close()
            for untrusted in (other, tmp_path / "none.pem"):
                with pytest.raises((Unavailable, Misconfigured)) as caught:
                    await PostgresStore.open(f"{base}{untrusted}")
                assert "PostgreSQL" in str(caught.value)
        tls |= {"client_tls_key_file": str(wrong_name), "client_tls_cert_file": str(wrong_name_certificate)}
        with bouncer(postgres, path, **tls) as port:
            base = f"postgresql://postgres@127.0.0.1:{port}/postgres?schema=tls&sslmode=verify-full&sslrootcert="
            with pytest.raises((Unavailable, Misconfigured)):
                await PostgresStore.open(f"{base}{wrong_name_certificate}")


def _certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """A key and a certificate of its own for one address, where the server's user may read them."""
    import datetime as dt
    import ipaddress
    import os
    import shutil

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    place = folder / address
    place.mkdir(parents=True)
    key_file, certificate_file = place / "key.pem", place / "certificate.pem"
    form = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.chmod(0o600)
    if os.geteuid() == 0:
        for path in (place, key_file):
            shutil.chown(path, "nobody")
    return key_file, certificate_file
