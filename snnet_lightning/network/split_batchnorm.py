"""Auxiliary BatchNorm for the second half of a training batch (AdvProp, Xie et al., CVPR 2020, section 4.2), timm's.

The first half goes through the norms themselves, whose statistics are those of evaluation; so the second half may be
augmented in ways that evaluation never sees.
"""

from collections.abc import Iterable, Iterator

from timm.layers import BatchNormAct2d, convert_splitbn_model
from timm.layers.split_batchnorm import SplitBatchNorm2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnet_lightning.anchors.anchor import Anchor
from snnet_lightning.errors import InputError


def split_in_place(anchors: Iterable[Anchor]) -> None:
    """Give every BatchNorm of the anchors an auxiliary one, which starts as its copy.

    Raises:
        InputError: there is none, or one of other activations than feature maps.
    """
    norms = [(anchor.name, m) for anchor in anchors for m in anchor.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        raise InputError("net.split_batchnorm=true: no anchor has a BatchNorm; leave it out")
    for name, norm in norms:
        if not isinstance(norm, nn.BatchNorm2d):
            raise InputError(f"net.split_batchnorm=true: {name} has a {type(norm).__name__}, not of feature maps")
    for anchor in anchors:
        convert_splitbn_model(anchor.model, num_splits=2)


def auxiliary_parameters(net: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters that only training runs."""
    for module in net.modules():
        if isinstance(module, SplitBatchNorm2d):
            yield from module.aux_bn.parameters()


def unsplit(norm: SplitBatchNorm2d) -> type[nn.BatchNorm2d]:
    """What ``norm`` was before it was split; timm's norms with an activation keep that when they are."""
    return BatchNormAct2d if hasattr(norm, "act") else nn.BatchNorm2d


def without_auxiliary(module: nn.Module) -> None:
    """Make every split BatchNorm in ``module`` the one that evaluation runs."""
    for norm in [*module.modules()]:
        if isinstance(norm, SplitBatchNorm2d):
            del norm.aux_bn, norm.num_splits
            norm.__class__ = unsplit(norm)  # type: ignore[assignment]  # all else it has already
