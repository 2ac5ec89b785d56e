"""The script that made the digits family's weights."""

import runpy
from pathlib import Path

import timm
import torch
from safetensors import safe_open

from snnet_lightning.anchors.digits import WEIGHTS, WIDTHS

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "results" / "train_digits.py"))
accuracy, main = SCRIPT["accuracy"], SCRIPT["main"]


def metadata(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def test_shipped_weights_are_as_good_as_they_say():
    for name in WIDTHS:
        found = accuracy(timm.create_model(name, pretrained=True))
        assert f"{found:.2f}" == metadata(WEIGHTS / f"{name}.safetensors")["acc1"]


def test_it_writes_weights_and_how_good_they_are(tmp_path, capsys):
    threads = torch.get_num_threads()
    main(tmp_path / "weights", epochs=1)
    torch.set_num_threads(threads)
    for name, line in zip(WIDTHS, capsys.readouterr().out.splitlines(), strict=True):
        path = tmp_path / "weights" / f"{name}.safetensors"
        said = metadata(path)
        assert line.startswith(f"{name}: ")
        assert said["epochs"] == "1"
        assert f"{accuracy(timm.create_model(name, checkpoint_path=str(path))):.2f}" == said["acc1"]
