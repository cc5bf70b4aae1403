"""The pages that people see: plain forms, whole without JavaScript. Success is 303."""

from ostiary.http.endpoints import Endpoint
from ostiary.http.routes.pages import (
    account,
    admin,
    admin_accounts,
    admin_audit,
    admin_clients,
    admin_keys,
    admin_sessions,
    doors,
    setup,
)
from ostiary.http.routes.pages.common import error_page, frame_of, language_of, page, see_other

ENDPOINTS: tuple[Endpoint, ...] = (
    *doors.ENDPOINTS,
    *account.ENDPOINTS,
    *setup.ENDPOINTS,
    *admin.ENDPOINTS,
    *admin_accounts.ENDPOINTS,
    *admin_sessions.ENDPOINTS,
    *admin_keys.ENDPOINTS,
    *admin_audit.ENDPOINTS,
    *admin_clients.ENDPOINTS,
)

__all__ = ["ENDPOINTS", "error_page", "frame_of", "language_of", "page", "see_other"]
