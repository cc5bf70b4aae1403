"""Proofs that whoever presents a token holds the key that it is bound to (DPoP, RFC 9449 section 7)."""

from collections.abc import Collection, Sequence
from threading import Lock
from urllib.parse import unquote, urlsplit

from ostiary.clock import Clock
from ostiary.credentials import dpop
from ostiary.credentials.used_proofs import UsedProofs
from ostiary.errors import InvalidProof, Misconfigured, Overloaded, ProofNonceRequired, Unavailable
from ostiary.verifier.errors import NonceRequired, ProofRefused

_NONCE_KEY_BYTES = 32


class Possession:
    """Judges proofs for one service. `origins` are the names under which clients call it: nothing that came with a
    request says what they are, since whoever took a proof elsewhere could say so as well.

    A proof is good once, in this process: what bounds a replay in another one is its age, and the nonce if `nonce_key`
    is given, the same in all processes of the service.
    """

    def __init__(self, origins: Collection[str], *, nonce_key: bytes | None, leeway: float, clock: Clock) -> None:
        if nonce_key is not None and len(nonce_key) < _NONCE_KEY_BYTES:
            raise Misconfigured(f"dpop_nonce_key has at least {_NONCE_KEY_BYTES} bytes.")
        self._origins = frozenset(origins)
        self._nonce_key = nonce_key
        self._leeway = leeway
        self._used = UsedProofs(wall=clock.wall, monotonic=clock.monotonic)
        self._lock = Lock()

    def check(self, proof: str, token: str, thumbprint: str, *, method: str, url: str, now: float) -> None:
        """Raises ProofRefused, NonceRequired, Unavailable if too many proofs are remembered."""
        key = self._nonce_key
        if not self._origins:
            raise ProofRefused(private="nobody has said under which origins this service is called")
        expected = dpop.Expected(
            method=method,
            origins=self._origins,
            paths=(path_of(url),),
            credential=token,
            nonces=() if key is None else dpop.nonces_accepted(key, now),
        )
        try:
            held = dpop.check_proof(proof, expected, now=now, leeway=self._leeway)
            if held.thumbprint != thumbprint:
                raise ProofRefused(private="signed by another key")
            with self._lock:
                self._used.use(held, now)
        except ProofNonceRequired:
            raise NonceRequired(dpop.nonce_of(key or b"", now)) from None
        except ProofRefused:
            raise
        except InvalidProof as error:
            raise ProofRefused(private=error.private) from None
        except Overloaded as error:
            raise Unavailable(private=error.private) from None


def origins_of(origins: Sequence[str], audience: Sequence[str]) -> frozenset[str]:
    """Those that were named; else those of the names of this service that are addresses. Raises Misconfigured."""
    if isinstance(origins, str):
        raise Misconfigured("origins is a list of origins, not one text.")
    found = {name: dpop.origin_of(name) for name in origins}
    if not all(found.values()):
        raise Misconfigured("origins are addresses such as https://api.example.com.")
    return frozenset(found.values()) or frozenset(map(dpop.origin_of, audience)) - {""}


def path_of(url: str) -> str:
    """The decoded path of a request's address, or of what stands in its first line. Raises ProofRefused: frameworks
    make an address of whatever was sent as `Host`."""
    if url.startswith("/"):  # also `//`, which `urlsplit` takes for a host
        return unquote(url.partition("?")[0].partition("#")[0])
    try:
        return unquote(urlsplit(url).path) or "/"
    except ValueError:
        raise ProofRefused(private="the request's own address cannot be read") from None
