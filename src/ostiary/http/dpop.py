"""DPoP at the HTTP shell: which proof came with a request, and what it had to be made for (RFC 9449)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from starlette.types import Scope

from ostiary.credentials.asgi_path import whole_path
from ostiary.credentials.dpop import address_of, origin_of
from ostiary.domain.spent import Spent
from ostiary.errors import InvalidProof
from ostiary.http.config import HttpConfig
from ostiary.services.proofs import Proofs, Renewing, Target


class ProofReader:
    """Reads the header `DPoP` of requests. One for each process."""

    def __init__(self, config: HttpConfig, proofs: Proofs) -> None:
        self._proofs = proofs
        self._base = config.base_path
        self._scheme = config.origin.partition("://")[0]
        hosts = (f"{self._scheme}://{host}" for host in config.allowed_hosts)
        self._origins = frozenset(map(origin_of, (config.origin, *hosts))) - {""}

    def nonce(self, now: float) -> str:
        """For the header `DPoP-Nonce`."""
        return self._proofs.nonce(now)

    def asking(self, scope: Scope, now: float) -> str | None:
        """The thumbprint of the key that this request proves to hold, None if it brings no proof. Raises InvalidProof
        as 400 (RFC 9449 section 5): no credential was presented yet."""
        with _told_as_400():
            text = _proof_in(scope)
            return None if text is None else self._proofs.asking(text, self._target(scope), now)

    def renewing(self, scope: Scope, now: float) -> Renewing | None:
        """The same for a request to renew credentials: with what is spent by that."""
        with _told_as_400():
            text = _proof_in(scope)
            return None if text is None else self._proofs.renewing(text, self._target(scope), now)

    def presenting(self, scope: Scope, credential: str, thumbprint: str, now: float) -> None:
        """Raises InvalidProof unless this request proves to hold the key that the credential is bound to."""
        self._proofs.presenting(_presented_in(scope), self._target(scope), credential, thumbprint, now)

    def renewing_in_passing(self, scope: Scope, credential: str, thumbprint: str, now: float) -> Spent:
        """As `presenting`, for a credential that is renewed because it has expired: what is spent by that."""
        text = _presented_in(scope)
        return self._proofs.renewing_in_passing(text, self._target(scope), credential, thumbprint, now)

    def _target(self, scope: Scope) -> Target:
        if scope.get("ostiary.edge"):
            return self._told(scope)
        path = scope["path"]
        whole = whole_path(path, scope.get("root_path", ""))
        return Target(
            method=scope.get("method", "GET"),  # a WebSocket's handshake is a GET (RFC 6455 section 4.1)
            origins=self._origins,
            # a proxy may have taken the issuer's path away before the request came here, and said nothing
            paths=(whole, self._base + path) if self._base else (whole,),
        )

    def _told(self, scope: Scope) -> Target:
        """A proxy asks, and the client made its proof for the address that the proxy was asked for. The name in it has
        to be one of ours: clients can say any. Its scheme is ours, whatever ends TLS in front of the proxy. Raises
        InvalidProof if no address was told, or two that differ."""
        told = {address_of(f"{self._scheme}://{place}") for place in _places_told(scope["headers"])}
        if len(told) != 1:
            raise InvalidProof(private="the proxy told no original address, or two")
        ((origin, path),) = told
        return Target(method=scope["method"], origins=self._origins & {origin}, paths=(path,))


@contextmanager
def _told_as_400() -> Iterator[None]:
    try:
        yield
    except InvalidProof as error:
        error.status = 400  # type: ignore[misc]
        raise


def _places_told(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Host and path, as nginx's users tell them (`X-Original-URL`), and as Caddy and Traefik do (`X-Forwarded-Host` and
    `-Uri`). A header that comes twice makes a place of each."""
    urls, hosts, paths = list[str](), list[str](), list[str]()
    kept = {b"x-original-url": urls, b"x-forwarded-host": hosts, b"x-forwarded-uri": paths}
    for name, value in headers:
        if name in kept:
            kept[name].append(value.decode("latin-1").strip())
    return [url.partition("://")[2] for url in urls] + [host + path for host in hosts for path in paths]


def _presented_in(scope: Scope) -> str:
    text = _proof_in(scope)
    if text is None:
        raise InvalidProof(private="no proof")
    return text


def _proof_in(scope: Scope) -> str | None:
    found: str | None = None
    for name, value in scope["headers"]:
        if name == b"dpop":
            if found is not None:
                raise InvalidProof(private="two proofs")
            found = value.decode("latin-1").strip()
    return found
