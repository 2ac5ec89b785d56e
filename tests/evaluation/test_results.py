"""The results file: one object a stitch, nothing that is not known, nothing half-written."""

import json
import math

from snnet_lightning.evaluation.cost import Cost
from snnet_lightning.evaluation.metrics import Score
from snnet_lightning.evaluation.results import stitch_rows, write_rows
from snnet_lightning.stitch import PairedRule

SPACE = PairedRule()(["a", "b"], [(2,), (2,)])
COSTS = {stitch: Cost(flops=100 + stitch.id, params=10 + stitch.id, memory=1000 + stitch.id) for stitch in SPACE}
COST_KEYS = ["id", "name", "flops", "params"]


def written(rows, tmp_path):
    write_rows(rows, tmp_path / "stitches.jsonl")
    assert [p.name for p in tmp_path.iterdir()] == ["stitches.jsonl"]
    return [json.loads(line) for line in (tmp_path / "stitches.jsonl").read_text().splitlines()]


def test_all_that_was_measured(tmp_path):
    scores = [Score(acc1=50.0 + s.id, acc5=90.0, loss=0.5, images=540) for s in SPACE]
    found = written(stitch_rows(COSTS, scores), tmp_path)
    assert [list(row) for row in found] == [[*COST_KEYS, "acc1", "acc5", "loss", "images", "memory"]] * len(SPACE)
    assert [row["id"] for row in found] == list(range(len(SPACE)))
    assert found[4] == {
        "id": 4, "name": "a[:2] > b[0:]", "flops": 104, "params": 14,
        "acc1": 54.0, "acc5": 90.0, "loss": 0.5, "images": 540, "memory": 1004,
    }  # fmt: skip


def test_costs_alone_leave_the_other_keys_out(tmp_path):
    found = written(stitch_rows(COSTS), tmp_path)
    assert [list(row) for row in found] == [[*COST_KEYS, "memory"]] * len(SPACE)


def test_not_a_number_is_left_out(tmp_path):
    scores = [Score(math.nan, math.nan, math.nan, 0)] * len(SPACE)
    found = written(stitch_rows(COSTS, scores), tmp_path)
    assert [list(row) for row in found] == [[*COST_KEYS, "images", "memory"]] * len(SPACE)


def test_a_second_writing_replaces_the_first(tmp_path):
    write_rows(stitch_rows(COSTS), tmp_path / "stitches.jsonl")
    assert len(written(stitch_rows(COSTS)[:2], tmp_path)) == 2
