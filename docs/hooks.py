"""What mkdocs does beside its own: files of the repository that pages link to, no dead link, nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT: Final = Path(__file__).parents[1]
_LINK: Final = re.compile(r"\]\((?P<up>(?:\.\./)+)(?P<path>[^)#]+)(?P<anchor>#[^)]*)?\)")
_OUTSIDE: Final = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=\"?(https?:)?//[^\">]*"
    r"|<link\b(?![^>]*rel=\"?canonical)[^>]*href=\"?(https?:)?//[^\">]*"
    r"|url\([\"']?(?:https?:)?//[^)]*"
    r"|@import [\"'](?:https?:)?//[^\"']*"
)

_HREF: Final = re.compile(r"<a\b[^>]*\bhref=\"?(?![a-z]+:|//|#)([^\"#? >]+)")
"""Where a link leads inside the site."""


def _served(path: Path) -> str:
    """Where the site has a file of the repository: as text, whatever it is."""
    return f"repository/{path}.txt"


def _target(page: Any, link: re.Match[str]) -> Path:
    """What a link of the page leads to in the repository."""
    return (Path(page.abs_src_path).parent / link["up"] / link["path"]).resolve()


def on_files(files: Any, config: Any) -> Any:
    """Bring along what the pages link to outside docs/."""
    for page in [file for file in files if file.src_uri.endswith(".md")]:
        for match in _LINK.finditer(Path(page.abs_src_path).read_text()):
            there = _target(page, match)
            if there.is_file() and not there.is_relative_to(ROOT / "docs"):
                uri = _served(there.relative_to(ROOT))
                if uri not in files.src_uris:
                    files.append(File.generated(config, uri, content=there.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links to such files lead to their copies."""

    def led(match: re.Match[str]) -> str:
        there = _target(page.file, match)
        if there.is_relative_to(ROOT / "docs"):
            return match[0]
        if there.is_dir():
            return f"](#{match['anchor'] or ''})"
        depth = page.file.src_uri.count("/")
        return f"]({'../' * depth}{_served(there.relative_to(ROOT))})"

    return _LINK.sub(led, markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """A page that would fetch something from elsewhere ends the build."""
    if found := _OUTSIDE.search(output):
        raise PluginError(f"{page.file.src_uri} would fetch {found[0]}")
    return output


def on_post_build(config: Any) -> None:
    """Neither does a style sheet; and what a page leads to has been built."""
    site = Path(config.site_dir)
    for path in site.rglob("*.css"):
        if found := _OUTSIDE.search(path.read_text()):
            raise PluginError(f"{path} would fetch {found[0]}")
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue  # its links begin with the site's own address
        for link in _HREF.findall(page.read_text()):
            if not (page.parent / unquote(link)).exists():
                raise PluginError(f"{page.relative_to(site)} leads to {link}, which is not there")
