"""What mkdocs asks us: the site is docs/ laid over the repository, so README and its neighbours are pages of it, too.

Documents link to each other as files of the repository, which code hosts follow. Here these links are turned to where
the files are in the site, and the files that they name outside docs/ are taken along. A link to nothing stays as it is,
and `mkdocs build --strict` refuses it.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
DOCS = "docs/"
# Pages outside docs/: path in the repository → path in the site.
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "ARCHITECTURE.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "benchmarks/README.md": "benchmarks/README.md",
}
SOURCES = {there: here for here, there in PAGES.items()}
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
LOADED = re.compile(r"<(?:script|img|iframe|link[^>]*stylesheet)[^>]*?(?:src|href)=\"?((?:https?:)?//[^\"\s>]+)")
HEADING = re.compile(r"^##+ ", re.MULTILINE)
LOG = logging.getLogger("mkdocs.hooks")
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[#)])")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside docs/, and every file that a page links to."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - installed where the site is built, and nowhere else

    for here, there in PAGES.items():
        files.append(File.generated(config, there, abs_src_path=str(ROOT / here)))
    for page in list(files.documentation_pages()):
        for link in linked(page.content_string):
            here = target(source(page.src_uri), link)
            if not files.get_file_from_path(place(here)) and (ROOT / here).is_file():
                files.append(File.generated(config, place(here), abs_src_path=str(ROOT / here)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn the links of a page to where their targets are in the site. A page without headings has no list of them, and
    gives its room to tables."""
    if not HEADING.search(CODE.sub("", markdown)):
        page.meta.setdefault("hide", ["toc"])
    return turned(markdown, source(page.file.src_uri))


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """A page that needs another server would not work offline; the warning ends a strict build."""
    for address in LOADED.findall(output):
        LOG.warning("%s loads %s; keep it in docs/ instead", page.file.src_uri, address)
    return output


def linked(markdown: str) -> list[str]:
    """The paths that a text links to, but for those in code and those elsewhere."""
    return LINK.findall(CODE.sub("", markdown))


def turned(markdown: str, here: str) -> str:
    """A text of the repository's file `here`, with its links as the site needs them."""
    start = posixpath.dirname(place(here))

    def turn(link: re.Match[str]) -> str:
        return posixpath.relpath(place(target(here, link[1])), start or ".")

    parts = CODE.split(markdown)
    return "".join(part if number % 2 else LINK.sub(turn, part) for number, part in enumerate(parts))


def target(here: str, link: str) -> str:
    """What a link in a file of the repository names, as a path in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), link))


def place(here: str) -> str:
    """Where a file of the repository is in the site."""
    return PAGES.get(here, here.removeprefix(DOCS))


def source(there: str) -> str:
    """Which file of the repository a page of the site is."""
    return SOURCES.get(there, DOCS + there)
