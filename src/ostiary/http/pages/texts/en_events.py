"""English: what the audit trail tells."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "event.login.succeeded": "Signed in",
        "event.new_device": "Signed in on a new device",
        "event.login.failed": "Failed attempt to sign in",
        "event.session.logged_out": "Signed out",
        "event.session.ended": "A device was signed out",
        "event.session.ended.ended_by_owner": "A device was signed out from the list",
        "event.session.ended.too_many_sessions": "The oldest device was signed out: too many at once",
        "event.session.ended.replaced_by_login": "A device was signed out: somebody else signed in on it",
        "event.session.ended.revoked": "A login was ended by whoever held its token",
        "event.sessions.ended.none": "All other devices were signed out: there were none",
        "event.sessions.ended.one": "{count} device was signed out",
        "event.sessions.ended.other": "{count} devices were signed out",
        "event.session.reauthenticated": "Password confirmed again",
        "event.refresh.reused": "Refused: re-used refresh token. That device was signed out",
        "event.account.created": "Account created",
        "event.account.changed": "Profile changed",
        "event.account.roles_changed": "Roles changed to: {roles}",
        "event.account.disabled.none": "Account disabled",
        "event.account.disabled.one": "Account disabled; {count} login ended",
        "event.account.disabled.other": "Account disabled; {count} logins ended",
        "event.account.enabled": "Account enabled",
        "event.account.deleted": "Account deleted",
        "event.password.changed.none": "Password changed",
        "event.password.changed.one": "Password changed; {count} other device was signed out",
        "event.password.changed.other": "Password changed; {count} other devices were signed out",
        "event.password.reset.none": "Password reset",
        "event.password.reset.one": "Password reset; {count} login ended",
        "event.password.reset.other": "Password reset; {count} logins ended",
        "event.key.created": "Signing key created",
        "event.key.rotated": "Signing key rotated",
        "event.key.retired": "Signing key retired",
        "event.key.revoked": "Signing key revoked",
        "event.everything.ended": "Everybody was signed out",
        "event.by.administrator": "by an administrator",
        "event.by.operator": "by the operator",
        "event.by.system": "automatically",
        "event.setup.offered": "Link for the first administrator printed",
        "event.session.moved": "Used from another network or browser",
        "event.client.created": "Client registered",
        "event.client.changed": "Client changed",
        "event.client.secret_replaced": "Secret of a client replaced",
        "event.client.deleted": "Client deleted",
        "event.session.ended.moved": "A device was signed out: it was used from elsewhere",
    }
)
