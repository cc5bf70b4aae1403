"""Which language a page is in, and how that language says numbers of things and instants."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from ostiary.http.pages.texts import CATALOGUES

Language = Literal["en", "zh-CN"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh-CN")

_BY_PRIMARY: Final[Mapping[str, Language]] = {"en": "en", "zh": "zh-CN"}
_RANGES = 32  # of one Accept-Language that are looked at; browsers send fewer than ten
_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.ASCII
)

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_NOW_BELOW = _MINUTE  # nearer than this is "just now"
# (this unit while nearer than so many seconds, seconds of one unit, unit)
_UNITS = (
    (_HOUR, _MINUTE, "minutes"),
    (_DAY, _HOUR, "hours"),
    (14 * _DAY, _DAY, "days"),
    (60 * _DAY, 7 * _DAY, "weeks"),
    (365 * _DAY, 30 * _DAY, "months"),
    (math.inf, 365 * _DAY, "years"),
)


def negotiate_language(accept_language: str, asked: str | None) -> Language:
    """`asked` (the `lang` parameter) if it names a language that there is, else the best of Accept-Language
    (RFC 9110 section 12.5.4; any Chinese gets Simplified Chinese), else English. Nonsense is passed over."""
    if asked is not None:
        wanted = _BY_PRIMARY.get(asked.partition("-")[0].lower())
        if wanted is not None:
            return wanted
    best: Language = "en"
    best_weight = 0.0
    for part in accept_language.split(",", _RANGES)[:_RANGES]:
        match = _RANGE.fullmatch(part)
        if match is None:
            continue
        language = _BY_PRIMARY.get(match[1].lower())
        weight = float(match[2] or 1)
        if language is not None and weight > best_weight:
            best, best_weight = language, weight
    return best


@dataclass(frozen=True, slots=True)
class Translator:
    """The texts of one language. Texts are plain: a template escapes them together with what was put into them."""

    language: Language

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of `key`. Raises KeyError for a key that is not in the catalogue."""
        text = CATALOGUES[self.language][key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is such a text: for keys that are made from a code."""
        return key in CATALOGUES[self.language]

    def number(self, key: str, count: int, /, **values: object) -> str:
        """The text of `key` for so many things: `key.one` or `key.other`, with `{count}` filled in."""
        return self(f"{key}.{'one' if count == 1 else 'other'}", count=count, **values)

    def relative(self, instant: float, now: float) -> str:
        """'3 hours ago', 'in 2 days': rounded down, so that nothing is said to be older than it is."""
        distance = abs(now - instant)
        if distance < _NOW_BELOW:
            return self("time.now")
        direction = "past" if instant < now else "future"
        for below, seconds, unit in _UNITS:
            if distance < below:
                return self.number(f"time.{direction}.{unit}", int(distance // seconds))
        raise AssertionError("the last unit has no upper end")

    def date(self, instant: float) -> str:
        """The day in UTC: '23 November 2026'."""
        day = datetime.fromtimestamp(instant, UTC)
        return self("time.date", day=day.day, month=self("time.months").split()[day.month - 1], year=day.year)

    def exact(self, instant: float) -> str:
        """Day and time in UTC, to the second."""
        return self("time.exact", date=self.date(instant), time=f"{datetime.fromtimestamp(instant, UTC):%H:%M:%S}")


def machine_time(instant: float) -> str:
    """RFC 3339 in UTC to the second: the value of a `datetime` attribute."""
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%SZ}"
