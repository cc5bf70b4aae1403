"""The pages that a person sees: HTML made on the server, whole without JavaScript.

Nothing here knows a request or a response. `render.Pages` turns values into HTML, `language` picks the language,
`assets` holds the static files; the routes put them together.
"""

from ostiary.http.pages.assets import (
    CONTENT_SECURITY_POLICY,
    PUBLISHED,
    PUBLISHED_CACHE_CONTROL,
    STATIC_CACHE_CONTROL,
    StaticFile,
    static_files,
    static_url,
)
from ostiary.http.pages.language import LANGUAGES, Language, negotiate_language
from ostiary.http.pages.render import Frame, Pages
from ostiary.http.pages.views import SessionView

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "LANGUAGES",
    "PUBLISHED",
    "PUBLISHED_CACHE_CONTROL",
    "STATIC_CACHE_CONTROL",
    "Frame",
    "Language",
    "Pages",
    "SessionView",
    "StaticFile",
    "negotiate_language",
    "static_files",
    "static_url",
]
