"""The page is one small file that refers to nothing outside."""

import re

from snnet_lightning.evaluation.html_report import write_html_report
from snnet_lightning.evaluation.results import Row

LARGE = "deit3_large_patch16_224.fb_in22k_ft_in1k"
MAX_BYTES = 5_000_000


def test_one_small_file_that_refers_to_nothing_outside(tmp_path):
    """Of more stitches than any published family has, with the longest names."""
    names = [f"{LARGE}[:{i % 24}] > {LARGE}[{i % 11}:{i}] > {LARGE}[{i % 7}:]" for i in range(150)]
    rows = [Row(i, name, 10**9 + i, 10**7, 80.1 + i / 30, 95.0, 0.6, 50_000) for i, name in enumerate(names)]
    write_html_report(rows, [0, 1], tmp_path)
    (written,) = tmp_path.iterdir()
    assert written.stat().st_size < MAX_BYTES
    content = written.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//\w+\.\w|@import|url\(|<(script|img|iframe)[^>]*\bsrc", content)
    assert re.findall(r'<link [^>]*href="([^"]*)"', content) == ["data:,"]
