"""From a file to a network, or its weights into one: our checkpoints, and those that were published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import timm

from snnet_lightning.anchors.family import CHECKPOINT, AnchorFamily
from snnet_lightning.anchors.weights import classifier_names, state_differences, with_own_norms
from snnet_lightning.checkpoint_file import INITIALISED, description_in, own_state, read_checkpoint, require_ours
from snnet_lightning.checkpoints.released import is_released, low_rank_of, released_state, rule_of
from snnet_lightning.description import ORIGIN, Description, read_origin
from snnet_lightning.errors import InputError
from snnet_lightning.evaluation.results import read_rows
from snnet_lightning.latency.table import read_latency, with_latency
from snnet_lightning.network.bounded import build_within
from snnet_lightning.network.extract import ExtractedStitch
from snnet_lightning.network.snnet import SNNet
from snnet_lightning.network_folder import ALONE, LATENCY, STITCHES, WEIGHTS
from snnet_lightning.saved.hub import fetched, is_hub_id
from snnet_lightning.stitch import StitchRule

MOST_BESIDE = (10_000, 10**9)  # tensors and elements of the anchors beside those of a stitch alone
OLD = "overrides"  # all that a checkpoint of version 0.1 says of its network


def load(
    path: str | Path,
    anchors: Sequence[str] | AnchorFamily | None = None,
    rule: StitchRule | None = None,
    revision: str | None = None,
) -> SNNet | ExtractedStitch:
    """The network in a file, or in the folder of a saved SN-Net, in eval mode, on the CPU.

    Args:
        path: a checkpoint of ours, a published file, such a folder, also of one stitch alone, or its id on the
            Hugging Face hub, ``user/name``.
        anchors: of a file that does not say them, a published one or one of version 0.1: their timm names, for images
            and classes as the first has them in timm, or the whole family.
        rule: of such a file's stitches; None: as a published file's stitching layers tell.
        revision: on the hub: a branch, a tag or a commit.

    Raises:
        InputError: the file cannot be read safely, is none of these, or its anchors have to be named, or do not fit;
            nothing of that id on the hub, or no way to it.
    """
    where = str(path)
    if is_hub_id(path):
        path = fetched(where, revision)
    elif revision is not None:
        raise InputError(f"{where}: is no id on the hub, so revision={revision} means nothing")
    content = read_checkpoint(path, where)
    description = description_in(content, where)
    if description is not None and (anchors, rule) != (None, None):
        raise InputError(f"{where}: says itself which anchors and stitches it is of; leave out anchors and rule")
    if description is not None and ALONE in content:
        return _stitch_alone(content, description, where)
    if description is not None:
        net = build_within(description, own_state(content), where)
    elif anchors is None:
        raise InputError(f"{where}: {says_nothing(content, where)}; name its anchors: load(path, anchors=[timm names])")
    else:
        net = _network_of(content, anchors, rule, where)
    load_weights(net, content, where)
    read_table(path, net)
    return net.eval()


def read_table(path: str | Path, net: SNNet) -> None:
    """Let ``net`` know what its folder says of its stitches; nothing where ``path`` is no folder of a saved network.

    Raises:
        InputError: what stands there is not of this network.
    """
    rows, latency = Path(path) / STITCHES, Path(path) / LATENCY
    if latency.is_file():
        stitches = [(stitch.id, stitch.name) for stitch in net.space]
        net.latency = read_latency(latency, stitches, net.description.input_size)
    if rows.is_file():
        net.rows = with_latency(read_rows(rows, net.space), net.latency)


def _stitch_alone(content: Mapping[str, Any], description: Description, where: str) -> ExtractedStitch:
    state, name = own_state(content), content[ALONE]
    net = build_within(description, state, where, beside=MOST_BESIDE)
    if name not in [stitch.name for stitch in net.space]:
        raise InputError(f"{where}: {ALONE}={name!r:.80} is no stitch of the network that it describes")
    stitch = net.extract(name)
    differences = state_differences(stitch.state_dict(), state)
    if differences:
        raise InputError(f"{where}: {WEIGHTS} is not of {name}: {differences}")
    stitch.load_state_dict(state)
    return cast("ExtractedStitch", stitch)


def load_weights(
    net: SNNet, content: Mapping[str, Any], where: str, new_heads: Literal["none", "reshaped", "all"] = "none"
) -> list[str]:
    """Load the weights of a file into a network; returns the names of the anchors that keep their own classifiers.

    Args:
        content: of the file, as ``read_checkpoint`` gives it.
        where: the file as the user named it, for the error.
        new_heads: which of its own classifiers the network keeps: none, those of another shape than the file's, or all.

    Raises:
        InputError: the content is foreign, or does not fit the network.
    """
    released = is_released(content)
    state = released_state(net, content) if released else require_ours(content, where)
    expected = net.state_like(state)
    state = with_own_norms(expected, state)
    kept = {
        key: anchor.name
        for i, anchor in enumerate(net.anchors)
        for name in classifier_names(anchor.model)
        for key, own in expected.items()
        if key.startswith(f"anchors.{i}.model.{name}.")
        and (new_heads == "all" or (new_heads == "reshaped" and state.get(key, own).shape != own.shape))
    }
    state |= {key: expected[key] for key in kept}
    differences = state_differences(expected, state)
    if differences and released:
        names = ", ".join(anchor.name for anchor in net.anchors)
        raise InputError(f"{where}: a published SN-Net file, but not of these anchors ({names}): {differences}")
    if differences:
        trained = f" (trained with {_words(content)})" if content.get(OLD) else ""
        raise InputError(f"{where}: does not fit the configured network{trained}: {differences}")
    net.load_state_dict(state)
    net.initialised = content.get(INITIALISED) is not False
    net.origin = read_origin(content.get(ORIGIN, {}), where)
    if len(net.origin.base_models) not in (0, len(net.anchors)):
        raise InputError(f"{where}: {ORIGIN}.base_models must be one an anchor, {len(net.anchors)}")
    return list(dict.fromkeys(kept.values()))


def _network_of(
    content: Mapping[str, Any], anchors: Sequence[str] | AnchorFamily, rule: StitchRule | None, where: str
) -> SNNet:
    """A network for a file that does not describe itself."""
    family = anchors if isinstance(anchors, AnchorFamily) else _family(anchors)
    if not is_released(content) and rule is None:
        raise InputError(f"{where}: {says_nothing(content, where)}; name its stitch rule too: rule=PairedRule()")
    made = family.create()
    low_rank = low_rank_of(content["model"] if is_released(content) else own_state(content))
    return SNNet(made, rule or rule_of(content, len(made[0].depths)), low_rank, family.preprocessing)


def _family(names: Sequence[str]) -> AnchorFamily:
    known = timm.get_pretrained_cfg(names[0], allow_unregistered=True)
    size, classes = (known.input_size, known.num_classes) if known else ((3, 224, 224), 1000)
    return AnchorFamily(tuple(names), size, classes, CHECKPOINT)


def says_nothing(content: Mapping[str, Any], where: str) -> str:
    """Why a checkpoint without a description has none.

    Raises:
        InputError: it is no SN-Net.
    """
    if is_released(content):
        return "a published file does not say which anchors it is of"
    require_ours(content, where)
    return f"a checkpoint of version 0.1 does not describe its network (trained with {_words(content)})"


def _words(content: Mapping[str, Any]) -> str:
    """The overrides of version 0.1, to be read by people only."""
    words = content.get(OLD)
    return " ".join(map(str, words)) if isinstance(words, list) and words else "the default configuration"
