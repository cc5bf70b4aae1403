"""Where the application is mounted, and the issuer does not say so: `app.mount("/auth", auth.asgi)` with an issuer that
has no path. Pages, forms, redirects and the endpoints in metadata are where the application is."""

import logging
from dataclasses import replace
from urllib.parse import quote

from starlette.types import Scope

from ostiary.errors import NoSuchRoute
from ostiary.http.config import HttpConfig
from ostiary.http.services import Services

log = logging.getLogger("ostiary.http")

_PLACES = 16  # an application is mounted at one or two; where a pattern mounts it, visitors write the path

_BEFORE_THE_PATH = ("/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource")
"""What clients look for before the issuer's path, not below it (RFC 8414 section 3.1, RFC 9728 section 3.1)."""
_NEVER_BELOW = "/v1/forward-auth"
"""What a proxy asks here itself and keeps from clients: where it takes the issuer's path away, a client who writes that
path twice would have its second one left."""


_BESIDE = frozenset((_NEVER_BELOW, "/healthz", "/readyz", "/metrics"))
"""What machines beside this one ask by themselves, whatever a proxy does to the paths of clients."""


def below_issuer(scope: Scope, config: HttpConfig, taken: frozenset[str]) -> Scope:
    """The request as one of an application that is mounted at the issuer's path, where it came with that path: a proxy
    may as well have taken it away, unless the setting `issuer_path` says which. `taken`: how our own paths begin; an
    issuer's path like that says nothing where it may be either. Raises NoSuchRoute for what came without the path that
    is left in here."""
    path, base = scope["path"], config.base_path
    if scope.get("root_path"):
        return scope
    is_kept = config.issuer_path == "kept"
    before = path.removesuffix(base)
    if before in _BEFORE_THE_PATH and (before != path or not is_kept):
        return {**scope, "path": before}
    if is_kept and path in _BESIDE:
        return scope
    is_read = is_kept or (config.issuer_path == "either" and base.split("/", 2)[1] not in taken)
    if is_read and path.startswith(base + "/") and path != base + _NEVER_BELOW:
        return {**scope, "root_path": base}
    if is_kept:
        raise NoSuchRoute
    return scope


class Mounted:
    """The services of each place, made once."""

    def __init__(self) -> None:
        self._services: Services | None = None
        self._places: dict[str, Services] = {}

    def at(self, root_path: str, services: Services) -> Services:
        """`services`, with pages for this place. The issuer's own path counts for more: a proxy may have taken it
        away before the request came here."""
        if not root_path or services.config.base_path:
            return services
        if not root_path.startswith("/") or root_path.startswith("//") or root_path.endswith("/"):
            return services
        if self._services is not services:  # the system was started anew
            self._services, self._places = services, {}
        found = self._places.get(root_path)
        if found is None:
            base = quote(root_path)
            config = replace(services.config, base_path=base)
            found = replace(services, config=config, pages=services.pages.at(base))
            if len(self._places) < _PLACES:
                self._places[root_path] = found
                log.warning("mounted at %s: others find its keys by themselves only below an issuer that ends so", base)
        return found
