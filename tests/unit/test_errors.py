"""Errors: what each of them keeps on its way to another process."""

import copy
import pickle

import pytest

from ostiary import jose
from ostiary.errors import (
    Misconfigured,
    OstiaryError,
    PasswordReason,
    PasswordRejected,
    TooManyAttempts,
    Unavailable,
)
from ostiary.verifier import CredentialRefused, ScopeMissing

ERRORS = [
    Misconfigured("write it so", private="where it stands"),
    Unavailable("not now", private="postgres: gone", retry_after=7),
    TooManyAttempts(9),
    PasswordRejected((PasswordReason("too_short", "Use more."), PasswordReason("too_common", "Use another."))),
    jose.DecryptionFailed(),
    jose.Expired("exp"),
    CredentialRefused(private="expired: exp"),
    ScopeMissing("notes:read"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_crosses_processes(error: OstiaryError) -> None:
    """What a job raises in a pool of processes, or a task in a queue, arrives as what it was: an error that cannot be
    pickled breaks the pool."""
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert (type(twin), str(twin), twin.args) == (type(error), str(error), error.args)
        assert repr(twin.__dict__) == repr(error.__dict__)
