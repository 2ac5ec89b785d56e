"""The package is built in floors: nothing imports from a higher one, or from a neighbour on its own."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "snnet_lightning"
FLOORS = [
    {"atomic", "checked", "errors", "evaluating", "first_process", "float64", "seeding"},
    {"budget", "html", "stitch"},
    {"description", "network_folder"},
    {"checkpoint_file"},
    {"anchors"},
    {"network"},
    {"evaluation"},
    {"latency"},
    {"saved"},
    {"checkpoints", "data", "distillation", "export", "optim", "sampler"},
    {"model", "serve", "trainer"},
    {"callbacks"},
    {"logger", "sweeps"},
    {"command"},
]
# A method of the network that does what stands above it, on its first use, and a command that has the name of a part:
# (file, what it imports).
DOORS = {
    ("network/snnet.py", "saved"),
    ("network/snnet.py", "latency"),
    ("export/__main__.py", "command"),
    ("latency/__main__.py", "command"),
    ("serve/__main__.py", "command"),
    ("serve/replay/__main__.py", "command"),
}
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}


def imported(file: Path) -> Iterator[str]:
    """The modules of the package that a file imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def edges() -> Iterator[tuple[Path, str, str]]:
    """(file, its part of the package, another part that it imports)."""
    for file in set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py"}:  # which stands above them all
        here = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imported(file):
            package, _, rest = name.partition(".")
            there = rest.split(".")[0]
            if package == PACKAGE.name and there != here:
                yield file, here, there


def test_every_part_has_a_floor():
    parts = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert parts - {"__init__", "__pycache__"} == set(FLOOR_OF)


def test_nothing_imports_from_a_higher_floor():
    found = [*edges()]
    assert len(found) > 100
    wrong = [
        f"{file} imports {there}"
        for file, here, there in found
        if not FLOOR_OF[there] < FLOOR_OF[here] and (str(file.relative_to(PACKAGE)), there) not in DOORS
    ]
    assert not wrong, "\n".join(wrong)


FRAMEWORKS = ("hydra", "omegaconf", "lightning", "pytorch_lightning", "wandb", "fvcore", "matplotlib")
RUN = f"""
import sys
asked = set()

class NotInstalled:
    def find_spec(self, name, *_):
        framework = name.partition(".")[0]
        if framework in {FRAMEWORKS}:
            asked.add(framework)
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotInstalled())
import torch
from snnet_lightning.anchors import create_anchors
from snnet_lightning.network import SNNet
from snnet_lightning.stitch import PairedRule
net = SNNet(create_anchors(["digits_tiny", "digits_small"], (1, 8, 8), 10), PairedRule()).eval()
assert net(torch.zeros(2, 1, 8, 8), 3).shape == (2, 10)
print(*asked)
"""


def test_a_network_is_made_and_run_without_any_framework_and_asks_for_none():
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"wandb"}  # which timm imports by itself where it finds it
