"""What services need to know of the settings."""

from ostiary.domain.session import Lifetimes
from ostiary.domain.sign_ups import SignUpPolicy
from ostiary.domain.throttle import ThrottlePolicy
from ostiary.services.context import Policy
from ostiary.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """All of it."""
    return Policy(
        issuer=settings.issuer,
        audiences=settings.audiences,
        role_scopes=settings.role_scopes,
        lifetimes=lifetimes_of(settings),
        throttle=throttle_policy_of(settings),
        sign_ups=SignUpPolicy(of_network=settings.address_signups, of_everybody=settings.signup_hard_limit),
        max_sessions=settings.max_sessions,
        refreshes_per_minute=settings.refreshes_per_minute,
        password_min_length=settings.password_min_length,
        registration_open=settings.registration == "open",
        status_lists=settings.status_lists,
        reauthentication_window=settings.reauthentication_window,
        clock_leeway=settings.clock_leeway,
        signing_algorithm=settings.signing_algorithm,
        signing_key_lifetime=settings.signing_key_lifetime,
        encrypt_stateless=settings.encrypt_stateless,
        binding=settings.binding,
    )


def lifetimes_of(settings: Settings) -> Lifetimes:
    """How long sessions and credentials live."""
    return Lifetimes(
        access_token=settings.access_token_lifetime,
        stateful_token=settings.stateful_token_lifetime,
        session_idle=settings.session_idle_lifetime,
        session=settings.session_lifetime,
        remember=settings.remember_lifetime,
        refresh_idle=settings.refresh_idle_lifetime,
        refresh=settings.refresh_lifetime,
        refresh_grace=settings.refresh_grace,
        one_time=settings.one_time_lifetime,
    )


def throttle_policy_of(settings: Settings) -> ThrottlePolicy:
    """How failed logins slow down what follows."""
    return ThrottlePolicy(
        free_failures=min(settings.login_free_failures, settings.login_hard_limit),
        max_delay=settings.login_max_delay,
        hard_limit=settings.login_hard_limit,
        address_failures=settings.address_failures,
    )
