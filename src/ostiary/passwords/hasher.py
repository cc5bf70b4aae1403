"""Setting and checking passwords: the same work whoever asks, and never on the event loop.

Every ``verify`` of a password costs one hash with the current parameters, also where there is no account, no password,
or a stored text that cannot be read. An imported hash costs what its own parameters say, until the first login.
"""

import asyncio
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, local
from types import TracebackType
from typing import Self

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from ostiary.domain.password_rules import is_within_reason, normalise_password
from ostiary.errors import InvalidRequest, Misconfigured, Unavailable
from ostiary.limits import PASSWORD_CHARS
from ostiary.passwords import large_pages
from ostiary.passwords.pool import HashPool
from ostiary.passwords.stored import Argon2Hash, Argon2Parameters, Pbkdf2Hash, Pepper, read, written

_TYPES = {"argon2id": Type.ID, "argon2i": Type.I}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``needs_rehash``: it matches, and should be stored anew with ``hash``.

    ``readable`` is False where a stored text could not be judged: an unknown format, or a pepper that is not
    configured. That is for the operator's log; to the client it is a wrong password.
    """

    matches: bool
    needs_rehash: bool = False
    readable: bool = True


class _AskedFor(local):
    """How much memory the thread's last hash took, in KiB."""

    size = 0


class PasswordHasher:
    """``peppers``: the first one hashes; the others are still verified against, so that a key can be replaced.

    ``random_bytes`` makes salts. The pool is the caller's to share, or this object's own; ``close`` closes it.
    """

    def __init__(
        self,
        *,
        peppers: Sequence[Pepper],
        parameters: Argon2Parameters | None = None,
        pool: HashPool | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if not peppers:
            raise Misconfigured("Password hashing needs a pepper")
        self._pepper = peppers[0]
        self._peppers = {pepper.key_id: pepper for pepper in peppers}
        if len(self._peppers) != len(peppers):
            raise Misconfigured("Two peppers have the same id")
        self._parameters = parameters or Argon2Parameters()
        self._pool = pool or HashPool()
        self._random_bytes = random_bytes
        self._lock = Lock()
        self._asked_for = _AskedFor()
        self._computed = 0

    @property
    def computed(self) -> int:
        """Hashes computed so far."""
        return self._computed

    @property
    def waiting(self) -> int:
        """Hashes that wait for a thread."""
        return self._pool.waiting

    def check_room(self) -> None:
        """Raise ``Overloaded`` if a hash that is asked for now would be refused."""
        self._pool.check_room()

    async def hash(self, password: str) -> str:
        """Return the text to store. Raises as ``hash_now``, and ``Overloaded`` when the queue is full."""
        return await self._pool.run(lambda: self.hash_now(password))

    async def verify(self, stored: str | None, password: str) -> Verdict:
        """Judge ``password``; ``stored`` None (no such account) never matches. Raises ``Overloaded``, as ``hash``."""
        return await self._pool.run(lambda: self.verify_now(stored, password))

    def hash_now(self, password: str) -> str:
        """Hash in the calling thread. Raises ``InvalidRequest`` for what ``judge_password`` would never let through."""
        if not is_within_reason(password) or len(normalise_password(password)) > PASSWORD_CHARS:
            raise InvalidRequest(f"A password has at most {PASSWORD_CHARS} characters")
        salt = self._random_bytes(self._parameters.salt_bytes)
        digest = self._current(_encoded(password), salt)
        return written(parameters=self._parameters, key_id=self._pepper.key_id, salt=salt, digest=digest)

    def verify_now(self, stored: str | None, password: str) -> Verdict:
        """Verify in the calling thread."""
        found = read(stored) if stored is not None else None
        if found is None or not is_within_reason(password) or not self._knows(found):
            self._current(b"", bytes(self._parameters.salt_bytes))
            return Verdict(matches=False, readable=stored is None or (found is not None and self._knows(found)))
        if not self._matches(found, password):
            return Verdict(matches=False)
        return Verdict(matches=True, needs_rehash=not self._is_current(found))

    def needs_rehash(self, stored: str) -> bool:
        """Whether ``stored`` is not what ``hash`` would write today."""
        found = read(stored)
        return found is None or not self._is_current(found)

    def close(self) -> None:
        """Close the pool; waits for at most the hashes that are running."""
        self._pool.close()

    async def aclose(self) -> None:
        await asyncio.to_thread(self._pool.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"PasswordHasher({self._parameters!r}, peppers={list(self._peppers.values())!r})"

    def _knows(self, found: Argon2Hash | Pbkdf2Hash) -> bool:
        return isinstance(found, Pbkdf2Hash) or found.key_id is None or found.key_id in self._peppers

    def _is_current(self, found: Argon2Hash | Pbkdf2Hash) -> bool:
        if isinstance(found, Pbkdf2Hash):
            return False
        return found.key_id == self._pepper.key_id and found.parameters == self._parameters

    def _matches(self, found: Argon2Hash | Pbkdf2Hash, password: str) -> bool:
        normal = _encoded(password)
        if isinstance(found, Argon2Hash) and found.key_id is not None:
            return self._argon2_matches(found, self._peppers[found.key_id].applied_to(normal))
        # Another system may have hashed what was typed without composing it first.
        return any(self._import_matches(found, typed) for typed in dict.fromkeys((normal, _bytes(password))))

    def _import_matches(self, found: Argon2Hash | Pbkdf2Hash, typed: bytes) -> bool:
        if isinstance(found, Argon2Hash):
            return self._argon2_matches(found, typed)
        self._count()
        return found.matches(typed)

    def _argon2_matches(self, found: Argon2Hash, secret: bytes) -> bool:
        computed = self._argon2(secret, found.salt, found.parameters, _TYPES[found.variant])
        return hmac.compare_digest(computed, found.digest)

    def _current(self, password: bytes, salt: bytes) -> bytes:
        return self._argon2(self._pepper.applied_to(password), salt, self._parameters, Type.ID)

    def _argon2(self, secret: bytes, salt: bytes, parameters: Argon2Parameters, variant: Type) -> bytes:
        self._count()
        if self._asked_for.size != parameters.memory_kib:
            self._asked_for.size = parameters.memory_kib
            large_pages.ask_for(1024 * parameters.memory_kib)
        try:
            return hash_secret_raw(
                secret,
                salt,
                time_cost=parameters.passes,
                memory_cost=parameters.memory_kib,
                parallelism=parameters.lanes,
                hash_len=parameters.hash_bytes,
                type=variant,
            )
        except HashingError as error:  # no memory, or no thread for a lane
            raise Unavailable(private=f"argon2: {error}") from None

    def _count(self) -> None:
        with self._lock:
            self._computed += 1


def _encoded(password: str) -> bytes:
    return _bytes(normalise_password(password))


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")  # a lone surrogate is simply not anyone's password
