"""Codes in words: what is wrong with a form, and what a page greets with."""

import math
from collections.abc import Iterable, Mapping, Sequence

from ostiary import limits
from ostiary.http.pages.language import Translator
from ostiary.http.pages.views import Complaint, about

_FIELDS: Mapping[str, str] = {
    "username_taken": "username",
    "invalid_username": "username",
    "wrong_password": "current",
    "invalid_setup_code": "code",
    "invalid_email": "email",
    "invalid_display_name": "display_name",
}
_MINUTES_FROM = 120  # seconds: a longer wait is told in minutes


def complaints(
    t: Translator, codes: Iterable[str], minimum: int = 0, retry_after: float | None = None
) -> list[Complaint]:
    """In words, each once. `password_rejected` says no more than the reasons beside it, so it yields to them."""
    codes = list(dict.fromkeys(codes))
    reasons = [code for code in codes if t.has(f"reason.{code}")]
    found = []
    for code in codes:
        if code in reasons:
            found.append(Complaint(field="new", text=reason_text(t, code, minimum)))
        elif code == "password_rejected":
            if not reasons:
                found.append(Complaint(field="new", text=error_text(t, code, None)))
        else:
            found.append(Complaint(field=_FIELDS.get(code), text=error_text(t, code, retry_after)))
    return found


def reason_text(t: Translator, code: str, minimum: int) -> str:
    """Why a new password is refused."""
    return t(f"reason.{code}", minimum=minimum, maximum=limits.PASSWORD_CHARS)


def summary(t: Translator, wrong: Sequence[Complaint]) -> list[str]:
    """What stands above a form: what concerns all of it, and that something is marked below if something is."""
    marked = [t("error.see_fields")] if any(complaint.field for complaint in wrong) else []
    return [*about(wrong, None), *marked]


def error_text(t: Translator, code: str, retry_after: float | None) -> str:
    """What went wrong, by its code; a wait is told in its own words."""
    if code == "too_many_attempts" and retry_after is not None:
        seconds = max(1, math.ceil(retry_after))
        if seconds < _MINUTES_FROM:
            return t.number("error.too_many_attempts", seconds)
        return t.number("error.too_many_attempts.minutes", math.ceil(seconds / 60))
    key = f"error.{code}"
    return t(key if t.has(key) else "error.error")


def notice_text(t: Translator, code: str | None, count: int | None) -> str | None:
    """A notice comes back from a redirect, so from anybody: what is not a notice is not shown."""
    if code is None or code not in NOTICES:
        return None
    key = f"notice.{code}"
    if count is not None and count > 0 and t.has(f"{key}.one"):
        return t.number(key, count)
    return t(key)


NOTICES = frozenset(
    {
        "signed_out",
        "login_required",
        "account_created",
        "account_deleted",
        "session_ended",
        "profile_saved",
        "all_ended",
        "set_up",
        "others_ended",
        "password_changed",
    }
)
"""Codes of the sentences that a page can greet with."""


DONE = frozenset(
    {
        "set_up",
        "roles_changed",
        "account_disabled",
        "account_enabled",
        "account_deleted_by_admin",
        "sessions_ended",
        "ended_one",
        "over_already",
        "key_rotated",
        "key_retired",
        "key_revoked",
        "key_revoked_already",
        "client_created",
        "client_deleted",
    }
)
"""Codes of what an administrator has just done."""


_OF_KEYS = ("key_retired", "key_revoked")
"""What ends tokens, and no login."""


def done_text(t: Translator, code: str | None, ended: int | None, bound: float) -> str | None:
    """What was done, how many logins it ended, and by when every node refuses them."""
    if code is None or code not in DONE:
        return None
    parts = [t(f"notice.{code}")]
    if ended is not None and code in _OF_KEYS:
        parts.append(t.number("done.renew", ended) if ended else t("done.renew.none"))
    elif ended:
        parts.append(t.number("done.ended", ended))
    if ended or (ended is not None and code in _OF_KEYS):
        parts.append(t.number("done.bound", math.ceil(bound)) if bound else t("done.at_once"))
    return "".join(parts) if t.language == "zh-CN" else " ".join(parts)
