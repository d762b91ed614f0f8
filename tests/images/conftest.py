"""A registry, and a project that locks images from it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airlock.connected.fetch import fetch
from airlock.connected.lock import LockRequest, lock
from airlock.core.artifact import Artifact
from airlock.formats.lockfile import Lockfile, parse_lockfile, write_lockfile
from airlock.formats.manifest import Manifest, parse_manifest
from airlock.kinds import NearSide, Upgrade
from airlock.kinds.registry import sections
from airlock.net import Network, PipConfiguration
from airlock.net.credentials import Credentials
from airlock.storage.store import Store
from tests.images.registry_server import Registry, serving
from tests.manifests import HEAD, NORTH, SOUTH
from tests.near_side import Recorder


@dataclass
class Project:
    """A directory with a manifest of two targets, `north` for x86_64 and `south` for aarch64, and a cache."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    """Where logins are looked for."""
    cache: str = "cache"
    reporter: Recorder = field(default_factory=Recorder)

    def manifest(self, text: str) -> Manifest:
        data = (HEAD + NORTH + SOUTH + text).encode()
        return parse_manifest(data, "airlock.toml", sections(), self.directory)

    @contextmanager
    def near(self) -> Iterator[NearSide]:
        pip = PipConfiguration({}, self.reporter)
        cache = self.directory / self.cache
        credentials = Credentials(pip, self.environment)
        network = Network(cache / "http", pip, credentials, attempts=2, backoff=0.001)
        try:
            yield NearSide(
                directory=self.directory,
                cache=cache,
                store=Store(cache / "store"),
                web=network,
                default_index=lambda: "https://index.example/simple/",
                reporter=self.reporter,
            )
        finally:
            network.close()

    def lock(self, text: str, previous: Lockfile | None = None, upgrade: Upgrade | None = None) -> Lockfile:
        """As it is read back."""
        request = LockRequest(
            manifest=self.manifest(text),
            where="airlock.toml",
            directory=self.directory,
            previous=previous,
            upgrade=upgrade or Upgrade(),
        )
        with self.near() as near:
            return parse_lockfile(write_lockfile(lock(request, near)), "airlock.lock")

    def fetch(self, lockfile: Lockfile, text: str = "") -> Store:
        with self.near() as near:
            fetch(lockfile, self.manifest(text), near)
            return near.store


def named(lockfile: Lockfile, target: str = "north") -> Mapping[str, Artifact]:
    return {one.name: one for one in lockfile.artifacts_for(target)}


def an_image(reference: str, **keys: str) -> str:
    """A section for one image, of the target `north` unless something else is said."""
    rows = {"reference": f'"{reference}"', "targets": '["north"]'} | keys
    return "[[image]]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items() if value)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(directory=tmp_path)
