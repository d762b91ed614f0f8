"""A project, an index, and airlock as it is typed, for tests of the lock."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import Shell
from tests.index_server import Index, serving
from tests.locking import Workplace


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index(etags=True)) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    directory = tmp_path / "project"
    directory.mkdir()
    return Workplace(directory=directory, index=index, cache=tmp_path / "cache")


@pytest.fixture
def shell(place: Workplace, tmp_path: Path) -> Shell:
    return Shell(
        directory=place.directory,
        environment={
            "AIRLOCK_CACHE": str(place.cache),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(tmp_path / "uv"),
            "UV_PYTHON_DOWNLOADS": "never",
            "HOME": str(tmp_path),
        },
    )


def write(place: Workplace, python: str) -> None:
    (place.directory / "airlock.toml").write_text(place.text(python))


def lock_text(place: Workplace) -> str:
    return (place.directory / "airlock.lock").read_text()
