"""A page that was cut to what the targets can take gives them the files of the whole page."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.native import native
from airlock.core.target import Target
from airlock.core.web import Reply
from airlock.errors import FetchError
from airlock.kinds.wheel.releases import Wanted, expanded_tags, releases
from airlock.kinds.wheel.section import BuildPolicy
from airlock.kinds.wheel.sieve import Sieve
from airlock.kinds.wheel.simple import JSON_TYPE, Page, read_page
from tests.native import needs_native
from tests.test_lock_kept_pages import ANYTHING, NAME, OTHER, ROWS, TARGET

pytestmark = needs_native
URL = "https://index.example/simple/lib/"
FOREIGN = Target(name="mine", python="3.9", platform="macosx_11_0_arm64", prefix="")


def reply(body: bytes, *, packed: bool = False) -> Reply:
    body = gzip.compress(body, 1) if packed else body
    return Reply(status=200, url=URL, headers={"content-type": JSON_TYPE}, body=body, gzipped=packed)


def cut(answer: Reply, *targets: Target, sdists: bool = False) -> Page | None:
    return Sieve(targets or (TARGET,)).cut(answer, "default", "lib", sdists=sdists)


def document(rows: list[Any], **more: object) -> dict[str, object]:
    return {"meta": {"api-version": "1.0"}, "files": rows} | more


def files(page: Page, target: Target, *, builds: bool = False) -> list[object]:
    policy = BuildPolicy(packages=frozenset({NAME} if builds else ()))
    return list(releases(page, NAME, Wanted(target=target, exclude_newer=None, build=policy)).items())


@given(
    st.lists(ROWS | ANYTHING, max_size=8),
    st.dictionaries(st.sampled_from(["project-status", "a\\", 'b"', "versions"]), ANYTHING),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_nothing_is_missed_of_what_was_cut_away(
    rows: list[Any], more: dict[str, object], packed: bool, builds: bool, indent: int | None
) -> None:
    answer = reply(json.dumps(document(rows, **more), indent=indent).encode(), packed=packed)
    whole, part = read_page(answer, "default", "lib"), cut(answer, TARGET, OTHER, sdists=builds)
    assert part is not None or any("\\" in key or '"' in key for key in more)
    for target in (TARGET, OTHER) if part else ():
        assert part is not None and part.head == whole.head
        assert files(part, target, builds=builds) == files(whole, target, builds=builds)


def test_rows_for_other_machines_are_gone() -> None:
    names = [
        *("lib-1.0-py3-none-any.whl", "lib-1.0-cp39-cp39-macosx_11_0_arm64.whl", "lib-1.0.tar.gz"),
        *(
            "lib-1.0-2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "lib-1.0-cp39-cp39-win32.whl",
        ),
    ]
    answer = reply(json.dumps(document([{"filename": name, "url": name} for name in names])).encode())

    def left(*targets: Target, sdists: bool = False) -> list[int]:
        page = cut(answer, *targets, sdists=sdists)
        assert page is not None
        return [names.index(row["filename"]) for row in page.rows]

    assert left(TARGET) == [0, 3]
    assert left(TARGET, sdists=True) == [0, 2, 3]
    assert left(TARGET, FOREIGN) == [0, 1, 3]


def test_a_page_of_which_nothing_is_left_still_had_files() -> None:
    page = cut(reply(json.dumps(document([{"filename": "lib-1.0-cp39-cp39-win32.whl"}])).encode()))
    assert page is not None
    assert (page.rows, page.head.has_files) == ((), True)


ROW = '{"filename": "lib-1.0-cp39-cp39-win32.whl", "url": "x"}'
META = '"meta": {"api-version": "1.0"}'


@pytest.mark.parametrize(
    "text",
    [
        "{META, 'files': []}",
        '{META, "files": [], "files": [ROW]}',
        '{META, "fi\\u006ces": [ROW], "files": []}',
        '{META, "files": {}}',
        '{META, "files": [ROW}',
        '{META, "files": [ROW]} more',
        '{META, "files": [ROW,]}',
        "{META}",
        "[]",
        "",
        '{"files": "unfinished',
        '{"files": "unfinished\\',
        '{META, "deep": DEEP, "files": []}',
    ],
)
def test_what_is_odd_is_left_to_a_parser_of_json(text: str) -> None:
    for word, meant in (("META", META), ("ROW", ROW), ("DEEP", "[" * 100 + "]" * 100)):
        text = text.replace(word, meant)
    assert cut(reply(text.encode())) is None


@pytest.mark.parametrize(
    "row",
    [
        '{"file\\u006eame": "lib-1.0-py3-none-any.whl"}',
        '{"filename": "lib-1.0-cp39-cp39-win32.whl", "filename": "lib-1.0-py3-none-any.whl"}',
        '{"filename": "lib-1.0-py3-none-any.wh\\u006c"}',
        '{"filename": "lib.whl"}',
    ],
)
def test_a_row_that_is_odd_is_kept(row: str) -> None:
    page = cut(reply(f'{{"meta": {{"api-version": "1.0"}}, "files": [{row}]}}'.encode()))
    assert page is not None
    assert list(page.rows) == [json.loads(row)]


@pytest.mark.parametrize(("count", "fits"), [(64, True), (65, False), (10_000, False)])
def test_a_file_with_too_many_tags_is_for_no_target(count: int, fits: bool) -> None:
    """As many again as there are pairs of its interpreters and platforms."""
    name = f"lib-1.0-py3.a.b.c-none-any{'.x' * (count - 1)}.whl"
    answer = reply(json.dumps(document([{"filename": name, "url": name}])).encode())
    page = cut(answer)
    assert page is not None
    assert bool(page.rows) is fits
    assert bool(expanded_tags(*name.removesuffix(".whl").split("-")[2:])) is fits


def test_tags_that_multiply_without_end_are_not_gone_through() -> None:
    sets = ".".join("x" * 20_000)
    name = f"lib-1.0-{sets}-{sets}-{sets}.whl"
    answer = reply(json.dumps(document([{"filename": name, "url": name}])).encode())
    page = cut(answer)
    assert page is not None and page.rows == ()
    assert files(read_page(answer, "default", "lib"), TARGET) == []


def test_packed_pages_that_break_off_swell_or_go_on_are_left_to_python() -> None:
    body = json.dumps(document([])).encode()
    packed = gzip.compress(body)
    for broken in (packed[:-1], packed + packed, b"", b"\x1f\x8b", packed[:10] + b"\xff" * 20):
        answer = Reply(status=200, url=URL, headers={"content-type": JSON_TYPE}, body=broken, gzipped=True)
        assert cut(answer) is None
    crate = native()
    assert crate is not None
    sieve = crate.RowFilter([])
    assert sieve.cut(packed, True, len(body), False) == (body, False)
    assert sieve.cut(packed, True, len(body) - 1, False) is None
    assert sieve.cut(gzip.compress(bytes(1 << 24)), True, 1 << 20, False) is None


def test_bytes_that_are_no_text_are_left_to_python() -> None:
    assert cut(reply(json.dumps(document(["x"])).encode().replace(b'"x"', b'"\xff"'))) is None
    assert cut(reply(json.dumps(document([])).encode("utf-16"))) is None


def test_what_is_left_must_be_a_page() -> None:
    with pytest.raises(FetchError, match="unknown version of the index"):
        cut(reply(b'{"meta": {"api-version": "9.0"}, "files": []}'))
    with pytest.raises(FetchError, match="not a page of a simple index"):
        cut(reply(b'{"files": []}'))
