"""A project's page of a simple index: JSON (PEP 691, 700, 714), else HTML (PEP 503, 592, 658, 714).

Both become the same rows, those of PEP 691's `files`. Everything in them is the index's word: rows are checked where they
are used, and those that make no sense are left out there.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from airlock.core.web import Reply
from airlock.errors import FetchError

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What an index says of a whole project (PEP 792)."""

    name: str = "active"
    reason: str = ""

    @property
    def refused(self) -> bool:
        return self.name == "quarantined"

    def __str__(self) -> str:
        return self.name + (f": {self.reason}" if self.reason else "")


Rows = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a page says besides its rows."""

    url: str
    """The base of relative links."""
    has_files: bool
    status: Status = Status()

    def document(self) -> list[object]:
        return [self.url, self.has_files, self.status.name, self.status.reason]

    @classmethod
    def of(cls, document: object) -> "Head | None":
        """What `document` once gave; None for anything else."""
        match document:
            case [str(url), bool(has_files), str(name), str(reason)]:
                return cls(
                    url=url, has_files=has_files, status=Status(name=_plain(name), reason=_plain(reason))
                )
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    index: str
    """The index's name in the manifest."""
    head: Head
    read: Callable[[], Rows]
    kept: object = None
    """Under what its parsed form is kept, if it is."""
    cut: "Page | None" = None
    """The same with fewer rows; see `sieve`."""
    has_sdists: bool = True
    """Whether those of source distributions are among them."""

    @property
    def url(self) -> str:
        return self.head.url

    @property
    def status(self) -> Status:
        return self.head.status

    @cached_property
    def rows(self) -> Rows:
        """Parsed when they are first asked for."""
        return self.read()

    @cached_property
    def on_the_web(self) -> bool:
        """Whether relative links lead to where files come from."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and bool(parts.netloc)

    def kept_as(self, kept: object) -> "Page":
        return replace(self, kept=kept)


def page_of(index: str, url: str, rows: Rows, status: Status | None = None) -> Page:
    head = Head(url=url, has_files=bool(rows), status=status or Status())
    return Page(index=index, head=head, read=lambda: rows)


def absent(index: str) -> Page:
    """What an index says of a project that it does not have."""
    return page_of(index, "", ())


def read_page(reply: Reply, index: str, where: str) -> Page:
    """Raises FetchError where the answer is not a page of a simple index, version 1."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON_TYPE:
        return read_json(reply.content(), reply.url, index, where)
    if kind in ("text/html", "application/vnd.pypi.simple.v1+html"):
        return _from_html(reply, index, where)
    raise _not_an_index(where, f"content type {kind or 'missing'}")


def read_json(content: bytes, url: str, index: str, where: str, *, has_files: bool | None = None) -> Page:
    """A page as PEP 691 has it. `has_files` is for one that does not have all of its rows any more. Raises FetchError."""
    try:
        document = json.loads(content)
        version = str(document["meta"]["api-version"])
        rows = tuple(row for row in document["files"] if isinstance(row, dict))
        status = _status(document.get("project-status"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _not_an_index(where, "JSON without the keys of PEP 691") from error
    _check_version(version, where)
    head = Head(url=url, has_files=bool(rows) if has_files is None else has_files, status=status)
    return Page(index=index, head=head, read=lambda: rows)


def _status(value: object) -> Status:
    """A table with `status` and `reason`; some indexes send the status alone."""
    table = value if isinstance(value, dict) else {"status": value}
    name, reason = table.get("status"), table.get("reason")
    return Status(
        name=_plain(name) if isinstance(name, str) else "active",
        reason=_plain(reason) if isinstance(reason, str) else "",
    )


def _plain(text: str) -> str:
    """One short line, for it is shown."""
    return "".join(character for character in text if character.isprintable())[:200]


def _from_html(reply: Reply, index: str, where: str) -> Page:
    links = Links(reply.url)
    links.read(reply.content().decode("utf-8", "replace"))
    _check_version(links.version, where)
    status = Status(name=_plain(links.status), reason=_plain(links.reason))
    return page_of(index, links.base, tuple(links.rows), status)


def _check_version(version: str, where: str) -> None:
    if version.partition(".")[0] != "1":
        raise FetchError(
            where, "unknown version of the index", expected="1.x", found=repr(version), hint="update airlock"
        )


def _not_an_index(where: str, found: str) -> FetchError:
    hint = "the URL of an index ends in /simple/ on most servers"
    return FetchError(where, "not a page of a simple index", found=found, hint=hint)


_TAG = re.compile(
    r"""<!--.*?(?:-->|\Z)|<(a|base|meta)(?=[\s/>])((?:[^<>"']++|"[^"]{0,8192}+"|'[^']{0,8192}+'){0,200}+)>""",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]*+)))?""", re.DOTALL
)


class Links:
    """The links of an HTML page. `html.parser` takes hours for a few kilobytes that somebody chose for it; these expressions
    never go back."""

    def __init__(self, url: str) -> None:
        self.base = url
        self.version = "1.0"
        self.status, self.reason = "active", ""
        self.rows: list[dict[str, Any]] = []

    def read(self, text: str) -> None:
        for match in _TAG.finditer(text):
            if match[1]:
                try:
                    self._take(match[1].lower(), _attributes(match[2]))
                except ValueError:
                    continue  # an address, or a character by number, that is none

    def _take(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "a" and (href := attributes.get("href")):
            self.rows.append(_row(href, attributes))
        elif tag == "base" and (href := attributes.get("href")):
            self.base = urljoin(self.base, href)
        elif tag == "meta":
            self._take_meta(attributes.get("name"), attributes.get("content") or "")

    def _take_meta(self, name: str | None, content: str) -> None:
        match name:
            case "pypi:repository-version":
                self.version = content
            case "pypi:project-status":
                self.status = content
            case "pypi:project-status-reason":
                self.reason = content


def _attributes(text: str) -> dict[str, str]:
    """By lower-case names, the first of each; empty where there is no value."""
    from html import unescape

    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        value = match[2] or match[3] or match[4] or ""
        found.setdefault(match[1].lower(), unescape(value) if "&" in value else value)
    return found


def _row(href: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    url, fragment = urldefrag(href)
    row: dict[str, Any] = {
        "filename": unquote(urlsplit(url).path.rpartition("/")[2]),
        "url": url,
        "hashes": _hashes(fragment),
        "requires-python": attributes.get("data-requires-python"),
        "provenance": attributes.get("data-provenance"),
        # PEP 592: the attribute without a value is a yank without a reason.
        "yanked": (attributes["data-yanked"] or True) if "data-yanked" in attributes else False,
    }
    for name in ("core-metadata", "dist-info-metadata"):
        value = attributes.get(f"data-{name}")
        if value:
            row[name] = _hashes(value) or True
    return row


def _hashes(text: str) -> dict[str, str]:
    match = re.search(r"(?:^|&)(\w+)=([0-9a-fA-F]+)", text)
    return {match[1].lower(): match[2].lower()} if match else {}
