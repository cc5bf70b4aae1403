"""What requests carry: the types that validate them are the ones that the OpenAPI document shows.

Unknown members are refused, so that `"role": "admin"` in a sign-up fails loudly.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from ostiary import limits
from ostiary.http.starred import Starred

Password = Annotated[str, Meta(max_length=limits.PASSWORD_CHARS, description="As typed; never trimmed.")]
Name = Annotated[str, Meta(max_length=1024)]


class RequestBody(Starred, forbid_unknown_fields=True, frozen=True):
    """The base of every request body."""


class SignUpBody(RequestBody, frozen=True):
    """A new account."""

    username: Name
    password: Annotated[str, Meta(max_length=65536)]
    email: str | None = None
    display_name: str | None = None


class LoginBody(RequestBody, frozen=True):
    """A login."""

    username: Name
    password: Password
    kind: Literal["session", "stateful", "stateless"] = "session"
    transport: Literal["cookie", "bearer", "split"] | None = None
    remember: bool = False
    audience: str | Annotated[list[str], Meta(max_length=limits.AUDIENCES_PER_TOKEN)] | None = None
    scope: Annotated[str, Meta(max_length=4096)] | None = None


class LogoutBody(RequestBody, frozen=True):
    """A logout by refresh token alone."""

    refresh_token: str | None = None


class OneTimeBody(RequestBody, frozen=True):
    """What a one-time token is for. `resource` is a relative path in normal form or an id; `confirm` is for links that
    are mailed: a person presses a button before anything is spent."""

    audience: Name
    action: Annotated[str, Meta(min_length=1, max_length=limits.ACTION_CHARS, examples=["download"])]
    resource: Annotated[str, Meta(min_length=1, max_length=limits.RESOURCE_BYTES, examples=["reports/2026/q3.pdf"])]
    expires_in: (
        Annotated[int, Meta(ge=1, le=2**31, description="Seconds; never more than `one_time_lifetime`.")] | None
    ) = None
    confirm: bool = False


class EmptyBody(RequestBody, frozen=True):
    """Nothing."""


class ProfileBody(RequestBody, frozen=True):
    """What an account's owner may change."""

    display_name: str | None | UnsetType = UNSET
    email: str | None | UnsetType = UNSET


class PasswordBody(RequestBody, frozen=True):
    """A change of password."""

    current_password: Password
    new_password: Annotated[str, Meta(max_length=65536)]


class PasswordCheckBody(RequestBody, frozen=True):
    """A password that somebody thinks of; nothing is kept of it."""

    password: Annotated[str, Meta(max_length=65536)]
    username: Name = ""
    email: Name | None = None
    language: Literal["en", "zh-CN"] = "en"


class ProofBody(RequestBody, frozen=True):
    """The password, once more."""

    password: Password


Names = Annotated[list[str], Meta(max_length=limits.CLIENT_NAMES)]


class NewClientBody(RequestBody, frozen=True):
    """A service to register. `audiences`: what it serves, and so may introspect and exchange tokens of; `targets`: what
    it may ask tokens for; `grants`: values of `grant_type`. With `jwks` it proves itself by its keys, else by a secret.
    """

    name: str
    grants: Names = []
    audiences: Names = []
    targets: Names = []
    scopes: Names = []
    jwks: dict[str, Any] | None = None


class ClientPatchBody(RequestBody, frozen=True):
    """What to change of a client; each list replaces the one before. `jwks` takes the place of a secret."""

    name: str | UnsetType = UNSET
    grants: Names | UnsetType = UNSET
    audiences: Names | UnsetType = UNSET
    targets: Names | UnsetType = UNSET
    scopes: Names | UnsetType = UNSET
    jwks: dict[str, Any] | UnsetType = UNSET


class AdminPatchBody(RequestBody, frozen=True):
    """What an administrator may change."""

    roles: Annotated[list[str], Meta(max_length=limits.ROLES_PER_ACCOUNT)] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    display_name: str | None | UnsetType = UNSET
    email: str | None | UnsetType = UNSET
