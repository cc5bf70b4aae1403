"""The charts of the administration's first page, with the words around them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ostiary.domain.session import Kind
from ostiary.http.pages import charts
from ostiary.http.pages.charts import Bar
from ostiary.http.pages.language import Translator
from ostiary.services.overview import REFRESH_OUTCOMES, Health, Hour, Sample

_PER_BAR = 6  # samples: a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """One series: its name and what it adds up to."""

    name: str
    value: str
    series: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One figure. `kind`: `bars`, `shares` or `line`. `summary` says in words what it shows; `top` is where its axis
    ends; `ticks` are the words below it."""

    id: str
    kind: str
    title: str
    about: str
    summary: str
    legend: tuple[Legend, ...]
    bars: tuple[Bar, ...] = ()
    points: str = ""
    limit: float | None = None
    top: str = ""
    ticks: tuple[str, ...] = ()


def overview_charts(
    t: Translator, *, hours: Sequence[Hour], kinds: Mapping[Kind, int], samples: Sequence[Sample], health: Health
) -> list[Chart]:
    """All four."""
    return [_logins(t, hours), _sessions(t, kinds), _refreshes(t, samples), _lag(t, samples, health)]


def _logins(t: Translator, hours: Sequence[Hour]) -> Chart:
    logins, failures = sum(hour.logins for hour in hours), sum(hour.failures for hour in hours)
    titles = [t("chart.hour", time=_clock(hour.begins), logins=hour.logins, failures=hour.failures) for hour in hours]
    bars, top = charts.stacked([(hour.logins, hour.failures) for hour in hours], titles)
    return Chart(
        id="logins",
        kind="bars",
        title=t("chart.logins"),
        about=t("chart.logins.about"),
        summary=t("chart.logins.summary", logins=logins, failures=failures),
        legend=(
            Legend(name=t("chart.logins.ok"), value=str(logins), series=0),
            Legend(name=t("chart.logins.failed"), value=str(failures), series=1),
        ),
        bars=tuple(bars),
        top=f"{top:g}",
        ticks=_ends([hour.begins for hour in hours]),
    )


def _sessions(t: Translator, kinds: Mapping[Kind, int]) -> Chart:
    names = [t(f"kind.{kind.value}") for kind in Kind]
    counts = [kinds[kind] for kind in Kind]
    titles = [f"{name}: {count}" for name, count in zip(names, counts, strict=True)]
    return Chart(
        id="kinds",
        kind="shares",
        title=t("chart.kinds"),
        about=t("chart.kinds.about"),
        summary=", ".join(titles),
        legend=tuple(
            Legend(name=name, value=str(count), series=at)
            for at, (name, count) in enumerate(zip(names, counts, strict=True))
        ),
        bars=tuple(charts.shares(counts, titles)),
    )


def _refreshes(t: Translator, samples: Sequence[Sample]) -> Chart:
    groups = [samples[at : at + _PER_BAR] for at in range(0, len(samples), _PER_BAR)]
    columns = [[sum(sample.refreshes[n] for sample in group) for n in range(len(REFRESH_OUTCOMES))] for group in groups]
    totals = [sum(column[n] for column in columns) for n in range(len(REFRESH_OUTCOMES))]
    names = [t(f"chart.refresh.{outcome}") for outcome in REFRESH_OUTCOMES]
    titles = [
        _clock(group[0].at) + " · " + ", ".join(f"{name}: {count}" for name, count in zip(names, column, strict=True))
        for group, column in zip(groups, columns, strict=True)
    ]
    bars, top = charts.stacked(columns, titles)
    return Chart(
        id="refreshes",
        kind="bars",
        title=t("chart.refresh"),
        about=t("chart.own"),
        summary=", ".join(f"{name}: {total}" for name, total in zip(names, totals, strict=True)),
        legend=tuple(
            Legend(name=name, value=str(total), series=(0, 2, 1, 3)[at])
            for at, (name, total) in enumerate(zip(names, totals, strict=True))
        ),
        bars=tuple(
            Bar(x=b.x, y=b.y, width=b.width, height=b.height, series=(0, 2, 1, 3)[b.series], title=b.title)
            for b in bars
        ),
        top=f"{top:g}",
        ticks=_ends([group[0].at for group in groups]),
    )


def _lag(t: Translator, samples: Sequence[Sample], health: Health) -> Chart:
    ages = [min(sample.age, 3600.0) for sample in samples]
    now = 0.0 if health.age == math.inf else health.age
    alone = health.lease == math.inf
    top = 1.0 if alone else max(health.lease * 1.25, max(ages, default=0.0))
    worst = max([*ages, now])
    return Chart(
        id="lag",
        kind="line",
        title=t("chart.lag"),
        about=t("chart.lag.alone") if alone else t("chart.lag.about", lease=f"{health.lease:g}"),
        summary=t("chart.lag.summary", now=f"{now:.2f}", worst=f"{worst:.2f}"),
        legend=(
            Legend(name=t("chart.lag.now"), value=f"{now:.2f} s", series=0),
            Legend(name=t("chart.lag.worst"), value=f"{worst:.2f} s", series=2),
        ),
        points=charts.line(ages, top),
        limit=None if alone else round(charts.HEIGHT - charts.HEIGHT * health.lease / top, 1),
        top=f"{top:.1f} s",
        ticks=_ends([sample.at for sample in samples]),
    )


def _ends(moments: Sequence[float]) -> tuple[str, ...]:
    """What stands below an axis: its left end, its middle and its right end."""
    if len(moments) < 3:
        return tuple(_clock(at) for at in moments)
    return tuple(_clock(at) for at in (moments[0], moments[len(moments) // 2], moments[-1]))


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"
