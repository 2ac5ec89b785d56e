"""sweep.csv."""

import csv
import json

from snnet_lightning.sweeps.record import jobs_of
from snnet_lightning.sweeps.table import write_table


def test_one_row_a_job(make_job, tmp_path):
    summaries = [{"test/acc1": 80.5, "test/acc1/a": 70.0}, {"test/acc1": 1.0}, {"test/acc1": 90.0, "test/acc1/b": 60.0}]
    for number, (overrides, error) in enumerate([("m=a seed=1", ""), ("m=a seed=2", "no number"), ("m='b, c'", "")]):
        directory = make_job(number, overrides.replace("b, c", "b,c"), error=error)
        (directory / "summary.json").write_text(json.dumps(summaries[number]))  # of the failed one: of an earlier try
    write_table(jobs_of(tmp_path), tmp_path / "sweep.csv")
    with open(tmp_path / "sweep.csv") as file:
        header, *rows = csv.reader(file)
    metrics = ["test/acc1", "test/acc1/a", "test/acc1/b"]
    assert header == ["job", "directory", "status", "m", "seed", *metrics, "error"]
    assert rows == [
        ["0", "0", "ok", "a", "1", "80.5", "70.0", "", ""],
        ["1", "1", "failed", "a", "2", "", "", "", "no number"],
        ["2", "2", "ok", "'b,c'", "", "90.0", "", "60.0", ""],
    ]
