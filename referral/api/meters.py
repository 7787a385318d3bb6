"""What a process counts of itself, as metric families. https://prometheus.io/docs/concepts/data_model/

Labels have few values, known beforehand: never an id, never an address as it was sent. Counting costs a
look-up and a few additions; families are made when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.types import Scope

from referral.fhir.resources import SUPPORTED

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_TYPES = frozenset(SUPPORTED)


@dataclass(slots=True)
class _Durations:
    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))
    seconds: float = 0.0


@dataclass(slots=True)
class Meters:
    """The counts of one process. A collector of prometheus-client."""

    in_flight: int = 0
    replayed: int = 0
    _requests: dict[tuple[str, str, str, int], _Durations] = field(default_factory=dict)
    _others: list[Callable[[], Iterable[Metric]]] = field(default_factory=list)

    def begin(self) -> None:
        """A request has come."""
        self.in_flight += 1

    def end(self, scope: Scope, status: int, seconds: float) -> None:
        """It is over. status: 0 where nobody was there any more to be answered."""
        self.in_flight -= 1
        self.replayed += scope["state"].get("replayed", False)
        resource_type = scope.get("path_params", {}).get("resource_type")
        key = (
            getattr(scope.get("endpoint"), "__name__", "unknown"),
            scope["method"] if scope["method"] in _METHODS else "other",
            resource_type if resource_type in _TYPES else "",
            status // 100,
        )
        durations = self._requests.get(key)
        if durations is None:
            durations = self._requests[key] = _Durations()
        durations.counts[bisect_left(_BOUNDS, seconds)] += 1
        durations.seconds += seconds

    def add(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Let `collect` tell its families, whenever somebody asks. It must be quick, and must not fail."""
        self._others.append(collect)

    def collect(self) -> Iterator[Metric]:
        """Every family, as it stands now."""
        durations = HistogramMetricFamily(
            "referral_request_duration_seconds",
            "Requests and how long they took, by interaction, method, resource type and class of status"
            " (0: the client went away)",
            labels=("interaction", "method", "type", "status"),
        )
        bounds = [*(str(bound) for bound in _BOUNDS), "+Inf"]
        for (*words, status), found in self._requests.items():
            labels = [*words, f"{status}xx" if status else "0"]
            buckets = list(zip(bounds, accumulate(found.counts), strict=True))
            durations.add_metric(labels, buckets, found.seconds)
        yield durations
        yield GaugeMetricFamily(
            "referral_requests_in_flight", "Requests that are not answered yet", self.in_flight
        )
        yield CounterMetricFamily(
            "referral_replays", "Writes that were answered as they were answered before", self.replayed
        )
        for collect in self._others:
            yield from collect()
