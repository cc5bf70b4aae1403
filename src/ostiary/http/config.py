"""What the HTTP shell needs to know, handed in by `compose`."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """`origin` is the issuer's; `base_path` is where the issuer's path puts this application, "" at the root;
    `issuer_path` whether requests come with it ("kept"), without it ("stripped"), or either.
    `secure_cookies` False drops `__Host-` and Secure (contract section 3)."""

    issuer: str
    origin: str
    base_path: str = ""
    issuer_path: str = "either"
    allowed_hosts: frozenset[str]
    trusted_origins: frozenset[str] = frozenset()
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    secure_cookies: bool = True
    csrf_token_required: bool = False
    registration_open: bool = True
    password_min_length: int = 15
    reauthentication_window: float = 300.0
    hsts: bool = False
    worker: int = 0
    metrics_token: bytes | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Where clients find this application: the issuer, unless it is mounted where the issuer does not say."""
        return self.origin + self.base_path
