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
    revocations,
    sessions,
    status_lists,
    well_known,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *forward_auth.ENDPOINTS,  # first: routes are tried in order, and a proxy asks for every request that passes it
    *accounts.ENDPOINTS,
    *sessions.ENDPOINTS,
    *oauth.ENDPOINTS,
    *well_known.ENDPOINTS,
    *one_time.ENDPOINTS,
    *revocations.ENDPOINTS,
    *status_lists.ENDPOINTS,
    *admin.ENDPOINTS,
    *operation.ENDPOINTS,
    *pages.ENDPOINTS,
    *debugger.ENDPOINTS,
)
