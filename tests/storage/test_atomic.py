"""Writes of single files."""

import errno
from pathlib import Path

import pytest

from airlock.storage.atomic import replacing


def test_a_full_disk_is_named_by_the_file_that_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.airlock"
    with pytest.raises(OSError, match="No space left") as refused, replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert refused.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
