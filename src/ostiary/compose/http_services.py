"""What the HTTP shell gets: of the settings, and of a running system."""

from ipaddress import ip_network
from urllib.parse import urlsplit

from ostiary.compose.measuring import metrics_of
from ostiary.compose.system import System
from ostiary.http.authentication import Authenticator
from ostiary.http.config import HttpConfig
from ostiary.http.cookies import Cookies
from ostiary.http.dpop import ProofReader
from ostiary.http.pages import Pages
from ostiary.http.services import Services
from ostiary.settings import Settings


def http_config(settings: Settings, *, worker: int = 0) -> HttpConfig:
    """What the HTTP shell needs to know of the settings."""
    parts = urlsplit(settings.issuer)
    return HttpConfig(
        issuer=settings.issuer,
        origin=settings.issuer_origin,
        base_path=parts.path.rstrip("/"),
        issuer_path=settings.issuer_path,
        allowed_hosts=frozenset(host.lower() for host in settings.allowed_hosts),
        trusted_origins=frozenset(settings.trusted_origins),
        cors_origins=settings.cors_origins,
        trusted_proxies=tuple(ip_network(network, strict=False) for network in settings.trusted_proxies),
        secure_cookies=settings.cookie_secure,
        csrf_token_required=settings.csrf_token == "session",  # noqa: S105 - a choice
        registration_open=settings.registration == "open",
        password_min_length=settings.password_min_length,
        reauthentication_window=settings.reauthentication_window,
        hsts=parts.scheme == "https",
        worker=worker,
        metrics_token=settings.metrics_token.strip() if settings.metrics_token else None,
    )


def services_of(system: System, config: HttpConfig, places: tuple[str, ...]) -> Services:
    """What its handlers call. `places`: see `Ostiary.places`."""
    cookies = Cookies(secure=config.secure_cookies)
    proofs = ProofReader(config, system.proofs)
    return Services(
        config=config,
        clock=system.context.clock,
        context=system.context,
        authenticator=Authenticator(
            config, cookies, proofs, system.recognition, system.refresh, system.moving, system.context.derived
        ),
        cookies=cookies,
        proofs=proofs,
        pages=Pages(config.base_path, extra_places=places),
        accounts=system.accounts,
        first_run=system.first_run,
        overview=system.overview,
        password_changes=system.password_changes,
        passwords=system.passwords,
        sessions=system.sessions,
        sign_in=system.sign_in,
        refresh=system.refresh,
        recognition=system.recognition,
        signing_keys=system.signing_keys,
        audit=system.audit,
        metrics=metrics_of(system),
        one_time_tokens=system.one_time_tokens,
        forward_auth=system.forward_auth,
        clients=system.clients,
        known_clients=system.known_clients,
        client_authentication=system.client_authentication,
        exchange=system.exchange,
        followers=system.followers,
        introspection=system.introspection,
        nodes=system.nodes,
        status_lists=system.status_lists,
    )
