"""What docs/guide/verifying-elsewhere.md says in numbers is what the code does."""

import inspect

import pytest
from tests.docs.reading import ROOT
from tests.unit.verifier.issuer import FakeIssuer, bearer

from ostiary import limits
from ostiary.verifier import Verifier

PAGE = (ROOT / "docs/guide/verifying-elsewhere.md").read_text(encoding="utf-8")


def test_settings_and_calls_exist() -> None:
    """Every setting that the page names is one, and every call is one."""
    options = set(inspect.signature(Verifier).parameters)
    for name in ("max_stale", "cooldown", "cache_seconds", "cache_bytes", "leeway", "token_type", "roles_claim",
                 "algorithm", "jwks_uri", "ssl_context", "fetch", "keys", "revocations", "client"):  # fmt: skip
        assert f"`{name}" in PAGE or f"{name}=" in PAGE
        assert name in options
    for call in ("authenticate", "authenticate_sync", "verify", "verify_sync", "require", "answer", "start", "stop",
                 "start_blocking", "asgi", "wsgi"):  # fmt: skip
        assert call in PAGE
        assert callable(getattr(Verifier, call))


def test_numbers_are_those_of_the_code() -> None:
    """Five minutes, thirty seconds, an hour, ten seconds, five seconds, 64 KiB, 25 MB."""
    assert (limits.KEY_SET_SECONDS, limits.KEY_SET_SECONDS_MIN, limits.KEY_SET_SECONDS_MAX) == (300, 30, 3600)
    assert (limits.KEY_SET_COOLDOWN, limits.FETCH_SECONDS, limits.DOCUMENT_BYTES) == (10, 5, 65_536)
    assert (limits.KEY_SET_STALE_SECONDS, limits.VERIFIED_SECONDS, limits.VERIFIED_BYTES) == (3600, 300, 25_000_000)
    assert inspect.signature(Verifier).parameters["leeway"].default == 30


def test_a_profile_less_issuer(issuer: FakeIssuer) -> None:
    """With `token_type="JWT"` only `sub` is demanded of the profile, and `at+jwt` is no longer accepted."""
    verifier = issuer.verifier(token_type="JWT")
    plain = issuer.token(typ="JWT", client_id=None, jti=None, iat=None, sid=None, sv=None, ep=None)
    assert verifier.authenticate_sync(bearer(plain)).account_id == "acc_ada"
    with pytest.raises(Exception, match="not accepted"):
        verifier.verify_sync(issuer.token())
