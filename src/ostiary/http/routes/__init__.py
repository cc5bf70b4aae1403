"""Every endpoint, by what it is about."""

from ostiary.http.endpoints import Endpoint
from ostiary.http.routes import (
    accounts,
    admin,
    debugger,
    forward_auth,
    oauth,
    one_time,
    operation,
    pages,
    sessions,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *accounts.ENDPOINTS,
    *sessions.ENDPOINTS,
    *oauth.ENDPOINTS,
    *one_time.ENDPOINTS,
    *forward_auth.ENDPOINTS,
    *admin.ENDPOINTS,
    *operation.ENDPOINTS,
    *pages.ENDPOINTS,
    *debugger.ENDPOINTS,
)
