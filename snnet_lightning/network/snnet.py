"""The SN-Net itself, in plain PyTorch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from snnet_lightning.anchors.anchor import Activation, Anchor
from snnet_lightning.budget import select
from snnet_lightning.description import LayersDescription, Origin, Preprocessing, describe
from snnet_lightning.errors import InputError
from snnet_lightning.network.checkpointed import run_checkpointed
from snnet_lightning.network.compile_parts import compile_in_place
from snnet_lightning.network.drop_path import make_constant
from snnet_lightning.network.extract import extract
from snnet_lightning.network.modules_of import ModuleDictOf, ModuleListOf
from snnet_lightning.network.route_statistics import RouteStatistics, Statistics
from snnet_lightning.network.split_batchnorm import split_in_place
from snnet_lightning.network.stitching_layer import StitchingLayer
from snnet_lightning.stitch.fitting import FittingRule
from snnet_lightning.stitch.route import AnchorPart, Block, Layer, Part, Stem, Stitch, anchor_route
from snnet_lightning.stitch.rule import StitchRule

ROUTE_STATISTICS = "route_statistics"  # where an SNNet keeps them


class SNNet(nn.Module):
    """One network that runs any stitch of a space (Pan et al., CVPR 2023).

    Args:
        anchors: the anchors, in order of complexity.
        rule: makes the stitch space from the anchors' names, blocks per stage, and tokens or pixels per stage.
        low_rank: rank of the trained term of every stitching layer (SN-Netv2), or None for plain ones.
        preprocessing: of the images that it is made for, as far as that is known.
        class_names: in the order of the logits, as far as they are known.
        activation_checkpointing: in training, blocks run again in the backward pass and keep no activations for it.
        compile_parts: compile every block and stitching layer by ``torch.compile``, each on its first run.
        channels_last: weights of convolutions, and so what these make, lie in memory channel by channel of a pixel.
        freeze_anchors: train the stitching layers only; the anchors stay in eval mode, bit by bit as they are.
        split_batchnorm: in training, the second half of a batch goes through BatchNorms of its own; evaluation, and a
            file that is loaded elsewhere, have those of the first.
        drop_path: whether the anchors' ``drop_path_rate`` is that of the last block, growing from 0 (``linear``), or of
            all (``constant``).

    Raises:
        InputError: the rule does not fit the anchors, or these have no BatchNorms that can be split.
    """

    def __init__(
        self,
        anchors: Sequence[Anchor],
        rule: StitchRule,
        low_rank: int | None = None,
        preprocessing: Preprocessing | None = None,
        class_names: Sequence[str] | None = None,
        activation_checkpointing: bool = False,
        compile_parts: bool = False,
        channels_last: bool = False,
        freeze_anchors: bool = False,
        split_batchnorm: bool = False,
        drop_path: Literal["linear", "constant"] = "linear",
    ):
        super().__init__()
        if isinstance(rule, FittingRule):
            rule = rule.chosen([anchor.depths for anchor in anchors])
        self.description = describe(
            anchors=tuple(anchor.described for anchor in anchors),
            input_size=anchors[0].input_size,
            num_classes=anchors[0].num_classes,
            stitch=rule,
            layers=LayersDescription(low_rank=low_rank),
            preprocessing=preprocessing,
            class_names=class_names,
        )
        self.origin = Origin(base_models=tuple(anchor.base_model for anchor in anchors))
        self.freeze_anchors, self.split_batchnorm = freeze_anchors, split_batchnorm
        self.activation_checkpointing = activation_checkpointing
        self.anchors: ModuleListOf[Anchor] = ModuleListOf(anchors)
        self.space = rule(*zip(*((a.name, a.depths, a.grids) for a in anchors), strict=True))
        self.selected = self.space.anchors[-1]
        self.initialised = False  # whether the stitching layers are more than random: fitted, trained or loaded
        self.rows: Sequence[Any] = ()  # what is known of its stitches, as evaluation/results.py has it
        self.latency: Any = None  # what was measured where it runs, as latency/table.py has it
        self.stitching_layers: ModuleDictOf[StitchingLayer] = ModuleDictOf(
            {module_key(layer): self._make_layer(pairs, low_rank) for layer, pairs in self.space.crossings.items()}
        )
        self.route_statistics = RouteStatistics(anchors, self.space)
        self.any_size = all(part.any_size for part in (*self.anchors, *self.stitching_layers.values()))
        if split_batchnorm:
            split_in_place(anchors)
        if drop_path == "constant":
            make_constant(anchors)
        if freeze_anchors:
            self.anchors.requires_grad_(False).eval()
        if channels_last:
            self.to(memory_format=torch.channels_last)
        if compile_parts:
            compile_in_place(self.anchors, self.stitching_layers.values())

    def forward(self, x: Tensor, stitch: Stitch | int | str | None = None) -> Tensor:
        """Images (N, C, H, W) -> logits (N, classes) by ``stitch``, or by the selected one.

        Raises:
            InputError: images of another size than the anchors', where not all anchors and stitching layers take any.
        """
        stitch = self.find(stitch)
        for part, statistics in zip(stitch.route, self.route_statistics.of(stitch), strict=False):
            x = self.run(part, x, statistics)
        return x

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What images go through before the network; None if unknown."""
        return self.description.preprocessing

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """In the order of the logits; None if unknown."""
        return self.description.class_names

    @property
    def trained(self) -> list[Stitch]:
        """The stitches that have something to train, in id order."""
        return [stitch for stitch in self.space if not (self.freeze_anchors and stitch.is_anchor)]

    def train(self, mode: bool = True) -> "SNNet":
        """As for all modules, but frozen anchors stay in eval mode: no batch statistics move, no path is dropped."""
        super().train(mode)
        if self.freeze_anchors:
            self.anchors.eval()
        return self

    def select(
        self,
        stitch: Stitch | int | str | None = None,
        *,
        flops: float | None = None,
        params: float | None = None,
        memory: float | None = None,
        latency_ms: float | None = None,
        batch: int | None = None,
    ) -> Stitch:
        """Make a stitch the one that ``forward`` runs by default; returns it.

        Args:
            stitch: itself, its id or its name; or, by ``rows``, the most accurate one that fits all of these budgets:
            flops: multiply-accumulates of one image.
            params: parameters that run.
            memory: bytes for one image.
            latency_ms: measured milliseconds of a batch.
            batch: its size, of those that were measured; None: the first of them.

        Raises:
            InputError: there is no such stitch; none fits: it names the cheapest; the table does not know.
        """
        if stitch is None:
            from snnet_lightning.latency.table import with_latency  # stands above

            rows = self.rows if batch is None else with_latency(self.rows, self.latency, batch)
            row = select(rows, flops=flops, params=params, memory=memory, latency_ms=latency_ms)
            stitch = self.space[row.id]
        elif {flops, params, memory, latency_ms, batch} != {None}:
            raise InputError("give a stitch or a budget, not both")
        self.selected = self.find(stitch)
        return self.selected

    def find(self, stitch: Stitch | int | str | None = None) -> Stitch:
        """The stitch with this id or name; the selected one if None."""
        if stitch is None:
            return self.selected
        return stitch if isinstance(stitch, Stitch) else self.space[stitch]

    def extract(self, stitch: Stitch | int | str | None = None) -> nn.Module:
        """A copy of one stitch, the selected one if None, as a plain module in eval mode: of an anchor, the timm model.

        It holds the parts of that stitch alone, low-rank terms and calibrated BatchNorm statistics folded in.
        """
        return extract(self, self.find(stitch))

    def save_pretrained(self, folder: str | Path, stitch: Stitch | int | str | None = None) -> None:
        """Write the network, or one stitch of it alone, into ``folder``, which ``snnet_lightning.load`` reads.

        An anchor alone is written as timm does it, for ``timm.create_model("local-dir:FOLDER", pretrained=True)``.

        Args:
            folder: new, empty, or of a saved SN-Net or timm model, whose files are replaced; others in it stay.
            stitch: the one to write alone.

        Raises:
            InputError: the folder holds something else.
        """
        # They stand above, but here is where people look for them.
        from snnet_lightning.saved.save import save_network
        from snnet_lightning.saved.save_stitch import save_stitch

        if stitch is None:
            save_network(self, Path(folder))
        else:
            save_stitch(self, self.find(stitch), Path(folder))

    def push_to_hub(
        self, repo_id: str, *, revision: str | None = None, private: bool | None = None, commit_message: str = "SN-Net"
    ) -> str:
        """Save the network on the Hugging Face hub, where ``snnet_lightning.load(repo_id)`` finds it; returns its URL.

        Args:
            repo_id: ``user/name``; it is made where there is none.
            revision: the branch.
            private: whether a new one can be seen by its owner only; None: as the owner has it set.

        Raises:
            InputError: it cannot be reached, or refuses.
        """
        from snnet_lightning.saved.hub import push

        return push(self, repo_id, revision, private, commit_message)

    def run(self, part: Part, x: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Run one part of a route, with other BatchNorm statistics than its layers' own where some are given."""
        if statistics is not None:
            with statistics:
                return self.run(part, x)
        if isinstance(part, Layer):
            joined: Tensor = self.stitching_layers[module_key(part)](x)
            return joined
        anchor = self.anchors[part.anchor]
        if isinstance(part, Stem) and x.shape[1:] != anchor.input_size and not self.any_size:
            raise InputError(
                f"images of {_by(x.shape[1:])}: this network takes {_by(anchor.input_size)} (anchors.input_size)"
            )
        if self.activation_checkpointing and isinstance(part, Block) and self.training and torch.is_grad_enabled():
            return run_checkpointed(anchor, part, x)
        return anchor.run(part, x)

    def state_like(self, state: Mapping[str, Any]) -> dict[str, Tensor]:
        """The state dict as it would be with the same stitches calibrated as in ``state``, whatever else that is."""
        return without_statistics(self.state_dict()) | self.route_statistics.room_for(state, f"{ROUTE_STATISTICS}.")

    def parameters_of(self, *stitches: Stitch) -> Iterator[nn.Parameter]:
        """The parameters that ``stitches`` run, each once."""
        found: dict[nn.Parameter, None] = {}
        for part in dict.fromkeys(part for stitch in stitches for part in stitch.route):
            if isinstance(part, Layer):
                owned = self.stitching_layers[module_key(part)].parameters()
            else:
                owned = self.anchors[part.anchor].parameters_of(part)
            found |= dict.fromkeys(owned)
        yield from found

    def stitching_layers_of(self, stitch: Stitch) -> Iterator[tuple[str, StitchingLayer]]:
        """The stitching layers that ``stitch`` runs, with their names in ``stitching_layers``, in order."""
        keys = (module_key(part) for part in stitch.route if isinstance(part, Layer))
        return ((key, self.stitching_layers[key]) for key in keys)

    def activation_after(self, part: AnchorPart) -> Activation:
        """Layout and shape of what an anchor's ``part`` gives."""
        return self.anchors[part.anchor].activations[replace(part, anchor=0)]

    def part_before(self, part: AnchorPart) -> AnchorPart:
        """What runs before ``part`` in its own anchor: its output is what a stitching layer has to imitate."""
        route = anchor_route(part.anchor, self.anchors[part.anchor].depths)
        return route[route.index(part) - 1]

    def _make_layer(self, pairs: Sequence[tuple[AnchorPart, AnchorPart]], low_rank: int | None) -> StitchingLayer:
        ends = {
            (self.activation_after(before), self.activation_after(self.part_before(after))) for before, after in pairs
        }
        before, after = pairs[0]
        names = " > ".join(f"{self.anchors[p.anchor].name} {_where(p)}" for p in (before, after))
        if len(ends) > 1:
            raise InputError(
                f"{names}: one stitching layer cannot serve activations of several shapes, as the blocks of this stage "
                "have; leave the stage out of stitch.stages"
            )
        try:
            return StitchingLayer(*ends.pop(), low_rank)
        except InputError as error:
            raise InputError(f"{names}: {error}") from error


def without_statistics(state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """A state dict of an SNNet, whose names begin with ``prefix``, as if no stitch were calibrated."""
    return {key: value for key, value in state.items() if not key.startswith(f"{prefix}{ROUTE_STATISTICS}.")}


def module_key(layer: Layer) -> str:
    """The name of a stitching layer in ``stitching_layers`` (module names hold no dots)."""
    return "_".join(map(str, layer.key))


def _by(size: Sequence[int]) -> str:
    return "x".join(map(str, size))


def _where(part: AnchorPart) -> str:
    return f"stage {part.stage} block {part.index}" if isinstance(part, Block) else type(part).__name__.lower()
