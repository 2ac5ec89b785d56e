"""Train the digits family from scratch: ``python results/train_digits.py [directory]``.

Writes one safetensors file an anchor, by default over the ones in the package. Takes about five minutes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.scheduler import CosineLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader

from snnet_lightning.anchors import digits
from snnet_lightning.atomic import written_atomically
from snnet_lightning.data.digits import DigitsDataset
from snnet_lightning.data.order import Draw

EPOCHS = 100
SEED = 0


def accuracy(model: nn.Module) -> float:
    """Top-1 on the test images, in percent."""
    test = DigitsDataset(train=False)
    draws = [Draw(index) for index in range(len(test))]
    images, classes = (torch.stack(column) for column in zip(*test.__getitems__(draws), strict=True))
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == classes).float().mean().item() * 100


def shift_and_rotate(images: Tensor, degrees: float = 10, pixels: float = 0.8) -> Tensor:
    """Shift and rotate every image (N, 1, H, W) by its own random amount, up to ``pixels`` and ``degrees``."""
    count, size = len(images), images.shape[-1]
    angle = torch.deg2rad(degrees * (2 * torch.rand(count) - 1))
    shift = 2 / size * pixels * (2 * torch.rand(count, 2) - 1)
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], 1)
    grid = F.affine_grid(rows.reshape(count, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


class ShiftedDigits(DigitsDataset):
    """The digits, every image shifted and rotated a little."""

    def raw(self, indices: Sequence[int]) -> Tensor:
        return shift_and_rotate(super().raw(indices))

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:  # type: ignore[override]  # no Draw
        return super().__getitems__([Draw(index) for index in indices])


def train(name: str, epochs: int = EPOCHS) -> nn.Module:
    """One anchor of the family, trained from scratch; the same on every call."""
    torch.manual_seed(SEED)
    model = timm.create_model(name)
    loader = DataLoader(ShiftedDigits(train=True), batch_size=64, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    steps = epochs * len(loader)
    schedule = CosineLRScheduler(optimizer, steps, lr_min=1e-5, warmup_t=steps // 10, t_in_epochs=False)
    step = 0
    for _ in range(epochs):
        model.train()
        for images, classes in loader:
            loss = F.cross_entropy(model(images), classes, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            schedule.step_update(step)
    return model


def main(directory: Path, epochs: int = EPOCHS) -> None:
    torch.set_num_threads(1)  # with more, sums are taken in another order, and training ends elsewhere
    directory.mkdir(parents=True, exist_ok=True)
    for name in digits.WIDTHS:
        model = train(name, epochs)
        top1 = accuracy(model)
        state = {key: value.contiguous() for key, value in model.state_dict().items()}
        path = directory / f"{name}.safetensors"
        with written_atomically(path) as unfinished:
            save_file(state, unfinished, metadata={"acc1": f"{top1:.2f}", "epochs": str(epochs), "seed": str(SEED)})
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, test top-1 {top1:.2f} %, {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else digits.WEIGHTS)
