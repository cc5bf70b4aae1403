"""Passwords as use cases see them: looked at under the throttle, set under the rules."""

from collections.abc import Callable, Container

from ostiary.domain.account import Account
from ostiary.domain.password_rules import judge_password
from ostiary.errors import Overloaded, PasswordReason, PasswordRejected, Unavailable, WrongPassword
from ostiary.passwords import PasswordHasher, Verdict
from ostiary.services.context import Client, Context
from ostiary.services.login_attempt import Attempt
from ostiary.services.password_checks import PasswordChecks
from ostiary.services.throttling import Throttling


class Passwords:
    """Use cases of passwords."""

    def __init__(
        self, context: Context, hasher: PasswordHasher, throttling: Throttling, blocklist: Callable[[], Container[str]]
    ) -> None:
        self._context = context
        self._hasher = hasher
        self._throttling = throttling
        self._blocklist = blocklist
        self._checks = PasswordChecks(context)

    def check(self, password: str, *, username: str, email: str | None, client: Client) -> tuple[PasswordReason, ...]:
        """`judge`, for whoever asks without setting it. Raises TooManyAttempts."""
        self._checks.count(client, len(password) + len(username) + len(email or ""))
        return self.judge(password, username=username, email=email)

    def judge(self, password: str, *, username: str, email: str | None) -> tuple[PasswordReason, ...]:
        """Every reason for which it would be refused."""
        return judge_password(
            password,
            minimum=self._context.policy.password_min_length,
            username=username,
            email=email,
            blocklist=self._blocklist(),
        )

    def check_rules(self, password: str, *, username: str, email: str | None) -> None:
        """Raises PasswordRejected with every reason."""
        reasons = self.judge(password, username=username, email=email)
        if reasons:
            raise PasswordRejected(reasons)

    @property
    def waiting(self) -> int:
        """Hashes that have not begun."""
        return self._hasher.waiting

    @property
    def computed(self) -> int:
        """Hashes computed so far, by this process."""
        return self._hasher.computed

    def check_room(self) -> None:
        """Raise Overloaded if there is no room for one more."""
        self._hasher.check_room()

    async def hash(self, password: str) -> str:
        """What the store keeps. Raises Overloaded if too many wait."""
        return await self._hasher.hash(password)

    async def look(self, stored: str | None, password: str, attempt: Attempt) -> Verdict:
        """Whether it is the one; the same work if there is none to compare with. Raises Overloaded or Unavailable if
        nobody could look at it: that is no attempt."""
        try:
            return await self._hasher.verify(stored, password)
        except (Overloaded, Unavailable):
            attempt.take_back()
            raise

    async def prove(self, account: Account, password: str, client: Client, *, session_id: str) -> None:
        """The logged-in caller's own password, again. Raises WrongPassword or TooManyAttempts.

        A counter of the session's own, without a hard stop: whoever holds a stolen session cannot guess quickly, and
        neither locks the owner out of logging in nor keeps them waiting in their own sessions.
        """
        async with self._throttling.attempt(
            account.username_key, network=client.ip, device=f"proof in {session_id}", ready=self.check_room
        ) as attempt:
            verdict = await self.look(account.password_hash, password, attempt)
            if not verdict.matches:
                await attempt.failed()
                raise WrongPassword
            attempt.succeeded()
