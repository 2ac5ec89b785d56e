"""Under which names W&B is told of stitches; its panels refer to them."""

STEP = "trainer/global_step"  # as Lightning names it
DRAWN = "drawn"  # before the name of every stitch
TABLE, PAGE = "stitches/table", "stitches/page"
FRONT_COST, FRONT_ACCURACY = "front/flops", "front/acc1"
FRONTS = {
    "flops": (FRONT_COST, FRONT_ACCURACY),
    "latency_ms": ("front_latency/ms", "front_latency/acc1"),
}  # by the cost of a stitch
