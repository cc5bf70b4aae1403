"""What the process measures, in Prometheus's text format.

Numbers that others keep (`Measures`, the replica, the hash pool) are read when somebody asks. Only requests are counted
here, by the path of their endpoint and never by the path that was sent.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds

Reading = Callable[[], Mapping[str, float]]
"""Names (with `{label="..."}` left out) to numbers, now."""


class Metrics:
    """One for each process. `gauges` are read at each scrape; a source that is not running gives none. `counters`:
    what each is about, its label, and counts by the label's values; without a label, "", there is one count."""

    def __init__(
        self, *, counters: Mapping[str, tuple[str, str, Reading]], gauges: Mapping[str, str], read: Reading
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ostiary_http_requests", "Requests answered.", ("method", "path", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "ostiary_http_request_seconds",
            "From the first byte read to the answer made.",
            ("method", "path"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}  # looked up by name only once
        self._registry.register(_Readings(counters, gauges, read))

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one answer. `path` is the endpoint's, with its parameters unfilled."""
        series = self._series.get((method, path, status))
        if series is None:
            series = self._requests.labels(method, path, str(status)), self._seconds.labels(method, path)
            self._series[method, path, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def text(self) -> bytes:
        """Everything, as it is now."""
        return generate_latest(self._registry)

    def response(self) -> Response:
        """The same, for whoever scrapes."""
        return Response(self.text(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an application of its own, that answers `/metrics` and nothing else: for a port that only operators
        reach."""
        if scope["type"] != "http":
            return
        found = scope["path"].removeprefix(scope.get("root_path", "")) == "/metrics"
        allowed = scope["method"] in ("GET", "HEAD")
        response = self.response() if found and allowed else Response(status_code=405 if found else 404)
        if response.status_code == 405:
            response.headers["Allow"] = "GET, HEAD"
        await response(scope, receive, send)


class _Readings(Collector):
    """What others keep."""

    def __init__(
        self, counters: Mapping[str, tuple[str, str, Reading]], gauges: Mapping[str, str], read: Reading
    ) -> None:
        self._counters = counters
        self._gauges = gauges
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, (about, label, reading) in self._counters.items():
            counter = CounterMetricFamily(name, about, labels=(label,) if label else ())
            for value, count in sorted(reading().items()):
                counter.add_metric((value,) if label else (), count)
            yield counter
        now = self._read()
        for name, about in self._gauges.items():
            if name in now:
                gauge = GaugeMetricFamily(name, about)
                gauge.add_metric((), now[name])
                yield gauge
