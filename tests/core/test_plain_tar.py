"""The tar of expanded forms, against the one that tarfile writes."""

import tarfile

from hypothesis import example, given
from hypothesis import strategies as st

from airlock.core.plain_tar import MAX_SIZE, header


@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=150), size=st.integers(0, MAX_SIZE))
@example(name="a" * 100, size=8**11 - 1)
@example(name="a" * 101, size=0)
@example(name="é" * 50, size=8**11)
@example(name="é" * 51, size=0)
def test_a_header_is_the_one_that_tarfile_writes(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    assert header(name, size) == info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
