"""How long every stitch takes where it runs."""

from snnet_lightning.latency.measure import Measurement, measure_latency
from snnet_lightning.latency.table import BatchLatency, Latency, read_latency, with_latency, write_latency

__all__ = ["BatchLatency", "Latency", "Measurement", "measure_latency", "read_latency", "with_latency", "write_latency"]
