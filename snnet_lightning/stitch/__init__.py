"""Stitches, and the rules that make spaces of them, as frozen data; nothing in here knows torch."""

from snnet_lightning.stitch.fitting import FittingRule
from snnet_lightning.stitch.paired import PairedRule
from snnet_lightning.stitch.route import Stitch, StitchSpace
from snnet_lightning.stitch.rule import RULES, StitchRule, register_rule, rule_as_data, rule_from_data
from snnet_lightning.stitch.staged import StagedRule
from snnet_lightning.stitch.two_way import TwoWayRule

__all__ = [
    "RULES",
    "FittingRule",
    "PairedRule",
    "StagedRule",
    "Stitch",
    "StitchRule",
    "StitchSpace",
    "TwoWayRule",
    "register_rule",
    "rule_as_data",
    "rule_from_data",
]
