"""Administration by the API: role `admin`, and for changes a recent proof of the password."""

from ostiary.http.endpoints import Endpoint
from ostiary.http.routes.admin import accounts, clients, keys, sessions, watching

ENDPOINTS: tuple[Endpoint, ...] = (
    *accounts.ENDPOINTS,
    *sessions.ENDPOINTS,
    *keys.ENDPOINTS,
    *watching.ENDPOINTS,
    *clients.ENDPOINTS,
)
