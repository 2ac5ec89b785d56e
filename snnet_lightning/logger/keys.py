"""Under which names W&B is told of stitches; its panels refer to them."""

STEP = "trainer/global_step"  # as Lightning names it
DRAWN = "drawn"  # before the name of every stitch
TABLE, PLOT = "stitches/table", "stitches/plot"
FRONT_COST, FRONT_ACCURACY = "front/flops", "front/acc1"
