"""Source distributions made for the well-known backends, built with them from the real index."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock.cli.near import near_side
from airlock.cli.session import Session
from airlock.core.target import Target
from airlock.formats.manifest import parse_manifest
from airlock.kinds import NearSide, PinRequest, Upgrade
from airlock.kinds.registry import sections
from airlock.kinds.wheel.building.machine import platform
from airlock.kinds.wheel.building.sources import Source
from airlock.kinds.wheel.client import IndexClient
from airlock.kinds.wheel.sdists import Sdists, stored_source
from airlock.kinds.wheel.section import read_section
from airlock.storage.store import Store
from tests.sdist_factory import archive

pytestmark = pytest.mark.live

PROJECT = '[project]\nname = "thing"\nversion = "1.0"\ndescription = "A thing"\n'
MODULE = b'"""A thing."""\n'
NATIVE = b"""
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_thing", __FILE__, -1, NULL};
PyMODINIT_FUNC PyInit__thing(void) { return PyModule_Create(&module); }
"""
SETUP = b'from setuptools import setup, Extension\nsetup(name="thing", version="1.0", ext_modules=[Extension("_thing", ["src/thing.c"])])\n'
BACKENDS: dict[str, tuple[str | None, dict[str, bytes]]] = {
    "setuptools": ('requires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"', {}),
    "flit": ('requires = ["flit-core>=3.9"]\nbuild-backend = "flit_core.buildapi"', {}),
    "hatchling": ('requires = ["hatchling"]\nbuild-backend = "hatchling.build"', {}),
    "poetry": ('requires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"', {}),
    "pdm": ('requires = ["pdm-backend"]\nbuild-backend = "pdm.backend"', {}),
    "legacy": (None, {"setup.py": SETUP.replace(b'Extension("_thing", ["src/thing.c"])', b"")}),
    "native": (None, {"setup.py": SETUP, "src/thing.c": NATIVE}),
}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Sdists, NearSide]]:
    target = (
        f'name = "here"\npython = "{sys.version_info[0]}.{sys.version_info[1]}"\nplatform = "{platform()}"\n'
    )
    text = f'[project]\nname = "a"\nversion = "1"\n[[target]]\n{target}[python]\nrequirements = []\n'
    manifest = parse_manifest(text.encode(), "airlock.toml", sections())
    section = read_section(manifest, "airlock.toml")
    session = Session.from_environment({**os.environ, "AIRLOCK_CACHE": str(tmp_path / "cache")}, quiet=True)
    with (
        near_side(session, tmp_path) as near,
        IndexClient(near, section, manifest.indexes) as client,
    ):
        request = PinRequest(
            manifest=manifest, where="airlock.toml", near=near, previous=None, upgrade=Upgrade()
        )
        yield Sdists(request, section, client), near


def source(backend: str, store: Store) -> Source:
    system, files = BACKENDS[backend]
    members = {"thing.py": MODULE, **files}
    if system is not None:
        members["pyproject.toml"] = f"{PROJECT}[build-system]\n{system}\n".encode()
    data = archive({f"thing-1.0/{path}": content for path, content in members.items()})
    digest, _ = store.put([data])
    return stored_source("thing 1.0", "thing-1.0.tar.gz", digest, store)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_builds_the_same_wheel_twice(shop: tuple[Sdists, NearSide], backend: str) -> None:
    sdists, near = shop
    target = Target(
        name="here",
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        platform=platform() or "",
        prefix="",
    )
    built = sdists.tree(source(backend, near.store), target)
    assert (built.name, str(built.version)) == ("thing", "1.0")
    assert built.reproducible, built.differing
    assert built.tools.artifacts
