"""ReXNet."""

from snnet_lightning.anchors.stages_by_ends import StageEndsAnchor


class RexNetAnchor(StageEndsAnchor):
    """The convolution that ends the sequence is a stage by itself."""

    layout = "NCHW"
    blocks_name = "features"
