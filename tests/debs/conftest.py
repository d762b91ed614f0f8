"""One key for all: GnuPG takes a while to make one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.debs.archive import Archive, Key, new_key, serving

NEEDED = ("dpkg-deb", "gpg", "gpgv")


@pytest.fixture(scope="session")
def key() -> Iterator[Key]:
    if missing := [name for name in NEEDED if not shutil.which(name)]:
        pytest.skip(f"{missing[0]} is not installed")
    with new_key() as made:
        yield made


@pytest.fixture(scope="session")
def stranger(key: Key) -> Iterator[Key]:
    with new_key("stranger") as made:
        yield made


@pytest.fixture
def archive(tmp_path: Path, key: Key) -> Iterator[Archive]:
    with serving(Archive(root=tmp_path / "archive", key=key)) as served:
        yield served
