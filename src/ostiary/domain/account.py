"""An account: a person or service that can log in."""

from dataclasses import dataclass, field, replace

from ostiary import limits
from ostiary.errors import InvalidRequest

ADMIN = "admin"
USER = "user"

EPOCHS_PER_EVERYTHING = 2**32
"""An account's own epoch counts below this; each "end everything" moves every account above all that went before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account. `epoch` is raised by whatever must invalidate what its tokens say: password change, role change,
    disabling, "end all". `revision` is the store's: it counts writes and is compared by `Swap`."""

    id: str
    username: str
    username_key: str
    password_hash: str = field(repr=False)
    display_name: str | None = None
    email: str | None = None
    roles: tuple[str, ...] = (USER,)
    disabled: bool = False
    epoch: int = 0
    created_at: float = 0.0
    password_changed_at: float = 0.0
    revision: int = 0

    @property
    def is_enabled_admin(self) -> bool:
        """True if losing this account could leave nobody in charge."""
        return ADMIN in self.roles and not self.disabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What concerns every account at once: one record in a store.

    `everything` counts how often everything was ended. `lease` is the longest that any server of this store has
    started with, in seconds: what another process, such as the command line, can promise. `log_generation` is the
    revocation log's that `everything` was last raised for, 0 before the first: another one means that a log was lost
    (decision 35). `revision` also serialises changes that could remove the last administrator: each of them swaps this
    record, so that two cannot both believe that the other one stays.
    """

    id: str = "issuer"
    everything: int = 0
    lease: float = 0.0
    created_at: float = 0.0
    log_generation: int = 0
    revision: int = 0


def authorization_epoch(account_epoch: int, everything: int) -> int:
    """The `ep` claim: an integer that only grows, whether the account's own epoch or everybody's was raised."""
    return everything * EPOCHS_PER_EVERYTHING + account_epoch


def raise_epoch(account: Account) -> Account:
    """The same account, with all that its tokens said so far void."""
    return replace(account, epoch=account.epoch + 1)


def check_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted and without repetition; raises InvalidRequest for a name that could not be sent in a header or a list."""
    if len(roles) > limits.ROLES_PER_ACCOUNT:
        raise InvalidRequest(f"An account has at most {limits.ROLES_PER_ACCOUNT} roles.")
    for role in roles:
        if not (0 < len(role) <= 64 and role.isascii() and all(c.isalnum() or c in "_-.:" for c in role)):
            raise InvalidRequest("A role is 1 to 64 ASCII letters, digits, '_', '-', '.' or ':'.")
    return tuple(sorted(set(roles)))


def check_email(email: str | None) -> str | None:
    """Loose on purpose (RFC 5321 allows much, and nothing is sent here): one '@', no spaces or control characters, and
    none of those that make several addresses of one, or an address with a name around it."""
    if email is None or email == "":
        return None
    local, at, domain = email.partition("@")
    readable = email.isprintable() and not any(char in ' ",;:<>()[]\\' for char in email)
    if not at or not local or not domain or "@" in domain or len(email) > limits.EMAIL_CHARS or not readable:
        raise InvalidRequest("The e-mail address is not valid.")
    return email


def check_display_name(name: str | None) -> str | None:
    """Any printable text; empty means none."""
    if name is None or name.strip() == "":
        return None
    if len(name) > limits.DISPLAY_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(f"A display name is at most {limits.DISPLAY_NAME_CHARS} printable characters.")
    return name.strip()
