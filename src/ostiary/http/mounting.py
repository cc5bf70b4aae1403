"""Where the application is mounted, and the issuer does not say so: `app.mount("/auth", auth.asgi)` with an issuer that
has no path. Pages, forms, redirects and the endpoints in metadata are where the application is."""

import logging
from dataclasses import replace
from urllib.parse import quote

from ostiary.http.services import Services

log = logging.getLogger("ostiary.http")

_PLACES = 16  # an application is mounted at one or two; where a pattern mounts it, visitors write the path


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
