"""What a server did: as Prometheus metrics, and second by second for the page."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field

import prometheus_client as prometheus

from snnet_lightning.serve.recent import quantile

SECONDS = 60  # that the page looks back
BUCKETS = [0.001 * 2**i for i in range(15)]  # of seconds: 1 ms to 16 s


@dataclass
class Second:
    """What was answered within one second; times in milliseconds."""

    start: int
    times: list[float] = field(default_factory=list)
    in_time: int = 0
    accuracy: float = 0.0
    stitches: Counter[int] = field(default_factory=Counter)
    refused: int = 0


class Activity:
    """Counts what is answered, late and refused.

    Args:
        accuracies: top-1 in percent by the id of a stitch.
    """

    def __init__(self, accuracies: dict[int, float]):
        self.accuracies = accuracies
        self.seconds: deque[Second] = deque(maxlen=SECONDS)
        self.registry = registry = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter("snnet_requests", "Requests by HTTP status", ["status"], registry=registry)
        self.served = prometheus.Counter("snnet_stitch_requests", "Requests by stitch", ["stitch"], registry=registry)
        self.in_time = prometheus.Counter("snnet_requests_in_time", "Answered before their deadline", registry=registry)
        self.accuracy = prometheus.Counter("snnet_accuracy_sum", "Top-1 (percent) of the stitches", registry=registry)
        self.seconds_taken = prometheus.Histogram(
            "snnet_request_seconds", "From arrival to answer", buckets=BUCKETS, registry=registry
        )
        self.batch = prometheus.Histogram(
            "snnet_batch_images", "Images that ran at once", buckets=[2**i for i in range(11)], registry=registry
        )
        self.waiting = prometheus.Gauge("snnet_waiting", "Requests that wait", registry=registry)
        self.restarts = prometheus.Gauge("snnet_worker_restarts", "Workers that died and came back", registry=registry)

    def answered(self, stitch: int, batch: int, seconds: float, in_time: bool) -> None:
        """A request was answered by ``stitch``."""
        self.requests.labels("200").inc()
        self.served.labels(str(stitch)).inc()
        self.seconds_taken.observe(seconds)
        self.batch.observe(batch)
        self.accuracy.inc(self.accuracies[stitch])
        self.in_time.inc(in_time)
        now = self._now()
        now.times.append(1e3 * seconds)
        now.in_time += in_time
        now.accuracy += self.accuracies[stitch]
        now.stitches[stitch] += 1

    def refused(self, status: int) -> None:
        """A request was not served."""
        self.requests.labels(str(status)).inc()
        self._now().refused += 1

    def recent(self) -> list[dict]:
        """The last seconds in which anything came, without the present one."""
        present = int(time.time())
        return [_as_data(second) for second in self.seconds if present - SECONDS <= second.start < present]

    def exposed(self) -> bytes:
        """In Prometheus' text format."""
        return prometheus.generate_latest(self.registry)

    def _now(self) -> Second:
        start = int(time.time())
        if not self.seconds or self.seconds[-1].start != start:
            self.seconds.append(Second(start))
        return self.seconds[-1]


def _as_data(second: Second) -> dict:
    times = second.times
    found: dict = {"second": second.start, "answered": len(times), "refused": second.refused}
    if times:
        found |= {
            "p50_ms": quantile(times, 0.5),
            "p99_ms": quantile(times, 0.99),
            "in_time": second.in_time / len(times),
            "accuracy": second.accuracy / len(times),
            "stitches": dict(second.stitches.most_common(8)),
        }
    return found
