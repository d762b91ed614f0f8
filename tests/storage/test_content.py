"""Expanded forms are given to nobody before their digest was compared, and hold no more memory than they may."""

import gzip
import io
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from airlock.core import codecs
from airlock.core.digest import digest_of
from airlock.core.expanded import PORTABLE, form_named
from airlock.core.forms.zlib_container import Zlib
from airlock.errors import IntegrityError
from airlock.formats.index import Expanded, frame_name
from airlock.storage.archive import Archive
from airlock.storage.content import (
    BUDGET,
    IN_MEMORY,
    BundleSupply,
    Content,
    Turns,
    ahead,
    content_of,
    held_back,
    with_files,
)
from airlock.storage.frames import compress, this_encoder
from tests.far.bundles import archive_of


def frame_of(data: bytes) -> tuple[bytes, Expanded]:
    out = io.BytesIO()
    compress(io.BytesIO(data), len(data), out, this_encoder(1, codecs.PORTABLE))
    return out.getvalue(), Expanded(form="raw/1", size=len(data), digest=digest_of(data))


def content(name: str, size: int = 1) -> Content:
    expanded = Expanded(form="raw/1", size=size, digest=digest_of(name.encode()))
    return Content(expanded=expanded, where=name, held=name.encode())


def test_a_frame_of_other_content_is_refused(tmp_path: Path) -> None:
    frame, _ = frame_of(b"one")
    _, other = frame_of(b"two")
    with pytest.raises(IntegrityError, match="does not match its digest"):
        content_of(io.BytesIO(frame), other, "frame", tmp_path)


def test_a_large_content_lies_in_a_file_that_leaves_nothing_behind(tmp_path: Path) -> None:
    data = bytes(IN_MEMORY + 1)
    frame, expanded = frame_of(data)
    del data
    tracemalloc.start()
    try:
        held = content_of(io.BytesIO(frame), expanded, "frame", tmp_path)
        sizes = [sum(map(len, member.chunks)) for member in held.members()]
        held.close()
        assert sizes == [IN_MEMORY + 1]
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert list(tmp_path.iterdir()) == []


def test_contents_come_in_order_though_they_are_made_ahead() -> None:
    names = [str(number) for number in range(40)]
    jobs = [(1, lambda name=name: content(name)) for name in names]
    assert [each.where for each in ahead(jobs)] == names


def test_what_is_made_ahead_keeps_to_the_budget() -> None:
    lock, held, most = threading.Lock(), 0, 0

    def make() -> Content:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return content("x")

    for _ in ahead([(BUDGET // 3, make)] * 20):
        with lock:
            held -= 1
    assert most <= 4


def test_the_first_fault_ends_it_and_says_which() -> None:
    def broken() -> Content:
        raise IntegrityError("second", "damaged")

    seen = []
    with pytest.raises(IntegrityError, match="second"):
        for each in ahead([(1, lambda: content("first")), (1, broken), (1, lambda: content("third"))]):
            seen.append(each.where)
    assert seen == ["first"]


Pack = Callable[[bytes], bytes]


def gzipped(data: bytes) -> bytes:
    """What the native crate makes, where it is."""
    return gzip.compress(data, 6, mtime=0)


def deflated(data: bytes) -> bytes:
    """What no crate makes."""
    return zlib.compress(data, 6)


def nested(count: int, size: int = 200, pack: Pack = gzipped) -> tuple[Expanded, bytes, dict[str, bytes]]:
    """A zip with so many compressed files: its expanded form, and what is in it."""
    rows = b"".join(b"row %d of the table\n" % (n % 40) for n in range(size))
    files = {f"data/{n}.json.gz": pack(rows + b"%d" % n) for n in range(count)}
    files |= {"plain.txt": b"plain"}
    original, expanded = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(original, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert form_named("tree/1", "test").expand(original, expanded, PORTABLE)
    data = expanded.getvalue()
    return Expanded(form="tree/1", size=len(data), digest=digest_of(data)), data, files


@pytest.mark.parametrize("pack", [gzipped, deflated])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 41])
def test_files_that_have_to_be_made_are_made_ahead_by_however_many_threads(count: int, pack: Pack) -> None:
    expanded, data, files = nested(count, pack=pack)
    held = with_files(held_back(iter([data]), expanded, "test", None))
    assert held.files is not None
    found = {member.name: (member.size, b"".join(member.chunks)) for member in held.members()}
    assert found == {name: (len(data), data) for name, data in files.items()}
    assert [member.name for member in held.members()] == list(files)


@pytest.mark.parametrize("pack", [gzipped, deflated])
def test_more_files_to_be_made_than_may_be_held_are_made_when_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, pack: Pack
) -> None:
    expanded, data, files = nested(20, pack=pack)
    monkeypatch.setattr("airlock.storage.content.MADE", 19 * len(files["data/0.json.gz"]))
    held = with_files(held_back(iter([data]), expanded, "test", None))
    assert held.files is None
    assert {member.name: b"".join(member.chunks) for member in held.members()} == files


def test_the_largest_of_a_bundle_comes_first() -> None:
    sizes = {name: len(name) for name in ("b", "aaa", "cc", "d")}
    frames = {name: frame_of(name.encode()) for name in sizes}
    members = {frame_name(expanded.digest): frame for frame, expanded in frames.values()}
    supply = BundleSupply(Archive(io.BytesIO(archive_of(members)), "bundle"))
    wanted = [expanded for _, expanded in frames.values()]
    orders = [
        [each.expanded.size for each in supply.contents(order, None)] for order in (wanted, wanted[::-1])
    ]
    assert orders == [[3, 2, 1, 1]] * 2


@pytest.mark.parametrize("fails", [False, True])
def test_turns_are_taken_in_their_order_though_one_fails(fails: bool) -> None:
    turns, seen = Turns(), list[int]()

    def take(number: int) -> None:
        with turns.wait(number):
            seen.append(number)
            if fails and number == 1:
                raise ValueError

    others = [threading.Thread(target=take, args=(number,), daemon=True) for number in (3, 2)]
    for other in others:
        other.start()
    take(0)
    with pytest.raises(ValueError) if fails else nullcontext():
        take(1)
    for other in others:
        other.join()
    assert seen == [0, 1, 2, 3]


def test_a_fault_in_a_file_that_the_second_thread_makes_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    expanded, data, _ = nested(40, pack=deflated)
    main = threading.current_thread()
    begun = threading.Event()

    def build(self: Zlib, parts: Iterator[Iterator[bytes]]) -> Iterator[bytes]:
        if threading.current_thread() is not main:
            begun.set()
            raise IntegrityError("second thread", "damaged")
        yield b"".join(next(parts))
        seen.append(1)
        if len(seen) > 16:
            begun.wait(30)

    seen: list[int] = []
    monkeypatch.setattr(Zlib, "build", build)
    with pytest.raises(IntegrityError, match="second thread"):
        with_files(held_back(iter([data]), expanded, "test", None))
