"""Under which names W&B is told of stitches; its panels refer to them."""

STEP = "trainer/global_step"  # as Lightning names it
DRAWN = "drawn"  # before the name of every stitch
TABLE, PLOT = "stitches/table", "stitches/plot"
FRONT_COST, FRONT_ACCURACY = "front/flops", "front/acc1"
LATENCY_PLOT = "stitches/latency_plot"
FRONT_LATENCY, FRONT_LATENCY_ACCURACY = "front_latency/ms", "front_latency/acc1"
CURVES = {
    "flops": (PLOT, FRONT_COST, FRONT_ACCURACY),
    "latency_ms": (LATENCY_PLOT, FRONT_LATENCY, FRONT_LATENCY_ACCURACY),
}  # by the cost of a stitch
