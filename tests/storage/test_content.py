"""Expanded forms are given to nobody before their digest was compared, and hold no more memory than they may."""

import io
import threading
import tracemalloc
from pathlib import Path

import pytest

from airlock.core.digest import digest_of
from airlock.errors import IntegrityError
from airlock.formats.index import Expanded
from airlock.storage.content import BUDGET, IN_MEMORY, Content, ahead, content_of
from airlock.storage.frames import compress, this_encoder


def frame_of(data: bytes) -> tuple[bytes, Expanded]:
    out = io.BytesIO()
    compress(io.BytesIO(data), len(data), out, this_encoder(1))
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
