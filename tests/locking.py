"""Lock a few lines of `[python]` against an index on the loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airlock.connected.lock import LockRequest, lock
from airlock.core.reporter import Silent
from airlock.formats.lockfile import Lockfile, parse_lockfile, write_lockfile
from airlock.formats.manifest import Manifest, parse_manifest
from airlock.kinds import NearSide, Upgrade
from airlock.kinds.registry import sections
from airlock.net import Network, PipConfiguration
from airlock.storage.store import Store
from tests.index_server import Index

PLANT = ("plant", "3.11", "manylinux_2_28_x86_64")


class Recorder(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass(slots=True, kw_only=True)
class Workplace:
    """A directory with a manifest, a cache, and an index."""

    directory: Path
    index: Index
    cache: Path
    targets: tuple[tuple[str, str, str], ...] = (PLANT,)
    exact: dict[str, str] = field(default_factory=dict)
    """Markers that every target states."""
    indexes: dict[str, str] = field(default_factory=dict)
    explicit: set[str] = field(default_factory=set)
    reporter: Recorder = field(default_factory=Recorder)

    def text(self, python: str) -> str:
        parts = ['[project]\nname = "plant-gateway"\nversion = "1.0"\n']
        for name, version, platform in self.targets:
            parts.append(f'[[target]]\nname = "{name}"\npython = "{version}"\nplatform = "{platform}"\n')
            if self.exact:
                exact = ", ".join(f'{key} = "{value}"' for key, value in self.exact.items())
                parts.append(f"markers = {{ {exact} }}\n")
        for name, url in ({"default": self.index.simple} | self.indexes).items():
            parts.append(f'[[index]]\nname = "{name}"\nurl = "{url}"\n')
            if name in self.explicit:
                parts.append("explicit = true\n")
        return "\n".join([*parts, f"[python]\n{python}\n"])

    def manifest(self, python: str) -> Manifest:
        return parse_manifest(self.text(python).encode(), "airlock.toml", sections(), self.directory)

    @contextmanager
    def near(self) -> Iterator[NearSide]:
        network = Network(self.cache / "http", PipConfiguration({}, self.reporter), attempts=3, backoff=0.001)
        try:
            yield NearSide(
                directory=self.directory,
                cache=self.cache,
                store=Store(self.cache / "store"),
                web=network,
                default_index=lambda: self.index.simple,
                reporter=self.reporter,
            )
        finally:
            network.close()

    def lock(
        self, python: str, *, previous: Lockfile | None = None, upgrade: Upgrade | None = None
    ) -> Lockfile:
        request = LockRequest(
            manifest=self.manifest(python),
            where="airlock.toml",
            directory=self.directory,
            previous=previous,
            upgrade=upgrade or Upgrade(),
        )
        with self.near() as near:
            result = lock(request, near)
        assert parse_lockfile(write_lockfile(result), "airlock.lock").inputs == result.inputs
        return result

    def pins(self, python: str, *, target: str = "plant") -> dict[str, str]:
        return pins(self.lock(python), target)


def pins(lockfile: Lockfile, target: str = "plant") -> dict[str, str]:
    return {artifact.name: artifact.version for artifact in lockfile.artifacts_for(target)}
