"""DPoP proofs as this process sees them: each is good for one request (RFC 9449 section 11.1)."""

from collections.abc import Collection
from dataclasses import dataclass

from ostiary.credentials import dpop
from ostiary.credentials.dpop import Expected
from ostiary.credentials.used_proofs import UsedProofs
from ostiary.errors import InvalidProof
from ostiary.services.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a proof was made for: see `ostiary.credentials.dpop.Expected`."""

    method: str
    origins: Collection[str]
    paths: Collection[str]


class Proofs:
    """Judges proofs and remembers those that were used, in this process's memory, for as long as they could be used
    again. Another node does not hear of them: what bounds a replay there is the age of a proof, and the nonce where a
    credential is asked for."""

    def __init__(self, context: Context, *, nonce_required: bool) -> None:
        self._context = context
        self._nonce_required = nonce_required
        self._used = UsedProofs()

    def nonce(self, now: float) -> str:
        """For the header `DPoP-Nonce`."""
        return dpop.nonce_of(self._context.derived.dpop_nonce, now)

    def asking(self, text: str, target: Target, now: float) -> str:
        """The thumbprint of the key that a new credential is to be bound to, or that a refresh token is bound to.
        Raises InvalidProof, ProofNonceRequired, Overloaded."""
        nonces = dpop.nonces_accepted(self._context.derived.dpop_nonce, now) if self._nonce_required else ()
        return self._judge(text, target, "", nonces, now)

    def presenting(self, text: str, target: Target, credential: str, thumbprint: str, now: float) -> None:
        """For a credential that is bound to the key of this thumbprint. Raises InvalidProof, Overloaded."""
        if self._judge(text, target, credential, (), now) != thumbprint:
            raise InvalidProof(private="signed by another key")

    def _judge(self, text: str, target: Target, credential: str, nonces: Collection[str], now: float) -> str:
        proof = dpop.check_proof(
            text,
            Expected(
                method=target.method,
                origins=target.origins,
                paths=target.paths,
                credential=credential,
                nonces=nonces,
            ),
            now=now,
            leeway=self._context.policy.clock_leeway,
        )
        self._used.use(proof, now)
        return proof.thumbprint

    def forget_expired(self, now: float) -> int:
        """Housekeeping: drop proofs that are too old to be used; how many."""
        return self._used.forget_expired(now)
