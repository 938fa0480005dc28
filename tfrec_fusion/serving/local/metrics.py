"""Counts and durations for Prometheus, named as the stock server names them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.core import Metric

from tfrec_fusion.serving.local.drift import COUNTS

METRICS_PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COUNT = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
_BUCKETS = tuple(float(10 * 1.8**power) for power in range(33))  # microseconds, as there
NO_MODEL = ""


class Metrics:
    """What the server did, for one registry of its own: two servers in a process do not mix.

    Args:
        waiting: Tells how many requests wait or run.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._latency = Histogram(
            _LATENCY,
            "Microseconds that a request took in the server.",
            ["model_name", "API", "entrypoint"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._versions = Gauge(
            "tfrec_fusion_loaded_version",
            "1 for a version that answers.",
            ["model_name", "version"],
            registry=self.registry,
        )
        self._errors = Gauge(
            "tfrec_fusion_failed_version",
            "1 for a version that could not be loaded.",
            ["model_name", "version"],
            registry=self.registry,
        )
        busy = Gauge(
            "tfrec_fusion_requests_in_server",
            "Requests that wait or run.",
            registry=self.registry,
        )
        busy.set_function(waiting)
        self._named = {
            name: Counted(
                f"tfrec_fusion_{name}", text, ["model_name", "signature"], registry=self.registry
            )
            for name, text in COUNTS.items()
        }
        self.registry.register(_RequestCount(self))

    def answered(self, model: str, api: str, entrypoint: str, code: str, seconds: float) -> None:
        """Counts a request.

        Args:
            model: A loaded model's name, else `NO_MODEL`: names that clients invent would fill
                the memory.
            api: What was asked, such as `predict`.
            entrypoint: REST or GRPC.
            code: OK, or the error's code.
            seconds: How long it took.
        """
        with self._lock:
            self._requests[model, code] += 1
        self._latency.labels(model, api, entrypoint).observe(seconds * 1e6)

    def named(self, model: str, signature: str, counts: Mapping[str, int]) -> None:
        """Counts what an answered request named, see `local.drift`.

        Args:
            model: A loaded model's name.
            signature: One of its signatures: labels are never ids.
            counts: By names of `drift.COUNTS`.
        """
        for name, number in counts.items():
            self._named[name].labels(model, signature).inc(number)

    def counts(self) -> dict[tuple[str, str], int]:
        """Requests by model and code."""
        with self._lock:
            return dict(self._requests)

    def text(self, versions: dict[str, dict[int, str]]) -> bytes:
        """Everything in Prometheus' text format.

        Args:
            versions: The state of each version, by model and number.
        """
        with self._lock:
            self._versions.clear()
            self._errors.clear()
            for model, states in versions.items():
                for number, state in states.items():
                    self._versions.labels(model, number).set(state == "AVAILABLE")
                    self._errors.labels(model, number).set(state == "FAILED")
        return generate_latest(self.registry)


class _RequestCount:
    """The request counter without the `_total` that the client library appends to a counter."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """One sample a model and code."""
        metric = Metric(_COUNT, "Requests by model and status.", "unknown")
        for (model, code), count in sorted(self._metrics.counts().items()):
            metric.add_sample(_COUNT, {"model_name": model, "status": code}, count)
        yield metric
