"""Whatever an index answers, reading it ends in rows, fewer rows, or a FetchError."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from airlock.core.target import Target
from airlock.core.web import Reply
from airlock.errors import FetchError
from airlock.kinds.wheel.releases import Wanted, releases, sdists
from airlock.kinds.wheel.simple import JSON_TYPE, read_page

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
