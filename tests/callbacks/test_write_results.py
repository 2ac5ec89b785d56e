"""What a test epoch leaves behind, with accuracies checked stitch by stitch."""

import csv
import json

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.loggers import CSVLogger

import snnet_lightning as sn
from snnet_lightning.callbacks import WriteResults
from snnet_lightning.data import DigitsDataModule
from snnet_lightning.data.order import Draw
from snnet_lightning.errors import InputError
from snnet_lightning.model import SNNetModule
from snnet_lightning.optim import OptimizerRecipe
from snnet_lightning.sampler import UniformSampler

DIGITS = ["digits_tiny", "digits_small", "digits_base"]


def test_results_are_there_where_the_network_cannot_be_saved(digits_net, make_trainer, tmp_path):
    (tmp_path / "snnet").mkdir()
    (tmp_path / "snnet" / "thesis.tex").touch()
    module = SNNetModule(digits_net, UniformSampler(1), OptimizerRecipe("adamw", 1e-3))
    trainer = make_trainer(callbacks=[WriteResults(str(tmp_path))], limit_test_batches=1)
    with pytest.raises(InputError, match="snnet: holds something else than a saved SN-Net"):
        trainer.test(module, datamodule=DigitsDataModule(), verbose=False)
    assert {"report.html", "stitches.jsonl", "summary.json"} <= {path.name for path in tmp_path.iterdir()}


@torch.no_grad()
def test_files_table_and_log(digits_net, make_trainer, tmp_path, capsys):
    module = SNNetModule(digits_net, UniformSampler(1), OptimizerRecipe("adamw", 1e-3))
    results, data = tmp_path / "results", DigitsDataModule(batch_size=100)  # the last batch holds 40
    results.mkdir()
    logger = CSVLogger(tmp_path / "csv", name="", version="")
    trainer = make_trainer(callbacks=[WriteResults(str(results))], logger=logger)
    trainer.test(module, datamodule=data, verbose=False)

    written = ["pareto.png", "report.html", "snnet", "stitches.jsonl", "summary.json"]
    assert sorted(path.name for path in results.iterdir()) == written
    rows = [json.loads(line) for line in (results / "stitches.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == list(range(35))
    images, classes = (
        torch.stack(column) for column in zip(*data.test_set.__getitems__([Draw(i) for i in range(540)]), strict=True)
    )
    one_image = 100 / 540  # a tie may fall either way in another batch
    for stitch in list(digits_net.space)[::4]:
        row = rows[stitch.id]
        logits = digits_net(images, stitch)
        top5 = (logits.topk(5).indices == classes[:, None]).any(1)
        assert row["name"] == stitch.name
        assert row["images"] == 540
        assert row["acc1"] == pytest.approx(100 * (logits.argmax(1) == classes).double().mean().item(), abs=one_image)
        assert row["acc5"] == pytest.approx(100 * top5.double().mean().item(), abs=one_image)
        assert row["loss"] == pytest.approx(F.cross_entropy(logits, classes).item(), rel=1e-4)
    saved = sn.load(results / "snnet")
    assert (results / "snnet" / "stitches.jsonl").read_text() == (results / "stitches.jsonl").read_text()
    assert saved.origin.measured_on == "scikit-learn's digits, the fixed test part"
    assert torch.equal(saved(images, 7), digits_net(images, 7))
    summary = json.loads((results / "summary.json").read_text())
    assert summary["test/acc1"] == pytest.approx(sum(row["acc1"] for row in rows) / 35)
    assert {name: summary[f"test/acc1/{name}"] for name in DIGITS} == {row["name"]: row["acc1"] for row in rows[:3]}
    for name, value in summary.items():
        assert trainer.callback_metrics[name].item() == pytest.approx(value)

    with open(tmp_path / "csv" / "metrics.csv") as file:
        logged = [row for row in csv.DictReader(file) if row["stitch/id"]]
    assert [float(row["stitch/acc1"]) for row in logged] == [row["acc1"] for row in rows]
    assert [int(row["stitch/flops"]) for row in logged] == [row["flops"] for row in rows]
    printed = capsys.readouterr().out
    assert "35 stitches" in printed
    assert str(results) in printed
