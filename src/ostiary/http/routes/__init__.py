"""Every endpoint, by what it is about."""

from ostiary.http.endpoints import Endpoint
from ostiary.http.routes import accounts, admin, debugger, oauth, operation, pages, sessions

ENDPOINTS: tuple[Endpoint, ...] = (
    *accounts.ENDPOINTS,
    *sessions.ENDPOINTS,
    *oauth.ENDPOINTS,
    *admin.ENDPOINTS,
    *operation.ENDPOINTS,
    *pages.ENDPOINTS,
    *debugger.ENDPOINTS,
)
