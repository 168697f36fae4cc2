"""Pages that list a folder, as Apache, nginx and Python's ``http.server`` make them."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes, urljoin, urlsplit


def links(page: bytes, url: str) -> dict[bytes, str]:
    """Name -> URL of what a page links to just below its own folder; folders end in a slash.

    Args:
        page: HTML.
        url: Where the page is, with a slash at the end of the path.
    """
    finder = _Finder()
    finder.feed(page.decode("utf-8", "replace"))
    base = urlsplit(url)
    found: dict[bytes, str] = {}
    for target in finder.targets:
        try:
            parts = urlsplit(urljoin(url, target))
        except ValueError:
            continue
        inside = parts.path.startswith(base.path) and parts[:2] == base[:2] and not parts.query
        name = unquote_to_bytes(parts.path[len(base.path) :])
        if inside and name.strip(b"/") and b"/" not in name[:-1]:
            found[name] = parts._replace(fragment="").geturl()
    return found


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.targets += [value for name, value in attrs if name == "href" and value]
