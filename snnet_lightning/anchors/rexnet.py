"""ReXNet."""

from snnet_lightning.anchors.stage_ends import StageEndsAnchor


class RexNetAnchor(StageEndsAnchor):
    """The convolution that ends the sequence is a stage by itself."""

    layout = "NCHW"
    blocks_name = "features"
