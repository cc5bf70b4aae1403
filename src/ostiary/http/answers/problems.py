"""What a refusal says."""

from msgspec import UNSET, Struct, UnsetType


class ReasonView(Struct, frozen=True):
    """Why a password was rejected."""

    code: str
    message: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457. `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    reasons: list[ReasonView] | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET


class OAuthProblem(Struct, frozen=True):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str
