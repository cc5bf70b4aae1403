"""Values in, HTML out: one method a page.

Everything that is put into a template is escaped there. `next` has been judged by the route: here it is only carried
on. Texts are chosen by stable codes; a code that nobody wrote a text for becomes a general one, never the code itself.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from ostiary import limits
from ostiary.credentials.explained import Report
from ostiary.domain.account import Account
from ostiary.domain.password_rules import DEFAULT_MINIMUM
from ostiary.http.pages.assets import static_url
from ostiary.http.pages.language import LANGUAGES, Language, Translator, machine_time
from ostiary.http.pages.token_words import token_view
from ostiary.http.pages.views import Complaint, SessionView, about, in_order, is_current

PLACES = ("account", "debugger", "docs", "openapi", "metadata", "jwks", "health")
"""What the start page leads to unless told otherwise. `admin` and `demo` can be added."""

_PATHS: Mapping[str, str] = {
    "account": "/account",
    "admin": "/admin",
    "debugger": "/debugger",
    "demo": "/demo",
    "docs": "/docs",
    "openapi": "/openapi.json",
    "metadata": "/.well-known/oauth-authorization-server",
    "jwks": "/.well-known/jwks.json",
    "health": "/readyz",
}
_IN_OUR_LANGUAGES = frozenset({"account", "admin", "debugger", "demo"})
_FIELDS: Mapping[str, str] = {"username_taken": "username", "invalid_username": "username", "wrong_password": "current"}
_MINUTES_FROM = 120  # seconds: a longer wait is told in minutes


class Pages:
    """The pages of a server that is mounted at `base_path` (empty, or `/auth` without a final slash)."""

    def __init__(self, base_path: str = "") -> None:
        if base_path and (not base_path.startswith("/") or base_path.startswith("//") or base_path.endswith("/")):
            raise ValueError("a base path is empty, or begins with one slash and ends without one")
        self._base_path = base_path
        self._templates = Environment(
            loader=PackageLoader("ostiary.http.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["machine_time"] = machine_time
        self._templates.filters["path_segment"] = partial(quote, safe="")

    def url(self, path: str, lang: Language, **query: str | int | None) -> str:
        """A page's URL below the base path that keeps the language: also for redirects. None and "" are left out."""
        pairs = {"lang": lang, **{name: value for name, value in query.items() if value not in (None, "")}}
        return f"{self._base_path}{quote(path)}?{urlencode(pairs)}"

    def static_url(self, name: str) -> str:
        """The URL of a static file below the base path."""
        return static_url(name, self._base_path)

    def login(
        self,
        lang: Language,
        *,
        error: str | None,
        username: str = "",
        next: str = "",  # noqa: A002 - the field's name in the contract
        registration_open: bool,
        notice: str | None = None,
        csrf_token: str | None = None,
        retry_after: float | None = None,
    ) -> str:
        """`/login`. `error` and `notice` are codes; `retry_after` is in seconds."""
        t = Translator(lang)
        fields = ("username", "password") if error == "invalid_credentials" else ()
        return self._page(
            t,
            "login.html",
            here=("/login", {"next": next}),
            csrf_token=csrf_token,
            username=username,
            next=next,
            registration_open=registration_open,
            failed=error is not None,
            alerts=[_error_text(t, error, retry_after)] if error is not None else [],
            wrong_fields=fields,
            notice=_notice_text(t, notice, None),
        )

    def signup(
        self,
        lang: Language,
        *,
        errors: Iterable[str],
        username: str = "",
        minimum_length: int = DEFAULT_MINIMUM,
        next: str = "",  # noqa: A002
        csrf_token: str | None = None,
        retry_after: float | None = None,
    ) -> str:
        """`/signup`. `errors` are codes: of errors, and of the reasons for which a password is refused."""
        t = Translator(lang)
        codes = list(errors)
        complaints = _complaints(t, codes, minimum_length, retry_after)
        return self._page(
            t,
            "signup.html",
            here=("/signup", {"next": next}),
            csrf_token=csrf_token,
            username=username,
            next=next,
            minimum_length=minimum_length,
            closed="registration_closed" in codes,
            failed=bool(complaints),
            alerts=_summary(t, complaints),
            about_username=about(complaints, "username"),
            about_password=about(complaints, "new"),
        )

    def account(
        self,
        lang: Language,
        *,
        account: Account,
        sessions: Iterable[SessionView],
        current_id: str,
        now: float,
        bound: float,
        notice: str | None = None,
        error: str | None = None,
        csrf_token: str | None = None,
        reasons: Sequence[str] = (),
        minimum_length: int = DEFAULT_MINIMUM,
        ended: int | None = None,
        retry_after: float | None = None,
    ) -> str:
        """`/account`. `error` and `reasons` are about the password form (`wrong_password` or `invalid_credentials`
        for a wrong current one; `reasons` why the new one is refused) or about what else was tried (`unavailable`);
        `ended` is how many sessions a notice tells of; `bound` is in seconds, 0 for at once."""
        t = Translator(lang)
        codes = [*(["wrong_password" if error == "invalid_credentials" else error] if error else []), *reasons]
        complaints = _complaints(t, codes, minimum_length, retry_after)
        of_password_form = "too_many_attempts" in codes or any(complaint.field for complaint in complaints)
        devices = in_order(sessions, current_id)
        return self._page(
            t,
            "account.html",
            here=("/account", {}),
            csrf_token=csrf_token,
            account=account,
            name=account.display_name or account.username,
            devices=[(device, is_current(device, current_id)) for device in devices],
            others=sum(not is_current(device, current_id) for device in devices),
            now=now,
            seconds=math.ceil(bound),
            minimum_length=minimum_length,
            failed=bool(complaints),
            alerts=[] if of_password_form else _summary(t, complaints),
            password_alerts=_summary(t, complaints) if of_password_form else [],
            about_current=about(complaints, "current"),
            about_new=about(complaints, "new"),
            notice=_notice_text(t, notice, ended),
        )

    def message(self, lang: Language, *, title: str, text: str, status: int) -> str:
        """A page that only says something; `title` and `text` are words, not codes."""
        return self._page(
            Translator(lang), "message.html", here=("/", {}), csrf_token=None, title=title, text=text, status=status
        )

    def error(self, lang: Language, *, code: str, status: int, retry_after: float | None = None) -> str:
        """The page for a refusal or a failure, by its code."""
        t = Translator(lang)
        title = t(f"error.title.{code}" if t.has(f"error.title.{code}") else "error.title")
        return self.message(lang, title=title, text=_error_text(t, code, retry_after), status=status)

    def home(
        self,
        lang: Language,
        *,
        caller_name: str | None,
        registration_open: bool,
        csrf_token: str | None = None,
        places: Sequence[str] = PLACES,
    ) -> str:
        """`/`: who is signed in, and where things are. Raises KeyError for a place that there is not."""
        links = [
            (place, self.url(_PATHS[place], lang) if place in _IN_OUR_LANGUAGES else self._base_path + _PATHS[place])
            for place in places
        ]
        return self._page(
            Translator(lang),
            "home.html",
            here=("/", {}),
            csrf_token=csrf_token,
            caller_name=caller_name,
            registration_open=registration_open,
            links=links,
        )

    def debugger(self, lang: Language, *, report: Report | None = None, now: float = 0.0) -> str:
        """`/debugger`: the form, and what is known about the token that was sent. The token itself is not shown."""
        t = Translator(lang)
        return self._page(
            t,
            "debugger.html",
            here=("/debugger", {}),
            csrf_token=None,
            view=token_view(t, report, now) if report is not None else None,
        )

    def _page(
        self,
        t: Translator,
        template: str,
        *,
        here: tuple[str, Mapping[str, str]],
        csrf_token: str | None,
        **values: object,
    ) -> str:
        path, query = here
        return self._templates.get_template(template).render(
            t=t,
            lang=t.language,
            csrf_token=csrf_token,
            base_path=self._base_path,
            static=self.static_url,
            url=lambda path, **more: self.url(path, t.language, **more),
            languages=[
                (language, Translator(language)("language.name"), self.url(path, language, **query))
                for language in LANGUAGES
            ],
            **values,
        )


def _complaints(t: Translator, codes: Iterable[str], minimum: int, retry_after: float | None) -> list[Complaint]:
    """In words, each once. `password_rejected` says no more than the reasons beside it, so it yields to them."""
    codes = list(dict.fromkeys(codes))
    reasons = [code for code in codes if t.has(f"reason.{code}")]
    complaints = []
    for code in codes:
        if code in reasons:
            text = t(f"reason.{code}", minimum=minimum, maximum=limits.PASSWORD_CHARS)
            complaints.append(Complaint(field="new", text=text))
        elif code == "password_rejected":
            if not reasons:
                complaints.append(Complaint(field="new", text=_error_text(t, code, None)))
        else:
            complaints.append(Complaint(field=_FIELDS.get(code), text=_error_text(t, code, retry_after)))
    return complaints


def _summary(t: Translator, complaints: Sequence[Complaint]) -> list[str]:
    """What stands above a form: what concerns all of it, and that something is marked below if something is."""
    marked = [t("error.see_fields")] if any(complaint.field for complaint in complaints) else []
    return [*about(complaints, None), *marked]


def _error_text(t: Translator, code: str, retry_after: float | None) -> str:
    if code == "too_many_attempts" and retry_after is not None:
        seconds = max(1, math.ceil(retry_after))
        if seconds < _MINUTES_FROM:
            return t.number("error.too_many_attempts", seconds)
        return t.number("error.too_many_attempts.minutes", math.ceil(seconds / 60))
    key = f"error.{code}"
    return t(key if t.has(key) else "error.error")


def _notice_text(t: Translator, code: str | None, count: int | None) -> str | None:
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
        "others_ended",
        "password_changed",
    }
)
"""Codes of the sentences that a page can greet with."""
