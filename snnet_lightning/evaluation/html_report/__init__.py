"""``report.html``: one self-contained file that works offline."""

from snnet_lightning.evaluation.html_report.page import NAME, write_html_report

__all__ = ["NAME", "write_html_report"]
