"""Values in, HTML out.

Everything that is put into a template is escaped there. `next` has been judged by the route: here it is only carried
on. Texts are chosen by stable codes; a code that nobody wrote a text for becomes a general one, never the code itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from ostiary.credentials.explained import Report
from ostiary.domain.account import ADMIN
from ostiary.domain.password_rules import DEFAULT_MINIMUM
from ostiary.http.pages.assets import static_url
from ostiary.http.pages.language import LANGUAGES, Language, Translator, machine_time
from ostiary.http.pages.token_words import token_view
from ostiary.http.pages.views import about
from ostiary.http.pages.wording import complaints, error_text, notice_text, summary

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around a page. `csrf_token` goes into every form if there is one; `roles` are those of whoever is
    looking, None for nobody."""

    lang: Language
    csrf_token: str | None = None
    roles: frozenset[str] | None = None


@cache
def _templates() -> Environment:
    """Compiled once in a process, for all applications in it: nothing in them is of one."""
    environment = Environment(
        loader=PackageLoader("ostiary.http.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["machine_time"] = machine_time
    environment.filters["path_segment"] = partial(quote, safe="")
    return environment


class Pages:
    """The pages of a server that is mounted at `base_path` (empty, or `/auth` without a final slash). `extra_places`
    are put in front of what the start page leads to."""

    def __init__(
        self, base_path: str = "", *, extra_places: Sequence[str] = (), templates: Environment | None = None
    ) -> None:
        if base_path and (not base_path.startswith("/") or base_path.startswith("//") or base_path.endswith("/")):
            raise ValueError("a base path is empty, or begins with one slash and ends without one")
        self._base_path = base_path
        self._extra_places = tuple(extra_places)
        self._templates = templates or _templates()

    def at(self, base_path: str) -> "Pages":
        """The same pages, mounted there."""
        return Pages(base_path, extra_places=self._extra_places, templates=self._templates)

    def url(self, path: str, lang: Language, **query: str | int | None) -> str:
        """A page's URL below the base path that keeps the language: also for redirects. None and "" are left out."""
        pairs = {"lang": lang, **{name: value for name, value in query.items() if value not in (None, "")}}
        return f"{self._base_path}{quote(path)}?{urlencode(pairs)}"

    def static_url(self, name: str) -> str:
        """The URL of a static file below the base path."""
        return static_url(name, self._base_path)

    def show(
        self,
        frame: Frame,
        template: str,
        *,
        at: str,
        query: Mapping[str, str | int | None] | None = None,
        **values: object,
    ) -> str:
        """A page from its template. `at` and `query` are where it is: its other languages are linked there."""
        t = Translator(frame.lang)
        return self._templates.get_template(template).render(
            t=t,
            lang=frame.lang,
            csrf_token=frame.csrf_token,
            signed_in=frame.roles is not None,
            administers=frame.roles is not None and ADMIN in frame.roles,
            at=at,
            extra_places=[(place, self.url(_PATHS[place], frame.lang), _PATHS[place]) for place in self._extra_places],
            base_path=self._base_path,
            static=self.static_url,
            url=lambda path, **more: self.url(path, frame.lang, **more),
            languages=[
                (language, Translator(language)("language.name"), self.url(at, language, **(query or {})))
                for language in LANGUAGES
            ],
            **values,
        )

    def login(
        self,
        frame: Frame,
        *,
        error: str | None,
        username: str = "",
        next: str = "",  # noqa: A002 - the field's name in the contract
        registration_open: bool,
        notice: str | None = None,
        retry_after: float | None = None,
    ) -> str:
        """`/login`. `error` and `notice` are codes; `retry_after` is in seconds."""
        t = Translator(frame.lang)
        return self.show(
            frame,
            "login.html",
            at="/login",
            query={"next": next},
            username=username,
            next=next,
            registration_open=registration_open,
            failed=error is not None,
            alerts=[error_text(t, error, retry_after)] if error is not None else [],
            wrong_fields=("username", "password") if error == "invalid_credentials" else (),
            notice=notice_text(t, notice, None),
        )

    def signup(
        self,
        frame: Frame,
        *,
        errors: Iterable[str],
        username: str = "",
        minimum_length: int = DEFAULT_MINIMUM,
        next: str = "",  # noqa: A002
        retry_after: float | None = None,
    ) -> str:
        """`/signup`. `errors` are codes: of errors, and of the reasons for which a password is refused."""
        t = Translator(frame.lang)
        codes = list(errors)
        wrong = complaints(t, codes, minimum_length, retry_after)
        return self.show(
            frame,
            "signup.html",
            at="/signup",
            query={"next": next},
            username=username,
            next=next,
            minimum_length=minimum_length,
            closed="registration_closed" in codes,
            failed=bool(wrong),
            alerts=summary(t, wrong),
            about_username=about(wrong, "username"),
            about_password=about(wrong, "new"),
        )

    def message(self, frame: Frame, *, title: str, text: str, status: int) -> str:
        """A page that only says something; `title` and `text` are words, not codes."""
        return self.show(frame, "message.html", at="/", title=title, text=text, status=status)

    def error(self, frame: Frame, *, code: str, status: int, retry_after: float | None = None) -> str:
        """The page for a refusal or a failure, by its code."""
        t = Translator(frame.lang)
        title = t(f"error.title.{code}" if t.has(f"error.title.{code}") else "error.title")
        return self.message(frame, title=title, text=error_text(t, code, retry_after), status=status)

    def home(
        self, frame: Frame, *, caller_name: str | None, registration_open: bool, places: Sequence[str] | None = None
    ) -> str:
        """`/`: who is signed in, and where things are. Raises KeyError for a place that there is not."""
        if places is None:
            administers = frame.roles is not None and ADMIN in frame.roles
            places = (*self._extra_places, *(("admin",) if administers else ()), *PLACES)
        links = [
            (
                place,
                self.url(_PATHS[place], frame.lang) if place in _IN_OUR_LANGUAGES else self._base_path + _PATHS[place],
            )
            for place in places
        ]
        return self.show(
            frame,
            "home.html",
            at="/",
            caller_name=caller_name,
            registration_open=registration_open,
            links=links,
        )

    def demo_absent(self, frame: Frame) -> str:
        """`/demo` where the demonstration is not: what it would show, and what starts it."""
        return self.show(frame, "demo_absent.html", at="/demo")

    def debugger(self, frame: Frame, *, report: Report | None = None, now: float = 0.0) -> str:
        """`/debugger`: the form, and what is known about the token that was sent. The token itself is not shown."""
        view = token_view(Translator(frame.lang), report, now) if report is not None else None
        return self.show(frame, "debugger.html", at="/debugger", view=view)
