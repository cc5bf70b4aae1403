"""Whether a token came under the scheme that it may come under (RFC 9449 section 7).

What is bound to a key is no bearer token, and the other way round.
"""

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from ostiary.clock import Clock
from ostiary.domain.caller import Caller
from ostiary.verifier.errors import ProofRefused, SchemeRefused
from ostiary.verifier.headers import Presented

if TYPE_CHECKING:
    from ostiary.verifier.possession import Possession


class Binding:
    """Judges it for one service, whose names are `audience`; the rest as for `Verifier`.

    What checks proofs is made for the first one that has to be checked (it brings modules that most never need), or at
    once where somebody has said how it should be done. Raises Misconfigured.
    """

    def __init__(
        self,
        audience: Sequence[str],
        *,
        origins: Sequence[str],
        nonce_key: bytes | None,
        leeway: float,
        clock: Clock,
    ) -> None:
        self._audience = audience
        self._origins = origins
        self._nonce_key = nonce_key
        self._leeway = leeway
        self._clock = clock
        self._lock = Lock()
        self._possession: Possession | None = None
        if origins or nonce_key is not None:
            self._checker()

    def check(self, caller: Caller, sent: Presented, method: str | None, url: str | None) -> None:
        """Raises SchemeRefused, ProofRefused, NonceRequired, Unavailable."""
        if caller.key_thumbprint is None:
            if sent.proofs is not None:
                raise SchemeRefused(private="bound to no key, and sent under the DPoP scheme")
            return
        if sent.proofs is None:
            bearer(caller)
            return
        if len(sent.proofs) != 1:
            raise ProofRefused(private="no proof" if not sent.proofs else "two proofs")
        if method is None or url is None:
            raise ProofRefused(private="nobody has said which method and URL the proof had to be made for")
        now = self._clock.wall()
        self._checker().check(sent.proofs[0], sent.token, caller.key_thumbprint, method=method, url=url, now=now)

    def _checker(self) -> "Possession":
        with self._lock:  # it remembers which proofs were used, so two threads must not make two of it
            if self._possession is None:
                from ostiary.verifier.possession import Possession, origins_of

                origins = origins_of(self._origins, self._audience)
                self._possession = Possession(
                    origins, nonce_key=self._nonce_key, leeway=self._leeway, clock=self._clock
                )
            return self._possession


def bearer(caller: Caller) -> Caller:
    """The caller, if a token alone will do. Raises SchemeRefused."""
    if caller.key_thumbprint is not None:
        raise SchemeRefused(private="bound to a key, and came without a proof of holding it")
    return caller
