"""One tree of errors.

Each class has a stable ``code`` (snake_case, part of the contract) and an HTTP ``status`` that says what it would be
on the wire. ``str(error)`` is safe to show to anyone: it never holds a credential, a key or what the caller sent.
``private`` is detail for the log only.

Expected outcomes (a wrong password, an expired token) travel as these exceptions only where they end a request;
pure code returns them as values.
"""

from typing import Any, ClassVar


class OstiaryError(Exception):
    """The root: whatever Ostiary raises on purpose is one of these."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, message: str = "", *, private: str = "") -> None:
        super().__init__(message or self.title)
        self.private = private

    def problem(self) -> dict[str, Any]:
        """What everybody may be told, as RFC 9457 section 3.1 has it."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": str(self),
        }

    def __reduce__(self) -> tuple[object, ...]:
        """Whatever its class wants to be made of, it can be copied, and cross from one process to another."""
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[OstiaryError], args: tuple[object, ...]) -> OstiaryError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class InternalError(OstiaryError):
    """A defect of ours. Nothing about it leaves the log."""

    code = "internal_error"
    title = "Something went wrong on our side"


class Misconfigured(OstiaryError):
    """The operator has to change something before this can work; never caused by a request."""

    code = "misconfigured"
    title = "The configuration is not usable"


class Unavailable(OstiaryError):
    """Ostiary cannot know right now (a store is down, a lease is gone). Never a reason to log a client out."""

    code = "unavailable"
    status = 503
    title = "The service cannot answer right now"

    def __init__(self, message: str = "", *, private: str = "", retry_after: int = 1) -> None:
        super().__init__(message, private=private)
        self.retry_after = retry_after


class WrongSchema(Unavailable):
    """The store answers, and its schema is not one that this program works with: somebody has to migrate."""


class Overloaded(Unavailable):
    """A bounded queue is full; the work was not begun."""

    code = "overloaded"
    title = "Too much work is waiting"


class InvalidRequest(OstiaryError):
    """The request can be parsed but is wrong (422)."""

    code = "invalid_request"
    status = 422
    title = "The request is not valid"


class Malformed(InvalidRequest):
    """The request cannot be parsed, or contradicts itself (400)."""

    status = 400
    title = "The request cannot be read"


class InvalidTarget(OstiaryError):
    """The audience asked for is not one that this server issues for (RFC 8693 section 2.2.2)."""

    code = "invalid_target"
    status = 400
    title = "The audience is not one of this server's"


class HeadersTooLarge(InvalidRequest):
    """The header fields are larger than any request needs (RFC 6585 section 5)."""

    code = "headers_too_large"
    status = 431
    title = "The request's header fields are too large"


class NoSuchRoute(OstiaryError):
    """There is nothing at this path."""

    code = "not_found"
    status = 404
    title = "Not found"


class MethodNotAllowed(OstiaryError):
    """The path exists, for other methods."""

    code = "method_not_allowed"
    status = 405
    title = "This method is not allowed here"

    def __init__(self, allowed: str) -> None:
        super().__init__()
        self.allowed = allowed


class NotAuthenticated(OstiaryError):
    """No credential was sent."""

    code = "not_authenticated"
    status = 401
    title = "Log in first"


class InvalidToken(OstiaryError):
    """A credential was sent and is refused. Why is for the log: outside, all causes look alike."""

    code = "invalid_token"
    status = 401
    title = "The credential is not accepted"


class InvalidProof(InvalidToken):
    """A DPoP proof is missing, or does not hold for this request, its credential and its key (RFC 9449 section 7.1).
    400 where a credential is only being asked for (section 5), 401 where one was presented."""

    code = "invalid_dpop_proof"
    title = "The DPoP proof is not accepted"

    def __init__(self, message: str = "", *, private: str = "", status: int = 401) -> None:
        super().__init__(message, private=private)
        self.status = status  # type: ignore[misc]


class ProofNonceRequired(InvalidProof):
    """The proof lacks a nonce of this server's, which the answer's `DPoP-Nonce` header gives (RFC 9449 section 8)."""

    code = "use_dpop_nonce"
    title = "Send the proof again with the nonce in DPoP-Nonce"


class InvalidCredentials(OstiaryError):
    """A user name or password is wrong; the same whether the account exists, is disabled, or the password is wrong."""

    code = "invalid_credentials"
    status = 401
    title = "The user name or the password is wrong"


class WrongPassword(InvalidCredentials):
    """A logged-in caller's own password is wrong: authenticated, and refused (403)."""

    status = 403
    title = "The password is wrong"


class InvalidSetupCode(OstiaryError):
    """The code of the link that the server printed at its first start is wrong, or too old."""

    code = "invalid_setup_code"
    status = 403
    title = "The setup code is not accepted"


class Forbidden(OstiaryError):
    """Authenticated, but not allowed."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class InsufficientScope(Forbidden):
    """The credential's scope does not cover the request (RFC 6750 section 3.1)."""

    code = "insufficient_scope"
    title = "The credential's scope does not cover this"


class ReauthenticationRequired(Forbidden):
    """The password was last proven too long ago for this change."""

    code = "reauthentication_required"
    title = "Prove your password again first"


class CsrfRejected(Forbidden):
    """A browser says that another site sent this request."""

    code = "csrf_rejected"
    title = "The request came from another site"


class RegistrationClosed(Forbidden):
    """Accounts are created by administrators only."""

    code = "registration_closed"
    title = "Registration is closed"


class NotFound(OstiaryError):
    """It does not exist, or belongs to someone else."""

    code = "not_found"
    status = 404
    title = "Not found"


class UsernameTaken(OstiaryError):
    """Another account has this user name (after normalisation)."""

    code = "username_taken"
    status = 409
    title = "The user name is taken"


class LastAdmin(OstiaryError):
    """The change would leave no enabled administrator."""

    code = "last_admin"
    status = 409
    title = "This is the last enabled administrator"


class Conflict(OstiaryError):
    """Others kept changing the same thing; nothing was changed. Try again."""

    code = "conflict"
    status = 409
    title = "Others changed it at the same time"


class PasswordRejected(InvalidRequest):
    """The new password breaks the rules; ``reasons`` are stable words with a sentence each."""

    code = "password_rejected"
    title = "The password is not acceptable"

    def __init__(self, reasons: "tuple[PasswordReason, ...]") -> None:
        super().__init__(" ".join(reason.message for reason in reasons))
        self.reasons = reasons


class PasswordReason:
    """Why a password was rejected: ``code`` is stable, ``message`` is for people."""

    __slots__ = ("code", "message")

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message

    def __repr__(self) -> str:
        return f"PasswordReason({self.code!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PasswordReason) and other.code == self.code

    def __hash__(self) -> int:
        return hash(self.code)


class TooManyAttempts(OstiaryError):
    """Throttled. ``retry_after`` is in whole seconds, at least 1."""

    code = "too_many_attempts"
    status = 429
    title = "Too many attempts; wait before the next one"

    def __init__(self, retry_after: int = 1) -> None:
        super().__init__()
        self.retry_after = max(1, retry_after)


class InvalidClient(OstiaryError):
    """A client did not prove who it is (RFC 6749 section 5.2). Why is for the log: outside, all causes look alike."""

    code = "invalid_client"
    status = 401
    title = "The client is not accepted"


class UnauthorizedClient(OstiaryError):
    """A known client may not do this (RFC 6749 section 5.2)."""

    code = "unauthorized_client"
    status = 400
    title = "The client may not use this grant"


class InvalidScope(OstiaryError):
    """A scope was asked for that may not be given (RFC 6749 section 5.2)."""

    code = "invalid_scope"
    status = 400
    title = "The scope is more than may be given"


class InvalidGrant(OstiaryError):
    """A refresh token, or a token to be exchanged, is not accepted (RFC 6749 section 5.2)."""

    code = "invalid_grant"
    status = 400
    title = "The refresh token is not accepted"
