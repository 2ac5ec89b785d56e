"""The pages: they are built, their links lead somewhere, and what they tell a reader to type is right."""

import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from unittest import mock
from urllib.parse import unquote, urlparse

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf, open_dict

from snnet_lightning.command.experiment import require_experiment_of_anchors
from snnet_lightning.command.instantiate import check
from snnet_lightning.command.known_keys import require_choices
from snnet_lightning.stitch import RULES

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
INDENTED = ""  # no language, since these are commands
NOT_RUN = "<!-- not run: "  # before a block: what follows is no command that can be tried here, and why


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    page: Path
    language: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    """Its fenced and its indented blocks, but for those that are marked as not run."""
    said, language, lines = "", None, []  # the last line that is no code, and the block that is being read
    for line in [*page.read_text(encoding="utf-8").splitlines(), "the end"]:
        fence, indented = line.startswith("```"), line.startswith("    ")
        inside = language is not None
        if inside and (not fence if language != INDENTED else indented or not line):
            lines.append(line)
            continue
        if inside and not said.startswith(NOT_RUN):
            kept = [line.removeprefix("    ") for line in lines] if language == INDENTED else lines
            yield Block(page, language, "\n".join(kept).strip())
        if inside and fence:
            language, lines, said = None, [], ""
            continue
        language, lines = (line[3:], []) if fence else (INDENTED, [line]) if indented else (None, [])
        said = line if line and language is None else said


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
MODULES = {f"snnet_lightning.{name}": name for name in ("export", "latency", "serve")}
MODULES["snnet_lightning.serve.replay"] = "replay"
SCRIPTS = {"train.py": "train", "evaluate.py": "evaluate"} | {
    f"snnet-{name}": name for name in ("train", "evaluate", *MODULES.values())
}


def command_of(words: list[str]) -> tuple[str, ...] | None:
    """The main configuration that a command composes, and its further words; None for other commands."""
    words = list(itertools.dropwhile(lambda word: re.fullmatch(r"\w+=.*", word), words))  # the environment
    if words and Path(words[0]).name in ("python", "python3"):
        words = words[1:]
        if words[:1] == ["-m"]:
            if words[1].startswith("snnet_lightning"):
                assert find_spec(words[1]), words[1]
            return (MODULES[words[1]], *words[2:]) if words[1] in MODULES else None
    return (SCRIPTS[words[0]], *words[1:]) if words and words[0] in SCRIPTS else None


def commands() -> dict[tuple[str, ...], str]:
    """Every command of every page, once, and where it stands."""
    found: dict[tuple[str, ...], str] = {}
    for block in BLOCKS:
        for line in block.text.splitlines() if block.language in (INDENTED, "sh") else ():
            for part in line.split("&&"):
                command = command_of(shlex.split(part, comments=True))
                if command:
                    found.setdefault(command, block.page.name)
    return found


COMMANDS = commands()


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The files of the reader's own that the pages show; they can be imported."""
    root = tmp_path_factory.mktemp("reader")
    for block in BLOCKS:
        named = re.match(r"# (mine/\S+)\n", block.text)
        if named:
            (root / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (root / named[1]).write_text(f"{block.text}\n", encoding="utf-8")
    sys.path.insert(0, str(root))
    with mock.patch.dict(RULES):  # in which one of the files registers a space
        yield root / "mine"
    sys.path.remove(str(root))


def jobs_of(words: list[str]) -> Iterator[list[str]]:
    """The overrides of some jobs of a sweep, every value in one of them."""
    parsed = OverridesParser.create().parse_overrides(words)
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()] if o.is_sweep_override() else [word]
        for o, word in zip(parsed, words, strict=True)
    ]
    for number in range(max(map(len, choices))):
        yield [values[number % len(values)] for values in choices]


def compose_as_the_command_does(config: str, words: list[str], own: Path | None, directory: Path) -> None:
    """Compose, and hold every argument against its annotation, as a job does before it makes anything."""
    require_choices(words)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        where = [f"hydra.runtime.output_dir={directory}", f"hydra.searchpath=[{own.as_uri()}]" if own else ""]
        cfg = compose(config, [*words, *filter(None, where)], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    require_experiment_of_anchors(words, cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    OmegaConf.resolve(cfg)
    check(cfg)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_a_reader_types_is_composed(command, mine, tmp_path):
    config, *words = command
    get_args_parser().parse_args(words)  # words in an order that Hydra's own parser takes
    own = None
    if "--config-dir" in words:
        place = words.index("--config-dir")
        own = mine.parent / words[place + 1]
        del words[place : place + 2]
    if config in ("serve", "replay") and words and "=" not in words[0]:
        words[0] = f"ckpt_path={words[0]}"
    if config == "export":
        words = [f"stitches={word[7:]}" if word.startswith("stitch=") else word for word in words]
    overrides = [word for word in words if word not in ("-m", "--cfg", "job")]
    for job in jobs_of(overrides) if "-m" in words else [overrides]:
        compose_as_the_command_does(config, job, own, tmp_path)


def test_commands_are_found():
    assert len(COMMANDS) > 50
    assert ("train",) in COMMANDS
    assert {config for config, *_ in COMMANDS} == {"train", "evaluate", "export", "latency", "serve", "replay"}


class Links(HTMLParser):
    """What a page links to, and the names that it can be linked by."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for key, value in attributes:
            if key in ("href", "src") and value:
                self.links.append(value)
            elif key in ("id", "name") and value:
                self.names.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_link_leads_somewhere(site):
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 15
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the root of a host
            continue
        for link in page.links:
            address = urlparse(link)
            if address.scheme in ("http", "https", "mailto"):
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            assert target.exists(), f"{path.name}: {link}"
            if address.fragment and target in pages:
                assert unquote(address.fragment) in pages[target].names | {"__skip"}, f"{path.name}: {link}"


def test_the_site_fetches_nothing(site):
    for path in site.rglob("*.html"):
        fetched = re.findall(r"<(?:script|img|link)\b[^>]*?(?:src|href)=[\"']?(https?:[^\"' >]+)", path.read_text())
        assert not fetched, path.name


def test_links_of_files_that_are_read_in_the_tree():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
            if not urlparse(link).scheme:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_readme_is_one_page_and_begins_with_its_commands():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    assert [n for n, line in enumerate(lines, 1) if line.startswith("    python3 -m venv")][1] <= 30
