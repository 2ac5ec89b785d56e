"""The card says what the network is, in a form that the hub reads, and its code runs as it stands."""

import re
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import ModelCard
from PIL import Image
from sklearn.datasets import load_digits
from timm.data import create_transform

from snnet_lightning.anchors import create_anchors
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.description import Origin
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule


def code_in(folder):
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)


@pytest.fixture
def printed_by(capsys, monkeypatch):
    def run(code, folder):
        monkeypatch.chdir(folder)
        capsys.readouterr()
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
        return capsys.readouterr().out.strip()

    return run


def test_what_the_hub_reads(evaluated, tmp_path):
    bases = ("timm/resnet18.a1_in1k", "timm/resnet18.a1_in1k", None)
    evaluated.origin = Origin(base_models=bases, measured_on="digits, split test")
    evaluated.save_pretrained(tmp_path / "net")
    card = ModelCard.load(tmp_path / "net" / "README.md")
    assert (card.data.library_name, card.data.pipeline_tag) == ("snnet_lightning", "image-classification")
    assert card.data.base_model == ["timm/resnet18.a1_in1k"]
    assert card.data.license == "other"  # of the third anchor nothing is known
    first = card.data.eval_results[0]
    assert (first.metric_type, first.metric_name, first.metric_value) == ("accuracy", "top-1 of digits_tiny", 90.0)
    assert (first.dataset_name, first.dataset_type) == ("digits, split test", "digits-split-test")
    assert "| 0 | `digits_tiny` | 0.4 | 0.02 | 90.00 |" in card.text
    assert "on 540 images: digits, split test" in card.text
    assert Image.open(tmp_path / "net" / "front.png").size == (1200, 750)


def test_milliseconds_where_they_were_measured(evaluated, tmp_path):
    evaluated.rows = [replace(row, latency_ms=12.34 - row.id / 10) for row in evaluated.rows]
    evaluated.save_pretrained(tmp_path / "net")
    evaluated.save_pretrained(tmp_path / "alone", stitch=3)
    whole, alone = (ModelCard.load(tmp_path / name / "README.md").text for name in ("net", "alone"))
    for text, line in (
        (whole, "| 0 | `digits_tiny` | 0.4 | 0.02 | 12.3 | 90.00 | 99.00 | 0.000 |"),
        (alone, "| 3 | `digits_tiny[:1] > digits_small[0:]` | 1.5 | 0.08 | 12.0 | 90.43 | 99.00 | 0.300 |"),
    ):
        head, right, *lines = re.findall(r"^\| id .*(?:\n\|.*)+", text, re.MULTILINE)[0].splitlines()
        assert head == "| id | stitch | MFLOPs | Mparams | ms | top-1 | top-5 | loss |"
        assert right.count("|") == head.count("|")
        assert line in lines


@pytest.mark.parametrize(("base", "licence"), [("timm/swin_tiny_patch4_window7_224.ms_in1k", "mit"), (None, "unknown")])
def test_the_licence_is_that_of_the_weights_as_timm_knows_it(digits_net, tmp_path, base, licence):
    digits_net.origin = Origin(base_models=(base,) * 3)
    digits_net.save_pretrained(tmp_path / "net")
    data = ModelCard.load(tmp_path / "net" / "README.md").data
    assert data.license == licence
    assert not data.eval_results  # nothing was measured


def test_the_base_models_are_those_of_the_pretrained_weights(monkeypatch):
    cfg = timm.get_pretrained_cfg("resnet18").to_dict()

    def create(name, pretrained=False, **options):
        return make(name, pretrained_cfg=cfg, **options)  # as if the weights had been fetched

    make = timm.create_model
    monkeypatch.setattr(timm, "create_model", create)
    fetched, other = (create_anchors(["resnet18"] * 2, (3, 64, 64), 7, weights) for weights in ("pretrained", "random"))
    assert [anchor.base_model for anchor in fetched] == ["timm/resnet18.a1_in1k"] * 2
    assert [anchor.base_model for anchor in other] == [None, None]


@torch.no_grad()
def test_the_code_gives_the_class_that_the_network_gives(evaluated, printed_by, tmp_path):
    evaluated.save_pretrained(tmp_path / "net")
    pixels, _ = load_digits(return_X_y=True)
    Image.fromarray(np.uint8(pixels[5].reshape(8, 8) * 255 / 16)).save(tmp_path / "net" / "image.png")
    load, choose = code_in(tmp_path / "net")
    exact = torch.tensor(pixels[5].reshape(1, 1, 8, 8) / 16, dtype=torch.float32)
    (name,) = re.findall(r'net\(images, "(.*)"\)', load)
    mean, std = (evaluated.preprocessing.mean[0], evaluated.preprocessing.std[0])
    best = evaluated((exact - mean) / std, name).argmax().item()
    assert printed_by(load, tmp_path / "net") == f"the {best}"
    budget = int(re.findall(r"row.flops <= ([\d_]+)", choose)[0])
    affordable = [row for row in evaluated.rows if row.flops <= budget]
    assert printed_by(choose, tmp_path / "net") == max(affordable, key=lambda row: row.acc1).name


def test_the_code_without_accuracies_and_preprocessing(digits_net, printed_by, tmp_path):
    digits_net.save_pretrained(tmp_path / "net")
    assert not (tmp_path / "net" / "front.png").exists()
    load, choose = code_in(tmp_path / "net")
    assert printed_by(load, tmp_path / "net") in [*"0123456789"]
    assert printed_by(choose, tmp_path / "net") in [stitch.name for stitch in digits_net.space]


def test_the_transform_is_that_of_the_evaluation(tmp_path):

    data = DigitsDataModule()
    data.setup()
    image, _ = data.test_set[Draw(0)]
    net = SNNet(
        create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule(), preprocessing=data.preprocessing
    )
    pixels = np.uint8(np.round(data.test_set.raw([0])[0, 0].numpy() * 255))
    prepared = create_transform(**net.description.data_config)(Image.fromarray(pixels))
    assert torch.allclose(prepared, image, atol=1 / 255 / 0.3761)  # half a grey value of rounding at most
