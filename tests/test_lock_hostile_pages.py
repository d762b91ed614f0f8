"""Whatever an index answers, reading it ends in rows, fewer rows, or a FetchError."""

import json
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from airlock.core.target import Target
from airlock.core.web import Reply
from airlock.errors import FetchError
from airlock.kinds.wheel.releases import Wanted, releases, sdists
from airlock.kinds.wheel.simple import JSON_TYPE, Links, read_page

TARGET = Target(name="plant", python="3.11", platform="manylinux_2_28_x86_64", prefix="")
NAME = canonicalize_name("lib")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FILES = st.sampled_from(["lib-1.0-py3-none-any.whl", "lib-2-1-py3-none-any.whl", "lib-1.tar.gz", "lib.whl"])
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "filename": FILES | ANYTHING,
        "url": st.just("http://[::1") | st.text(max_size=12) | ANYTHING,
        "hashes": st.just({"sha256": "0" * 64}) | ANYTHING,
        "size": ANYTHING,
        "yanked": ANYTHING,
        "requires-python": st.sampled_from([">=3", "what?"]) | ANYTHING,
        "upload-time": st.sampled_from(["2026-08-01", "2026-08-01T00:00:00Z"]) | ANYTHING,
        "core-metadata": ANYTHING,
    },
)


def read(body: bytes, kind: str) -> None:
    reply = Reply(
        status=200, url="https://index.example/simple/lib/", headers={"content-type": kind}, body=body
    )
    try:
        page = read_page(reply, "default", "lib")
    except FetchError:
        return
    found = releases(page, NAME, Wanted(target=TARGET, exclude_newer=None))
    assert all(file.file.startswith("lib-") and "/" not in file.file for file in found.values())
    list(sdists(page, NAME))


@given(st.lists(ROWS | ANYTHING, max_size=5))
def test_any_json_rows(rows: list[Any]) -> None:
    read(json.dumps({"meta": {"api-version": "1.4"}, "files": rows}).encode(), JSON_TYPE)


@given(ANYTHING)
def test_any_json(document: Any) -> None:
    read(json.dumps(document).encode(), JSON_TYPE)


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
def test_any_bytes_as_json(body: bytes) -> None:
    read(body, JSON_TYPE)


@given(st.text(alphabet='<>a href="lib-1.0-py3-none-any.whl#sha256=[&;/base!-', max_size=80))
@example('<base href="http://[x"><a href="lib-1.0-py3-none-any.whl">')
@example('<a href="http://[x/lib-1.0-py3-none-any.whl">')
def test_any_html(text: str) -> None:
    read(text.encode(), "text/html")


class _Reference(HTMLParser):
    """The links by another parser."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes: dict[str, str] = {}
        for name, value in attrs:
            attributes.setdefault(name, value or "")
        if tag == "a" and attributes.get("href"):
            self.found.append(attributes)


VALUES = st.text(alphabet="abc.-/#=&<>é\"' \n", max_size=10)
QUOTED = VALUES.map(lambda text: f'"{escape(text)}"') | VALUES.filter(lambda text: "'" not in text).map(
    lambda text: "'" + text.replace("&", "&amp;").replace("<", "&lt;") + "'"
)
NAMES = st.sampled_from(["href", "HREF", "data-yanked", "data-requires-python", "class", "rel"])
ATTRIBUTES = st.lists(st.tuples(NAMES, QUOTED | st.just("")), max_size=4)
SPACE = st.sampled_from([" ", "\n", "  "])


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "A", "b", "abbr"]), ATTRIBUTES, SPACE, st.sampled_from(["", "/"]))
    )
)
def test_links_are_those_that_another_parser_finds(
    tags: list[tuple[str, list[tuple[str, str]], str, str]],
) -> None:
    text = "".join(
        f"<{tag}{''.join(f'{space}{name}' + (f'={value}' if value else '') for name, value in found)}{end}>text</{tag}>"
        for tag, found, space, end in tags
    )
    links, reference = Links("https://index.example/"), _Reference()
    links.read(text)
    reference.feed(text)
    assert [row["url"] for row in links.rows] == [urldefrag(one["href"]).url for one in reference.found]
    assert [row["yanked"] for row in links.rows] == [
        (one["data-yanked"] or True) if "data-yanked" in one else False for one in reference.found
    ]


@pytest.mark.parametrize(
    "unit", ["<a ", "<!--", "<a x='", "<a href=", "<", "<meta ", '<a "<a "x', "<a '<a \"x'", "<a x = ", "&#9"]
)
def test_markup_that_was_chosen_to_be_slow_is_read(unit: str) -> None:
    """`html.parser` takes minutes for a hundredth of it."""
    read((unit * (2_000_000 // len(unit))).encode(), "text/html")
    read(f'<a href="{unit * (2_000_000 // len(unit))}">'.encode(), "text/html")


@pytest.mark.parametrize("digits", [300, 5_000])
def test_numbers_too_long_to_count_with_are_left_out(digits: int) -> None:
    number = "9" * digits
    rows: list[dict[str, Any]] = [
        {"filename": f"lib-{number}-py3-none-any.whl", "url": "x.whl"},
        {"filename": f"lib-{number}.tar.gz", "url": "x.tar.gz"},
        {"filename": f"lib-1-{number}-py3-none-any.whl", "url": "x.whl", "requires-python": f">={number}"},
    ]
    read(json.dumps({"meta": {"api-version": "1.4"}, "files": rows}).encode(), JSON_TYPE)
