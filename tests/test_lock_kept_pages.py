"""A page that was parsed before is not parsed again, and nothing about the lock tells which of the two happened."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from airlock.core.target import Target
from airlock.core.web import Reply
from airlock.kinds.wheel import metadata
from airlock.kinds.wheel.parsed import Parsed
from airlock.kinds.wheel.releases import Wanted, cut, releases, selected
from airlock.kinds.wheel.section import BuildPolicy
from airlock.kinds.wheel.simple import JSON_TYPE, page_of
from tests.index_server import Index, serving
from tests.locking import Workplace
from tests.wheel_factory import make_wheel

NAME = canonicalize_name("lib")
TARGET = Target(name="plant", python="3.11", platform="manylinux_2_28_x86_64", prefix="")
OTHER = Target(name="ship", python="3.12", platform="musllinux_1_2_aarch64", prefix="")
WANTED = Wanted(target=TARGET, exclude_newer=None)

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
)
FILES = st.sampled_from(
    [
        "lib-1.0-py3-none-any.whl",
        "lib-1.0-1-py3-none-any.whl",
        "lib-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "lib-1.0-cp312-cp312-musllinux_1_2_aarch64.whl",
        "lib-2.0-py2.py3-none-any.whl",
        "LIB-2.0-py3-none-any.whl",
        "other-9.0-py3-none-any.whl",
        "lib-3.0.tar.gz",
        "lib-3.0.zip",
        "lib-4.0-py3-none-any.whl",
        "lib-4.0-x-py3-none-any-any.whl",
        "lib-a/b-py3-none-any.whl",
        "lib-none-py3-none-any.whl",
    ]
)
URLS = st.sampled_from(
    [
        "https://files.example/a/lib.whl",
        "../../files/lib.whl",
        "/files/https%3A//x/lib.whl",
        "file:///etc/passwd",
        "http://[bad",
        "//other.example/lib.whl",
        "https://files.example:99999/lib.whl",
        "https:///lib.whl",
        "",
    ]
)
ROWS = st.fixed_dictionaries(
    {"filename": FILES, "url": URLS},
    optional={
        "hashes": st.just({"sha256": "ab" * 32}) | st.just({"sha256": "short"}) | ANYTHING,
        "size": st.integers() | ANYTHING,
        "yanked": st.just("broken") | ANYTHING,
        "requires-python": st.sampled_from([">=3", "<3"]) | ANYTHING,
        "upload-time": st.just("2026-08-01T00:00:00Z") | ANYTHING,
        "core-metadata": st.just({"sha256": "cd" * 32}) | ANYTHING,
        "dist-info-metadata": ANYTHING,
        "provenance": URLS | ANYTHING,
    },
)


@given(st.lists(ROWS, max_size=8), st.booleans())
def test_rows_that_were_kept_give_the_files_of_the_page(rows: list[dict[str, Any]], builds: bool) -> None:
    policy = BuildPolicy(packages=frozenset({NAME} if builds else ()))
    page = page_of("default", "https://index.example/simple/lib/", tuple(rows))
    fresh = releases(page, NAME, Wanted(target=TARGET, exclude_newer=None, build=policy))
    kept = selected(json.loads(json.dumps([cut(row) for row in fresh.rows()])), page, NAME)
    assert list(kept.items()) == list(fresh.items())
    assert kept.standing() == [version for version, file in fresh.items() if file.yanked is None]


def reply(*files: str, url: str = "https://index.example/simple/lib/") -> Reply:
    rows = [{"filename": file, "url": f"https://files.example/{file}", "hashes": {}} for file in files]
    body = json.dumps({"meta": {"api-version": "1.0"}, "files": rows}).encode()
    return Reply(status=200, url=url, headers={"content-type": JSON_TYPE}, body=body)


def found(parsed: Parsed, answer: Reply, wanted: Wanted = WANTED) -> list[str]:
    page = parsed.page(answer, "default", "lib")
    return [file.file for file in parsed.releases(page, NAME, wanted).values()]


ONE = "lib-1.0-py3-none-any.whl"
TWO = "lib-2.0-py3-none-any.whl"


def test_an_unchanged_page_is_not_parsed_again(tmp_path: Path) -> None:
    assert found(Parsed(tmp_path), reply(ONE, TWO)) == [TWO, ONE]
    parsed = Parsed(tmp_path)
    page = parsed.page(reply(ONE, TWO), "default", "lib")
    assert [file.file for file in parsed.releases(page, NAME, WANTED).values()] == [TWO, ONE]
    assert "rows" not in vars(page)


def test_a_changed_page_is_parsed_again(tmp_path: Path) -> None:
    assert found(Parsed(tmp_path), reply(ONE)) == [ONE]
    assert found(Parsed(tmp_path), reply(ONE, TWO)) == [TWO, ONE]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(target=TARGET, exclude_newer=datetime(2026, 1, 1, tzinfo=UTC)),
        Wanted(target=OTHER, exclude_newer=None),
        Wanted(target=TARGET, exclude_newer=None, build=BuildPolicy(always=frozenset({NAME}))),
    ],
    ids=["cutoff", "target", "builds"],
)
def test_what_was_kept_for_another_question_is_not_taken(tmp_path: Path, wanted: Wanted) -> None:
    native = "lib-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    assert found(Parsed(tmp_path), reply(native)) == [native]
    assert found(Parsed(tmp_path), reply(native), wanted) == []
    assert found(Parsed(tmp_path), reply(native)) == [native]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:-7],
    "another byte": lambda data: data.replace(b"lib-2.0", b"lib-9.0"),
    "not JSON": lambda data: b"\0" * len(data),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_record_is_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    assert found(Parsed(tmp_path), reply(ONE, TWO)) == [TWO, ONE]
    (record,) = (tmp_path / "pages").iterdir()
    record.write_bytes(damage(record.read_bytes()))
    assert found(Parsed(tmp_path), reply(ONE, TWO)) == [TWO, ONE]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("not a folder")
    assert found(Parsed(tmp_path), reply(ONE, TWO)) == [TWO, ONE]


def test_two_indexes_do_not_share_a_record(tmp_path: Path) -> None:
    parsed = Parsed(tmp_path)
    first = parsed.page(reply(ONE), "default", "lib")
    second = parsed.page(reply(ONE), "corp", "lib")
    files = [parsed.releases(page, NAME, WANTED).values() for page in (first, second)]
    assert [file.index for one in files for file in one] == ["default", "corp"]


def test_a_revalidated_page_costs_one_request_and_metadata_none(tmp_path: Path) -> None:
    with serving(Index(etags=True, metadata="advertised")) as index:
        index.add(make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "1.0"))
        place = Workplace(directory=tmp_path, index=index, cache=tmp_path / "cache")
        first = place.pins('requirements = ["app"]')
        assert sorted(status for _, _, status in index.log) == [200] * 4
        index.log.clear()
        assert place.pins('requirements = ["app"]') == first
        assert [status for _, _, status in index.log] == [304, 304]


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Name", "name", "Version", "Requires-Dist", "Provides-Extra", "Summary", "X: y", "", " z"]
        ),
        st.sampled_from([":", " :", ": ", ""]),
        st.text(alphabet="ab;=' \t\r", max_size=6),
        st.sampled_from(["\n", "\r\n", "\r", "\n more\n", "\n\n"]),
    ),
    max_size=8,
)
READ = ("name", "version", "requires_dist", "provides_extra", "requires_python")


@given(HEADERS)
def test_the_headers_that_matter_say_what_all_of_them_say(headers: list[tuple[str, str, str, str]]) -> None:
    data = "".join(part for header in headers for part in header).encode()
    whole, _ = parse_email(data.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n\n")
    part, _ = parse_email(metadata.telling(data))
    assert [part.get(key) for key in READ] == [whole.get(key) for key in READ]
    found = metadata.headers_of(data)
    assert [getattr(found, key) or None for key in READ] == [whole.get(key) or None for key in READ]


LINES = st.lists(
    st.tuples(
        st.sampled_from(
            ["Name", "nAmE", "Version", "Requires-Dist", "requires-dist", "Provides-Extra", "Keywords"]
        ),
        st.sampled_from([":", ": ", ":  ", ":\t"]),
        st.text(alphabet="ab;=' é", max_size=6),
    ),
    max_size=8,
)


@given(LINES)
def test_plain_headers_are_read_as_a_parser_of_mail_reads_them(lines: list[tuple[str, str, str]]) -> None:
    data = "".join(f"{''.join(parts)}\n" for parts in lines).encode() + b"\ntext"
    whole, _ = parse_email(data)
    headers = metadata.headers_of(data)
    assert [getattr(headers, key) or None for key in READ] == [whole.get(key) or None for key in READ]
