"""Networks with BatchNorm layers, as for the tests of networks."""

from tests.network.conftest import batch_norm_net

__all__ = ["batch_norm_net"]
