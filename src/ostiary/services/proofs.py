"""DPoP proofs as this process sees them: each is good for one request (RFC 9449 section 11.1)."""

from collections.abc import Collection
from dataclasses import dataclass

from ostiary.credentials import dpop
from ostiary.credentials.derived_keys import digest
from ostiary.credentials.dpop import Expected, PossessionProof
from ostiary.credentials.used_proofs import UsedProofs
from ostiary.domain.spent import Spent
from ostiary.errors import InvalidProof
from ostiary.services.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a proof was made for: see `ostiary.credentials.dpop.Expected`."""

    method: str
    origins: Collection[str]
    paths: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewing:
    """A proof that came with a refresh token. `spent` is good for one renewal, at whatever node."""

    thumbprint: str
    spent: Spent


class Proofs:
    """Judges proofs and remembers those that were used, in this process's memory, for as long as they could be used
    again. Another node hears of those with which credentials were renewed (`renewing`). For others what bounds a replay
    there is the age of a proof, and the nonce where a credential is asked for."""

    def __init__(self, context: Context, *, nonce_required: bool) -> None:
        self._context = context
        self._nonce_required = nonce_required
        self._used = UsedProofs(wall=context.clock.wall, monotonic=context.clock.monotonic)

    def nonce(self, now: float) -> str:
        """For the header `DPoP-Nonce`."""
        return dpop.nonce_of(self._context.derived.dpop_nonce, now)

    def asking(self, text: str, target: Target, now: float) -> str:
        """The thumbprint of the key that a new credential is to be bound to, or that a refresh token is bound to.
        Raises InvalidProof, ProofNonceRequired, Overloaded."""
        return self._judge(text, target, "", self._nonces(now), now).thumbprint

    def renewing(self, text: str, target: Target, now: float) -> Renewing:
        """For a refresh token: as `asking`, with what has to be spent together with it."""
        proof = self._judge(text, target, "", self._nonces(now), now)
        return Renewing(thumbprint=proof.thumbprint, spent=self._spent(proof))

    def presenting(self, text: str, target: Target, credential: str, thumbprint: str, now: float) -> PossessionProof:
        """For a credential that is bound to the key of this thumbprint. Raises InvalidProof, Overloaded."""
        proof = self._judge(text, target, credential, (), now)
        if proof.thumbprint != thumbprint:
            raise InvalidProof(private="signed by another key")
        return proof

    def renewing_in_passing(self, text: str, target: Target, credential: str, thumbprint: str, now: float) -> Spent:
        """As `presenting`, for a credential that is renewed because it has expired: what has to be spent with it."""
        return self._spent(self.presenting(text, target, credential, thumbprint, now))

    def _spent(self, proof: PossessionProof) -> Spent:
        derived, policy = self._context.derived, self._context.policy
        name = digest(derived.token_digest, f"proof {proof.thumbprint} {proof.token_id}")
        # a node whose clock is behind takes it for longer
        return Spent(id=f"proof:{name.hex()}", until=proof.expires_at + policy.clock_leeway)

    def _nonces(self, now: float) -> Collection[str]:
        return dpop.nonces_accepted(self._context.derived.dpop_nonce, now) if self._nonce_required else ()

    def _judge(
        self, text: str, target: Target, credential: str, nonces: Collection[str], now: float
    ) -> PossessionProof:
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
        return proof

    def forget_expired(self, now: float) -> int:
        """Housekeeping: drop proofs that are too old to be used; how many."""
        return self._used.forget_expired(now)
