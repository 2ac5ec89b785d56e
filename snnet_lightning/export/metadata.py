"""What an exported file says of itself."""

import json
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from snnet_lightning.network.snnet import SNNet
from snnet_lightning.stitch.route import Stitch

KEYS = ("stitch", "class_names", "preprocessing", "snnet_lightning")


def metadata_of(net: SNNet, stitch: Stitch, normalise: bool) -> dict[str, str]:
    """Texts by ``KEYS``, those that are known.

    ``preprocessing`` is JSON, of what the network was trained on, and whether the normalisation is ``inside``.
    """
    found = {"stitch": stitch.name}
    with suppress(PackageNotFoundError):  # run from a clone that was not installed
        found["snnet_lightning"] = version("snnet_lightning")
    if net.class_names is not None:
        found["class_names"] = json.dumps(net.class_names, ensure_ascii=False)
    if net.preprocessing is not None:
        found["preprocessing"] = json.dumps(net.preprocessing.model_dump(mode="json") | {"inside": normalise})
    return found
