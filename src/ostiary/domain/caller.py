"""The authenticated result: who is calling, under which session, with which rights."""

from dataclasses import dataclass

from ostiary.domain.binding import Bound
from ostiary.domain.session import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a handler gets. It is shared between requests, so it cannot be changed.

    `roles` and `scope` are today's for kinds `session` and `stateful`; for `stateless` they are the token's, which the
    account's epoch keeps current. `expires_at` and `auth_time` are Unix seconds.

    `act` is the chain of actors if the credential was exchanged (RFC 8693 section 4.1): the first is the service that
    calls now, the others are those through which it went before, for the record only. `client_id` is whom the
    credential was issued to, `client_epoch` that client's epoch, None if it is no registered one. `may_act`: the only
    one who may act for the account, "" if that is not said. `key_thumbprint` names the key that the credential is bound
    to, None if to none (RFC 9449); `bound` the place that its session has to stay at, None if anywhere. `status`: the
    address of the status list that the credential names, and which of its bits; None if it names none.
    """

    account_id: str
    session_id: str
    kind: Kind
    roles: frozenset[str]
    scope: frozenset[str]
    audience: tuple[str, ...]
    auth_time: float
    expires_at: float
    version: int
    epoch: int
    client_id: str = "ostiary"
    act: tuple[str, ...] = ()
    key_thumbprint: str | None = None
    bound: Bound | None = None
    client_epoch: int | None = None
    may_act: str = ""
    status: tuple[str, int] | None = None

    @property
    def is_authenticated(self) -> bool:
        """Always true: a request without a caller has none. For code that expects Starlette's `BaseUser`."""
        return True

    @property
    def identity(self) -> str:
        """The account's id."""
        return self.account_id

    @property
    def actor(self) -> str | None:
        """The service that acts for the account, None if the account's own client calls."""
        return self.act[0] if self.act else None

    @property
    def is_client(self) -> bool:
        """True for a service that calls in its own name (`client_credentials`)."""
        return self.account_id == self.client_id

    def has_scope(self, *names: str) -> bool:
        """True if all of them are in the credential's scope."""
        return self.scope.issuperset(names)

    def needs_no_more_than(self, issuer: str) -> bool:
        """Whether the credential alone says who calls `issuer`: it is meant for it, nobody acts for the account, no
        proof has to come along, and it is bound to no place. Every further thing that a request is asked for because of
        its caller belongs here."""
        return issuer in self.audience and not self.act and self.key_thumbprint is None and self.bound is None

    def has_role(self, role: str) -> bool:
        """Exact comparison."""
        return role in self.roles
