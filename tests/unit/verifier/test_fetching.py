"""Fetching from a real server on loopback that does everything that servers do wrong."""

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.unit.verifier.server import RawServer, response, saying

from ostiary import limits
from ostiary.errors import Misconfigured
from ostiary.verifier import FetchFailed, HttpFetch
from ostiary.verifier.feed_over_http import FeedOverHttp
from ostiary.verifier.fetching import max_age_in


def get(url: str, *, seconds: float = 30.0) -> bytes:
    """One fetch."""
    return HttpFetch()(url, time.monotonic() + seconds).body


def test_a_document() -> None:
    """Body and freshness, from one plain GET without credentials."""
    with saying(response(b'{"keys":[]}', "Cache-Control: public, max-age=300", "Age: 100")) as server:
        document = HttpFetch()(f"{server.url}/a/keys?x=1", time.monotonic() + 30)
    assert (document.body, document.max_age) == (b'{"keys":[]}', 200.0)
    head, *lines = server.requests[0].split(b"\r\n")
    assert head == b"GET /a/keys?x=1 HTTP/1.1"
    assert {line.partition(b":")[0].lower() for line in lines if line} == {
        b"host", b"accept", b"accept-encoding", b"connection", b"user-agent",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://[2001:db8::1]/keys", ("2001:db8::1", 443)),
        ("http://[::1]/keys", ("::1", 80)),
        ("https://[2001:db8::1]:8443/keys", ("2001:db8::1", 8443)),
        ("https://id.example/keys", ("id.example", 443)),
    ],
)
def test_an_ipv6_address_does_not_end_in_a_port(
    url: str, expected: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flaw class: the last group of an address without a port is taken for one, and another machine is asked."""
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], **_: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(FetchFailed):
        get(url)
    feed = FeedOverHttp(url, authorization=str, node="n", ssl_context=None)
    connection = feed._connect(1.0)
    assert asked == [expected]
    assert (connection.host, connection.port) == expected


def test_a_feed_is_a_path() -> None:
    """Of a URL without one the root is asked; a query would be lost, so there must be none."""
    with saying(response(b"{}")) as server:
        feed = FeedOverHttp(server.url, authorization=lambda: "x", node="n", ssl_context=None)
        assert feed.exchange({}, timeout=30.0) == b"{}"
        feed.close()
    assert server.requests[0].startswith(b"GET /?node=n HTTP/1.1")
    with pytest.raises(Misconfigured):
        FeedOverHttp(f"{server.url}/x?tenant=1", authorization=str, node="n", ssl_context=None)


def test_a_chunked_document() -> None:
    """Without Content-Length it is read to its end all the same."""
    with saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") as server:
        assert get(server.url) == b"abcde"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_not_followed(status: str) -> None:
    """Flaw class 10: where the keys are is not for an answer to decide. The other server is never called."""
    with saying(response(b"{}")) as other:
        location = f"Location: {other.url}/keys"
        with saying(response(b"", location, status=status)) as server, pytest.raises(FetchFailed) as failed:
            get(server.url)
        assert failed.value.answer == int(status[:3])
        assert other.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        response(b"{}", status="404 Not Found"),
        response(b"{}", status="500 Oops"),
        response(b"{}", status="204 No Content"),
        response(b"{}", "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"",
        response(b" " * (limits.DOCUMENT_BYTES + 1)),
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (limits.DOCUMENT_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_answers_that_are_none(answer: bytes) -> None:
    """Another status, compressed, broken off, not HTTP, too large: each is FetchFailed and nothing else."""
    with saying(answer) as server, pytest.raises(FetchFailed):
        get(server.url)


def _trickle(head: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(600):
            connection.sendall(b" ")
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n"])
def test_the_deadline_is_for_all_of_it(head: bytes) -> None:
    """A server that sends one byte at a time, in the headers or in the body, never makes a packet late; it is given up
    all the same, long before it is done."""
    with RawServer(_trickle(head)) as server, pytest.raises(FetchFailed) as failed:
        get(server.url, seconds=0.3)
    assert failed.value.private.endswith("TimeoutError")


def test_a_server_that_says_nothing() -> None:
    """Accepted, and then silence."""
    done = threading.Event()
    with RawServer(lambda _: done.wait(30) and None) as server:
        with pytest.raises(FetchFailed):
            get(server.url, seconds=0.2)
        done.set()


def test_nobody_there() -> None:
    """A closed port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(FetchFailed):
        get(f"http://127.0.0.1:{port}/")


def test_https_is_verified(tmp_path: Path) -> None:
    """A certificate that the system does not trust is refused; with a context that trusts it, it is accepted."""
    here, trusting = certified(tmp_path)
    with RawServer(lambda connection: connection.sendall(response(b"{}")), here) as server:
        with pytest.raises(FetchFailed) as failed:
            get(server.url)
        assert failed.value.private.endswith("SSLCertVerificationError")
        assert server.requests == []
        assert HttpFetch(trusting)(server.url, time.monotonic() + 30).body == b"{}"
        with pytest.raises(FetchFailed):  # the certificate is for the address, not for the name
            HttpFetch(trusting)(server.url.replace("127.0.0.1", "localhost"), time.monotonic() + 30)


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for 127.0.0.1, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(Encoding.PEM).decode())


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come from the issuer, not from whoever a variable names."""
    with saying(response(b'"proxy"')) as proxy, saying(response(b'"issuer"')) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert get(server.url) == b'"issuer"'
        assert proxy.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "data:,x", "ftp://127.0.0.1/x", "http://192.0.2.1/"])
def test_other_addresses_are_never_opened(url: str) -> None:
    """Flaw class 10, also for whoever uses the fetch alone."""
    with pytest.raises(Misconfigured):
        get(url)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=60"}, 60.0),
        ({"cache-control": 'public, MAX-AGE="60"'}, 60.0),
        ({"Cache-Control": "max-age=60", "Age": "61"}, 0.0),
        ({"Cache-Control": "no-store, max-age=60"}, 0.0),
        ({"Cache-Control": "max-age=60, no-cache"}, 0.0),
        ({"Cache-Control": "max-age=-1"}, None),
        ({"Cache-Control": "max-age=1e9"}, None),
        ({"Cache-Control": "max-age=" + "9" * 400}, None),
        ({"Cache-Control": "s-maxage=60"}, None),
        ({"Cache-Control": "max-age=60", "Age": "soon"}, 60.0),
    ],
)
def test_cache_control(headers: dict[str, str], seconds: float | None) -> None:
    """RFC 9111: `max-age` less `Age`; what cannot be read says nothing."""
    assert max_age_in(headers) == seconds
