"""What an audit shows a kind of an installed tree, and what a kind may say of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from airlock.core.paths import SafePath
from airlock.core.tree import FileEntry, Tree
from airlock.formats.findings import Finding
from airlock.formats.index import BundleIndex
from airlock.storage.regular import open_below


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A generation, or a bundle laid out to be looked at."""

    index: BundleIndex
    folder: Path
    """Where the tree lies now."""
    home: str
    """The absolute path that it was made for: what scripts name."""
    tree: Tree
    """What was placed, by its path below the folder."""
    owners: Mapping[SafePath, str]
    """The label of the artifact that each path belongs to."""
    found: Tree
    """What lies there, recorded or not."""
    environment: Mapping[str, str]
    """Of whoever runs the audit; empty on the near side."""

    @property
    def added(self) -> list[SafePath]:
        """What nothing placed, sorted."""
        return sorted(self.found.keys() - self.tree.keys())

    def read(self, path: str, limit: int) -> bytes | None:
        """A file's bytes; None where it is absent, no file, or larger than `limit` bytes."""
        entry = self.found.get(SafePath(path))
        if not isinstance(entry, FileEntry) or entry.size > limit:
            return None
        with open_below(self.folder, SafePath(path)) as stream:
            data = stream.read(limit + 1)
        return data if len(data) <= limit else None


@runtime_checkable
class Audits(Protocol):
    """What a kind can do besides where its artifacts may use what no lock names."""

    def audit(self, audited: Audited) -> Iterator[Finding]:
        """Every dependency of its artifacts that the index does not name, and whatever else of the tree only this kind
        understands. Runs nothing. Raises OSError."""


@runtime_checkable
class Advised(Protocol):
    """What a kind can do besides whose artifacts databases of vulnerabilities know."""

    @property
    def ecosystem(self) -> str:
        """As the OSV schema names it."""

    def normal_name(self, name: str) -> str:
        """One spelling of a name of a package there."""

    def order(self, version: str) -> Any:
        """What compares as the versions of the ecosystem do. Raises ValueError for what is none."""


@runtime_checkable
class Supplies(Protocol):
    """What a kind can do besides whose artifacts are put onto the system itself, outside of the generation."""

    def supplied(self, audited: Audited) -> frozenset[str]:
        """File names of the shared libraries that they bring there. Raises OSError."""


@runtime_checkable
class Edited(Protocol):
    """A kind whose files people are expected to edit where they are installed."""

    @property
    def editable(self) -> bool:
        """True."""
