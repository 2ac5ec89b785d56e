"""Every sampler and cheap mode from the command line, a few steps each."""

import json
from pathlib import Path

import pytest

SAMPLERS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "sampler").glob("*.yaml"))
DIGITS = ["anchors.input_size=[1,8,8]", "debug=default"]
NEEDED = {"single": ["sampler.stitch=digits_small"]}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_few_steps_and_the_evaluation(sampler, assert_trains):
    assert_trains(f"sampler={sampler}", *NEEDED.get(sampler, []), *DIGITS, steps=4)


def test_in_place_distillation(assert_trains):
    assert_trains("sampler=sandwich", *DIGITS, "distillation=in_place", steps=4)


def test_frozen_anchors(assert_trains):
    assert_trains("net.freeze_anchors=true", *DIGITS, steps=4)


def test_training_free(run_here, tmp_path):
    shrink = ["callbacks.progress=null", "trainer.limit_test_batches=1"]
    run = run_here("train.py", "trainer.max_epochs=0", *shrink, directory=tmp_path)
    assert run.status == 0, run.err
    layers = [json.loads(line) for line in (tmp_path / "stitching_layers.jsonl").read_text().splitlines()]
    assert len(layers) == 2 * 5
    assert {"stitches.jsonl", "summary.json", "pareto.png"} <= run.written()
