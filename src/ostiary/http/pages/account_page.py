"""`/account`: who somebody is, where they are signed in, and what happened lately."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ostiary import limits
from ostiary.domain.account import Account
from ostiary.domain.audit import AuditEvent
from ostiary.domain.password_rules import DEFAULT_MINIMUM
from ostiary.http.pages.event_words import event_line
from ostiary.http.pages.language import Translator
from ostiary.http.pages.render import Frame, Pages
from ostiary.http.pages.views import SessionView, about, in_order, is_current
from ostiary.http.pages.wording import complaints, notice_text, summary

SECTIONS = ("profile", "devices", "password", "activity", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A form of the page that was refused: `form` is its section, `codes` say why; `retry_after` is in seconds."""

    form: str
    codes: Sequence[str]
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    """What the page shows. `bound` is in seconds, 0 for at once; `ended` is how many sessions a notice tells of;
    `older` is where the activity goes on, None at its end; `fresh` says that the password was proven lately;
    `typed` is what stood in a form that was refused."""

    account: Account
    sessions: Iterable[SessionView]
    current_id: str
    now: float
    bound: float
    events: Sequence[AuditEvent] = ()
    before: str = ""
    older: str | None = None
    fresh: bool = False
    minimum_length: int = DEFAULT_MINIMUM
    notice: str | None = None
    ended: int | None = None
    failure: Failure | None = None
    typed: tuple[str, str] | None = None


def account_page(pages: Pages, frame: Frame, view: AccountPage) -> str:
    """The page, as HTML."""
    t = Translator(frame.lang)
    account = view.account
    failure = view.failure
    wrong = complaints(t, failure.codes, view.minimum_length, failure.retry_after) if failure else []
    section = failure.form if failure and failure.form in SECTIONS else None
    devices = in_order(view.sessions, view.current_id)
    display_name, email = view.typed or (account.display_name or "", account.email or "")
    return pages.show(
        frame,
        "account.html",
        at="/account",
        account=account,
        name=account.display_name or account.username,
        display_name=display_name,
        email=email,
        name_chars=limits.DISPLAY_NAME_CHARS,
        email_chars=limits.EMAIL_CHARS,
        devices=[(device, is_current(device, view.current_id)) for device in devices],
        others=sum(not is_current(device, view.current_id) for device in devices),
        events=[event_line(t, event, owner=account.id) for event in view.events],
        before=view.before,
        older=view.older,
        now=view.now,
        seconds=math.ceil(view.bound),
        fresh=view.fresh,
        minimum_length=view.minimum_length,
        failed=bool(wrong),
        alerts=[] if section else summary(t, wrong),
        section=section,
        section_alerts=summary(t, wrong) if section else [],
        wrong={field: about(wrong, field) for field in ("current", "new", "email", "display_name")},
        notice=notice_text(t, view.notice, view.ended),
    )
