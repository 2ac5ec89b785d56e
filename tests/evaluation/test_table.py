"""The table on the terminal."""

import pytest

from snnet_lightning.evaluation.results import Row
from snnet_lightning.evaluation.table import print_table


@pytest.fixture
def lines(capsys, monkeypatch):
    def printed(rows):
        monkeypatch.setenv("COLUMNS", "120")
        print_table(rows, [0])
        return capsys.readouterr().out.splitlines()

    return printed


def test_a_line_a_stitch_in_order(lines):
    rows = [
        Row(0, "tiny", 1_258_411_200, 5_717_416, 70.564, 91.0, 1.2345, 540),
        Row(1, "tiny[:4] > small[3:]", 4_115_000_000, 22_345_960, 79.018, 95.5, 0.9, 540),
    ]
    table = [line.split("  ") for line in lines(rows)]
    cells = [[c.strip() for c in line if c.strip()] for line in table]
    assert ["id", "stitch", "MFLOPs", "Mparams", "top-1", "top-5", "loss"] in cells
    assert [c for c in cells if c and c[0].isdigit()] == [
        ["0", "tiny", "1,258.4", "5.72", "70.56", "91.00", "1.234"],
        ["1", "tiny[:4] > small[3:]", "4,115.0", "22.35", "79.02", "95.50", "0.900"],
    ]


def test_milliseconds_where_they_were_measured(lines):
    latencies = [0.1234, 9.994, 9.996, 1234.56]
    rows = [Row(i, f"stitch {i}", 10**6, 10**6, 70.0, 90.0, 1.0, 9, latency_ms=ms) for i, ms in enumerate(latencies)]
    printed = [line.split() for line in lines(rows)]
    assert ["id", "stitch", "MFLOPs", "Mparams", "ms", "top-1", "top-5", "loss"] in printed
    assert [line[-5:-2] for line in printed if line[-1:] == ["1.000"]] == [
        ["1.00", ms, "70.00"] for ms in ("0.12", "9.99", "10.0", "1,234.6")
    ]


def test_what_the_network_had_before_the_export(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    rows = [Row(i, f"stitch {i}", 10**6, 10**6, 70.0 + i, 90.0, 1.0, 9) for i in range(2)]
    print_table(rows, [0], {0: 71.25})
    printed = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert printed[1][-2:] == ["loss", "before"]
    assert [line[-2:] for line in printed[3:5]] == [["1.000", "71.25"], ["90.00", "1.000"]]


def test_costs_alone_have_no_accuracy_columns(lines):
    printed = lines([Row(i, f"stitch {i}", 10**6, 10**6) for i in range(71)])
    assert not any("top-1" in line for line in printed)
    assert sum(line.split()[-2:] == ["1.0", "1.00"] for line in printed) == 71
