"""Installed wheels, as an audit needs them: whose file is whose, and what each says of itself."""

import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from installer.utils import parse_entrypoints
from packaging.utils import NormalizedName, canonicalize_name

from airlock.core.artifact import Artifact
from airlock.core.expanded import Member
from airlock.core.paths import SafePath
from airlock.kinds.audited import Audited
from airlock.kinds.wheel.audit.modules import Modules
from airlock.kinds.wheel.metadata import Metadata, Unusable, parse_metadata
from airlock.kinds.wheel.releases import parsed_version
from airlock.kinds.wheel.remote import MAX_METADATA

KIND = "wheel"
MAX_SMALL = 1 << 20
"""Bytes of the other files that describe a wheel."""
_TESTS = frozenset({"test", "tests", "testing", "_test", "_tests", "conftest", "docs", "doc", "examples"})
_TESTS |= {
    "example",
    "benchmarks",
    "benchmark",
    "sample",
    "samples",
    "demo",
    "demos",
    "_examples",
    "test_utils",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """An entry point that is a command."""

    name: str
    module: str


class Wheels:
    """All wheels of an audited tree."""

    _empty: ClassVar[Metadata] = Metadata(requirements=(), extras=frozenset(), requires_python="")

    def __init__(self, audited: Audited) -> None:
        self.audited = audited
        major, minor = audited.index.target.python_minor
        self.site = f"lib/python{major}.{minor}/site-packages/"
        self.artifacts: Mapping[str, Artifact] = {
            entry.artifact.label: entry.artifact
            for entry in audited.index.entries
            if entry.artifact.kind == KIND
        }
        self.by_name: Mapping[NormalizedName, Artifact] = {
            canonicalize_name(artifact.name): artifact for artifact in self.artifacts.values()
        }

    def owner(self, path: SafePath) -> str:
        """The label of the wheel that has a path; empty for what is no wheel's."""
        label = self.audited.owners.get(path, "")
        return label if label in self.artifacts else ""

    @cached_property
    def files(self) -> Mapping[str, list[SafePath]]:
        """Of each wheel, sorted."""
        found: dict[str, list[SafePath]] = {label: [] for label in self.artifacts}
        for path in sorted(self.audited.tree):
            if label := self.owner(path):
                found[label].append(path)
        return found

    @cached_property
    def modules(self) -> Modules:
        """Everything that can be imported once the environment runs, from files that the lock accounts for."""
        return Modules(self._importable())

    def _importable(self) -> Iterator[tuple[str, str]]:
        for path in self.audited.tree:
            if path.startswith(self.site):
                yield path[len(self.site) :], path

    def is_own(self, label: str) -> bool:
        """Whether it is the project's own wheel, whose code all counts."""
        artifact = self.artifacts.get(label)
        return artifact is not None and canonicalize_name(artifact.name) == self.audited.index.project.name

    def described(self, label: str) -> Metadata:
        """What a wheel says it needs; nothing where that cannot be read, which is reported elsewhere."""
        artifact = self.artifacts[label]
        try:
            data = b"".join(chunk for member in self.contents(artifact) for chunk in member.chunks)
            name = canonicalize_name(artifact.name)
            return parse_metadata(data, artifact.file, name, parsed_version(artifact.version))
        except Unusable:
            return self._empty

    def contents(self, artifact: Artifact) -> Iterator[Member]:
        """Its METADATA, as a member of the wheel; empty where it is not there any more."""
        folder = self._information.get(artifact.label, ".dist-info")
        data = self.audited.read(f"{self.site}{folder}/METADATA", MAX_METADATA) or b""
        yield Member(name=f"{folder}/METADATA", size=len(data), mode=0o644, chunks=iter((data,)))

    @cached_property
    def _information(self) -> Mapping[str, str]:
        """The `.dist-info` folder of each."""
        found = {}
        for label, paths in self.files.items():
            for path in paths:
                folder, _, name = path.removeprefix(self.site).partition("/")
                if name == "METADATA" and folder.endswith(".dist-info"):
                    found[label] = folder
        return found

    def scripts(self, label: str) -> Iterator[Script]:
        """The commands that a wheel declares."""
        folder = self._information.get(label, "")
        data = self.audited.read(f"{self.site}{folder}/entry_points.txt", MAX_SMALL)
        try:
            for name, module, _, _ in parse_entrypoints((data or b"").decode()):
                yield Script(name=name, module=module)
        except (ValueError, AssertionError, AttributeError, configparser.Error):
            return


def is_test(path: str) -> bool:
    """Whether a path is that of tests, examples or documentation, which no application loads."""
    parts = path.removesuffix(".py").split("/")
    return any(part in _TESTS or part.startswith("test_") or part.endswith("_test") for part in parts)
