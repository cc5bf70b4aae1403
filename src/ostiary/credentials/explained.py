"""The shape of an explanation: what a text that should be a token is, says, and is refused for.

Codes only; words are made of them where a language is known. Nothing here has been believed: `Report.accepted` is the
one member that speaks of trust, and it is None where nobody asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Form(Enum):
    """What the text looks like, told by its form alone."""

    JWS = "jws"
    JWE = "jwe"
    SESSION_TOKEN = "session_token"  # noqa: S105
    REFRESH_TOKEN = "refresh_token"  # noqa: S105
    CLIENT_SECRET = "client_secret"  # noqa: S105
    JSON = "json"
    PEM = "pem"
    EMPTY = "empty"
    OVERSIZE = "oversize"
    UNKNOWN = "unknown"


class Outcome(Enum):
    """Of one check. NOTED: told for the reader, decides nothing. SKIPPED: what it needs was not there."""

    PASSED = "passed"
    FAILED = "failed"
    NOTED = "noted"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a part cannot be read as it stands. `part`: `token`, `header`, `payload`, `signature`."""

    part: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of the header or of the payload. `known`: there is an explanation of its name. `at`: Unix seconds, for
    a date that can be told."""

    name: str
    value: Any = field(repr=False)
    known: bool
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """`code`: `verified`, `unsigned`, `no_keys`, `unreadable`, `encrypted`, or the code of the refusal."""

    code: str
    alg: str = ""
    kid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One step of the verdict. `name` is also the claim's, where a claim decides; `code` is stable and says how it came
    out; `values` are put into its sentence; `at` is an instant that the sentence tells."""

    name: str
    outcome: Outcome
    code: str = "ok"
    values: Mapping[str, str] = field(default_factory=dict)
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """Something that the holder or the issuer should know."""

    code: str
    values: Mapping[str, str] = field(default_factory=dict)
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`size` in characters, without what surrounded the token. `header` and `claims` are None where they could not be
    read. `checks` are in the order in which a verifier makes them."""

    form: Form
    size: int
    type: str = ""
    problems: tuple[Problem, ...] = ()
    header: tuple[Member, ...] | None = None
    claims: tuple[Member, ...] | None = None
    signature: Signature | None = None
    checks: tuple[Check, ...] = ()
    cautions: tuple[Caution, ...] = ()
    judged: bool = False

    @property
    def readable(self) -> bool:
        """Whether it is a credential of a form that is known, and whole."""
        forms = (Form.JWS, Form.JWE, Form.SESSION_TOKEN, Form.REFRESH_TOKEN)
        return self.form in forms and not self.problems

    @property
    def refusal(self) -> Check | None:
        """The first check that failed."""
        return next((check for check in self.checks if check.outcome is Outcome.FAILED), None)

    @property
    def accepted(self) -> bool | None:
        """The verdict; None if none was asked for."""
        return self.refusal is None and self.readable if self.judged else None


KNOWN_HEADER = frozenset(
    {
        "alg", "apu", "apv", "b64", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "kid", "nonce", "p2c", "p2s",
        "tag", "typ", "url", "x5c", "x5t", "x5t#S256", "x5u", "zip",
    }
)  # fmt: skip
"""RFC 7515 section 4.1, RFC 7516 section 4.1, RFC 7518 sections 4.6 to 4.8, RFC 7797, RFC 8555 section 6."""

KNOWN_CLAIMS = frozenset(
    {
        "acr", "act", "act_on", "amr", "ath", "aud", "auth_time", "azp", "client_id", "cnf", "entitlements", "ep",
        "exp", "groups", "htm", "htu", "iat", "iss", "jti", "may_act", "nbf", "nonce", "roles", "scope", "sid",
        "status", "status_list", "sub", "sv", "ttl",
    }
)  # fmt: skip
"""RFC 7519 section 4.1, RFC 7800, RFC 8693 section 4, RFC 9068 section 2.2, RFC 9449 section 4.2, OpenID Connect Core
section 2, Token Status List, and Ostiary's own: `sid`, `sv`, `ep`, `act_on`."""

KNOWN_TYPES = frozenset(
    {"at+jwt", "dpop+jwt", "jwt", "logout+jwt", "one-time+jwt", "session+jwt", "statuslist+jwt"}
)  # fmt: skip

DATES = frozenset({"auth_time", "exp", "iat", "nbf"})
"""Claims that hold NumericDates (RFC 7519 section 2)."""
