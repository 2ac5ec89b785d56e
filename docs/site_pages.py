"""Files of the top level are pages of the site as well: the README is its first."""

import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)[^)#\s]+")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them, their links as they are from inside of ``docs``."""
    root = Path(config.config_file_path).parent
    for name, page in PAGES.items():
        text = LINK.sub(lambda link: _from_docs(link[0]), (root / name).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Pages link to these files by their place in the tree."""
    return LINK.sub(lambda link: _page_of(link[0]), markdown)


def _from_docs(path: str) -> str:
    return path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}"


def _page_of(path: str) -> str:
    return PAGES.get(PurePosixPath(path).name, path) if path.startswith("../") else path
