"""The pages: well-formed, escaped, usable without script or style of their own, and exactly the contract's forms."""

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ostiary.domain.account import Account
from ostiary.domain.audit import AuditEvent
from ostiary.domain.session import Kind
from ostiary.http.pages import LANGUAGES, Frame, Language, Pages, SessionView, static_files
from ostiary.http.pages.account_page import AccountPage, Failure, account_page
from ostiary.http.pages.views import place_of

NOW = 1_795_435_200.0
PAGES = Pages()
VOID = {"meta", "link", "input", "br", "img", "wbr", "hr"}
SVG_EMPTY = {"path", "circle", "rect", "use", "polyline"}
ACCOUNT = Account(
    id="acc_1", username="alice", username_key="alice", password_hash="secret-hash", display_name="Alice",
    email="a@b.example", roles=("admin", "user"), created_at=NOW - 9e6, password_changed_at=NOW - 9e5,
)  # fmt: skip
HERE = SessionView(
    id="ses_here", label="Chrome · Windows", ip="203.0.113.7", kind=Kind.SESSION, created_at=NOW - 9000,
    last_seen_at=NOW - 70, expires_at=NOW + 30_000, current=True,
)  # fmt: skip
PHONE = dataclasses.replace(
    HERE, id="ses_phone", label="Safari · iPhone", ip="2001:db8::1", last_seen_at=NOW - 10, current=False
)
SCRIPT = dataclasses.replace(PHONE, id="ses_script", label="", ip="", kind=Kind.STATELESS, last_seen_at=NOW - 8)
EVENTS = (
    AuditEvent(
        id="aud_3", at=NOW - 60, event="login.succeeded", account_id="acc_1", actor="acc_1", client_ip="127.0.0.1",
        client_label="Chrome · Windows", detail='{"kind":"session","new_device":true}',
    ),
    AuditEvent(id="aud_2", at=NOW - 90, event="session.ended", account_id="acc_1", actor="acc_9",
        client_ip="198.51.100.9", client_label="Secret · Admin", detail='{"reason":"ended_by_admin"}'),
)  # fmt: skip


class Outline(HTMLParser):
    """A page as a list of (tag, attributes), its text, and a refusal of whatever is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice: {attrs}"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG_EMPTY, tag
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attrs)) for tag, attrs in self.tags if tag != "wbr"]


def account(pages: Pages, lang: Language, csrf_token: str | None = None, **changes: object) -> str:
    values = {
        "account": ACCOUNT, "sessions": [PHONE, HERE, SCRIPT], "current_id": "ses_here", "now": NOW, "bound": 2.0,
        "events": EVENTS, "older": "aud_2",
    }  # fmt: skip
    return account_page(
        pages, Frame(lang=lang, csrf_token=csrf_token, roles=frozenset({"user"})), AccountPage(**(values | changes))
    )  # type: ignore[arg-type]


def of(lang: Language) -> Frame:
    return Frame(lang=lang)


EVERY_PLACE = ("account", "admin", "debugger", "demo", "docs", "openapi", "metadata", "jwks", "health")
SAMPLES: dict[str, Callable[[Pages, Language], str]] = {
    "login": lambda p, lang: p.login(of(lang), error=None, registration_open=True, notice="login_required", next="/a"),
    "login wrong": lambda p, lang: p.login(
        of(lang), error="invalid_credentials", username="bob", registration_open=False
    ),
    "login wait": lambda p, lang: p.login(of(lang), error="too_many_attempts", registration_open=True, retry_after=0.2),
    "login token": lambda p, lang: p.login(Frame(lang=lang, csrf_token="tok"), error=None, registration_open=True),
    "signup": lambda p, lang: p.signup(of(lang), errors=[]),
    "signup wrong": lambda p, lang: p.signup(
        of(lang), errors=["username_taken", "too_short", "too_common"], username="b"
    ),
    "signup closed": lambda p, lang: p.signup(of(lang), errors=["registration_closed"]),
    "account": lambda p, lang: account(p, lang),
    "account told": lambda p, lang: account(p, lang, notice="others_ended", ended=1, bound=0.0, csrf_token="tok"),
    "account wrong": lambda p, lang: account(
        p, lang, failure=Failure(form="password", codes=["wrong_password", "too_short"])
    ),
    "account down": lambda p, lang: account(p, lang, failure=Failure(form="", codes=["unavailable"]), sessions=[HERE]),
    "message": lambda p, lang: p.message(of(lang), title="Title", text="Text", status=404),
    "error": lambda p, lang: p.error(of(lang), code="csrf_rejected", status=403),
    "home": lambda p, lang: p.home(of(lang), caller_name=None, registration_open=False),
    "home known": lambda p, lang: p.home(of(lang), caller_name="Alice", registration_open=True, places=EVERY_PLACE),
}  # fmt: skip
on_every_page = pytest.mark.parametrize(
    ("name", "lang"), [(name, lang) for name in SAMPLES for lang in LANGUAGES], ids=lambda part: str(part)
)


def outline(name: str, lang: Language = "en", base_path: str = "") -> Outline:
    return Outline(SAMPLES[name](Pages(base_path) if base_path else PAGES, lang))


@on_every_page
def test_page_is_well_formed(name: str, lang: Language) -> None:
    """Every element is closed in order, ids are unique, the language is told, and there is one heading above all."""
    html = SAMPLES[name](PAGES, lang)
    page = Outline(html)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert html.startswith("<!doctype html>")
    assert page.all("html") == [{"lang": lang}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for reference in ("aria-describedby", "aria-labelledby", "for"):
            assert set(attrs.get(reference, "").split()) <= set(ids)
        if attrs.get("href", "").startswith("#"):
            assert attrs["href"][1:] in ids


@on_every_page
def test_page_needs_no_more_than_its_policy_grants(name: str, lang: Language) -> None:
    """Our own script alone, no inline style or handler, nothing from elsewhere: the policy breaks nothing (M-08)."""
    page = outline(name, lang)
    assert not {"style", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert [script["src"] for script in page.all("script")] == [PAGES.static_url("pages.js")]
    for tag, attrs in page.tags:
        assert "style" not in attrs
        assert not [attribute for attribute in attrs if attribute.startswith("on")]
        for target in ("href", "action", "src"):
            assert re.match(r"/(?!/)|#", attrs.get(target, "#")), (tag, attrs)


@on_every_page
def test_forms_are_posts_with_labelled_fields(name: str, lang: Language) -> None:
    """Credentials go by POST only (M-04); every field has a label, and the language goes along."""
    page = outline(name, lang)
    labels = {attrs["for"] for attrs in page.all("label")}
    for form in page.all("form"):
        assert form["method"] == "post"
    for field in page.all("input"):
        if field["type"] != "hidden":
            assert field.get("id") in labels or field.get("aria-label")
            assert field.get("autocomplete") or field["type"] == "checkbox"
    assert all(button["type"] == "submit" for button in page.all("button"))
    carried = [field["value"] for field in page.all("input") if field.get("name") == "lang"]
    assert carried == [lang] * len(page.all("form"))


@pytest.mark.parametrize(
    ("name", "action", "fields"),
    [
        ("login", "/login", {"username": "username", "password": "current-password", "remember": "", "next": ""}),
        ("signup", "/signup", {"username": "username", "password": "new-password"}),
    ],
)
def test_forms_are_the_contracts(name: str, action: str, fields: dict[str, str]) -> None:
    """The names that the routes read, and the purposes that password managers read (contract section 5)."""
    page = outline(name)
    assert [form["action"] for form in page.all("form")] == [action]
    sent = {field["name"]: field.get("autocomplete", "") for field in page.all("input") if field["name"] != "lang"}
    assert sent == fields


def test_account_page_has_the_contracts_forms() -> None:
    """One can end this session, another one and all others, change the password (M-31) and the profile, take one's data
    along, and go."""
    page = outline("account")
    assert [form["action"] for form in page.all("form")] == [
        "/logout", "/account/sessions/end-others", "/account/sessions/end-all", "/logout",
        "/account/sessions/ses_script/end", "/account/sessions/ses_phone/end", "/account/password",
        "/account/profile", "/account/export", "/account/delete",
    ]  # fmt: skip
    sent = {field["name"]: field.get("autocomplete") for field in page.all("input") if "name" in field}
    assert sent == {
        "lang": None, "current_password": "current-password", "new_password": "new-password", "email": "email",
        "display_name": "name", "confirm_password": "current-password",
    }  # fmt: skip
    assert "".join(page.text).count("This device") == 1
    odd = account(PAGES, "en", sessions=[dataclasses.replace(PHONE, id="../a?b#c")])
    assert "/account/sessions/..%2Fa%3Fb%23c/end" in [form["action"] for form in Outline(odd).all("form")]
    assert "secret-hash" not in SAMPLES["account"](PAGES, "en")


def test_devices_tell_when_and_how_soon() -> None:
    """Each instant is relative for people and exact for machines; the bound of ending is told (M-33)."""
    times = outline("account").all("time")
    assert {"datetime": "2026-11-23T11:59:50Z", "title": "23 November 2026, 11:59:50 UTC"} in times
    assert all(set(time) == {"datetime", "title"} for time in times)
    assert "within 2 seconds" in account(PAGES, "en", bound=1.2)
    assert "at once" in account(PAGES, "en", bound=0.0)
    assert "end-others" not in account(PAGES, "en", sessions=[HERE])


HOSTILE = [
    '"><script>alert(1)</script>',
    "' onfocus='x",
    "{{ 7*7 }}{count}%s",
    "</title><b>",
    "&lt;",
    "javascript:x",
    "\x00'\r\n",
]


@given(text=st.text(min_size=1, max_size=60))
@example(text=HOSTILE[0])
@example(text=HOSTILE[1])
@example(text=HOSTILE[2])
@example(text=HOSTILE[3])
@example(text=HOSTILE[4])
@example(text=HOSTILE[5])
@example(text=HOSTILE[6])
def test_what_people_wrote_never_becomes_markup(text: str) -> None:
    """Whatever stands in a name, a label, an address or a parameter, a page keeps its shape and shows it as text."""
    assume(not place_of(text))  # an address that says where it is gets a line more
    for hostile, harmless in zip(every_page_with(text), every_page_with("x"), strict=True):
        page = Outline(hostile)
        assert page.shape() == Outline(harmless).shape()
        assert text in "".join(page.text) or text in [value for _, attrs in page.tags for value in attrs.values()]
        assert hostile.count("<script") == 1


def every_page_with(text: str) -> list[str]:
    frame = Frame(lang="en", csrf_token=text)
    owner = dataclasses.replace(ACCOUNT, username=text, display_name=text, email=text, roles=(text,))
    event = dataclasses.replace(EVENTS[0], event="x." + text, client_label=text, client_ip=text)
    session = dataclasses.replace(PHONE, id=text, label=text, ip=text)
    return [
        PAGES.login(frame, error=None, username=text, next=text, registration_open=True),
        PAGES.signup(frame, errors=[], username=text, next=text),
        account(PAGES, "en", text, account=owner, sessions=[session], events=[event], older=text, bound=0),
        PAGES.message(frame, title=text, text=text, status=400),
        PAGES.home(frame, caller_name=text, registration_open=True),
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_unknown_codes_are_not_echoed(lang: Language) -> None:
    """A code comes back from a redirect, so from anybody: only known ones say something, none says what was sent."""
    assert "forged" not in PAGES.login(of(lang), error="forged", notice="forged", registration_open=True)
    assert "forged" not in account(PAGES, lang, failure=Failure(form="forged", codes=["forged"]), notice="forged")
    assert "forged" not in PAGES.signup(of(lang), errors=["forged"])
    assert "forged" not in PAGES.error(of(lang), code="forged", status=500)
    assert 'role="status"' not in PAGES.login(of(lang), error=None, notice="forged", registration_open=True)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("login", {}),
        ("login wrong", {"username": "form-error", "password": "form-error"}),
        ("signup wrong", {"username": "username-error", "password": "password-error"}),
        ("account wrong", {"current_password": "current-password-error", "new_password": "new-password-error"}),
    ],
)
def test_errors_are_announced_and_tied_to_their_fields(name: str, wrong: dict[str, str]) -> None:
    """What is wrong is an alert, stands in the title, and is what the wrong field is described by (WCAG 3.3.1)."""
    page = outline(name)
    marked = {
        field["name"]: field["aria-describedby"].split()[0] for field in page.all("input") if "aria-invalid" in field
    }
    assert marked == wrong
    assert bool([attrs for _, attrs in page.tags if attrs.get("role") == "alert"]) == bool(wrong)
    assert ("Error: " in "".join(page.text)) == bool(wrong)
    assert len([field for field in page.all("input") if "autofocus" in field]) <= 1


def test_wait_is_told_in_words() -> None:
    """Someone who tried too often learns how long to wait, never less than it is."""
    assert "in 1 second." in SAMPLES["login wait"](PAGES, "en")
    assert "in 3 minutes." in PAGES.login(
        Frame(lang="en"), error="too_many_attempts", registration_open=True, retry_after=121
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_base_path_leads_every_address(name: str) -> None:
    """Mounted below a path, no link and no form leaves it; a path that could lead elsewhere is refused."""
    for _, attrs in outline(name, base_path="/auth").tags:
        for target in ("href", "action"):
            assert re.match(r"/auth/|#", attrs.get(target, "#"))
    for wrong in ("auth", "/auth/", "/", "//elsewhere.example"):
        with pytest.raises(ValueError, match="base path"):
            Pages(wrong)


def test_csrf_token_goes_into_every_form_if_there_is_one() -> None:
    """With `csrf_token = "session"` no form lacks it (M-50); without, no form has it."""
    page = outline("account told")
    assert [field["value"] for field in page.all("input") if field.get("name") == "csrf_token"] == ["tok"] * 10
    assert len(page.all("form")) == 10
    assert "csrf_token" not in SAMPLES["account"](PAGES, "en")


def test_largest_page_is_small() -> None:
    """Twenty devices, with everything that the page fetches, stay below 100 KB."""
    sessions = [
        dataclasses.replace(PHONE, id=f"ses_{n:032}", label="Chrome Mobile WebView · Android " * 2) for n in range(20)
    ]
    html = account(PAGES, "zh-CN", sessions=sessions, csrf_token="t" * 64)
    assert len(html.encode()) + sum(len(file.content) for file in static_files().values()) < 100_000


def test_more_places() -> None:
    """What is served beside us, as the demonstration is, has a place in the navigation and on the start page, whoever
    is looking; without it there is none."""
    more = Pages("/auth", extra_places=("demo",))
    for frame in (Frame(lang="en"), Frame(lang="en", roles=frozenset({"user"}))):
        html = more.home(frame, caller_name=None, registration_open=True)
        assert [attrs["href"] for attrs in Outline(html).all("a")].count("/auth/demo?lang=en") == 2
        assert "/demo" not in PAGES.home(frame, caller_name=None, registration_open=True)
