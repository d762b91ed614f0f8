"""The kind `wheel`, put together. What a method needs is imported when it is called: most commands need little of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from airlock.core.artifact import Artifact
from airlock.core.canonical_json import dumps
from airlock.core.digest import Digest, digest_of, digest_of_stream
from airlock.core.expanded import Member
from airlock.core.graph import Graph
from airlock.core.target import Target
from airlock.errors import UsageError
from airlock.formats.findings import Finding
from airlock.formats.lockfile import Cutoff, LockedArtifact
from airlock.formats.manifest import Manifest
from airlock.formats.rows import write_target
from airlock.kinds import Disagreement, Export, Library, Locked, NearSide, Newer, PinRequest, Room
from airlock.kinds.audited import Audited
from airlock.kinds.carrier import Itself
from airlock.kinds.described import Description
from airlock.kinds.serving import Holding, Offer


class WheelKind:
    @property
    def name(self) -> str:
        return "wheel"

    @property
    def section(self) -> str:
        return "python"

    def opens(self, artifact: Artifact) -> bool:
        return True

    def fingerprint(self, manifest: Manifest, where: str, directory: Path) -> Digest:
        """The names of indexes count and their URLs do not: a mirror changes nothing."""
        from airlock.kinds.wheel.section import read_section, words

        section = read_section(manifest, where)
        return digest_of(
            dumps(
                {
                    **words(section),
                    "targets": [write_target(declared.target) for declared in manifest.targets],
                }
            )
        )

    def trees(self, manifest: Manifest, where: str, directory: Path) -> Mapping[str, Digest]:
        from airlock.kinds.wheel.section import read_section

        section, place = read_section(manifest, where), f"{where}: {self.section}"
        found = {"python.source": _tree(section.source, directory)} if section.source else {}
        return found | {
            f"python.requirements.{one.name} @ {one.place}": _content(one.place, directory, place)
            for one in section.references()
            if one.way == "path"
        }

    def pin(self, request: PinRequest) -> tuple[LockedArtifact, ...]:
        from airlock.kinds.wheel.pin import pin

        return pin(request)

    def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
        from airlock.kinds.wheel.obtain import obtain

        obtain(artifact, manifest, near)

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        from airlock.kinds.wheel.place import place_wheel

        place_wheel(artifact, contents, room)

    def described(self, artifact: Artifact, library: Library) -> Description:
        from airlock.kinds.wheel.described import described

        return described(artifact, library)

    def script(self) -> str:
        from importlib.resources import files

        return files("airlock.kinds.wheel").joinpath("kit.sh").read_text(encoding="utf-8")

    def itself(self, target: Target, given: Path | None) -> Itself:
        from airlock.kinds.wheel import itself

        return itself.given(given, target) if given else itself.itself(target)

    def cutoff(
        self, manifest: Manifest, where: str, previous: Cutoff | None, now: datetime | None
    ) -> Cutoff | None:
        from airlock.kinds.wheel.cutoff import fixed
        from airlock.kinds.wheel.section import read_section

        section = read_section(manifest, where)
        return fixed(section.exclude_newer, section.cooldown, previous, now)

    def graphs(self, locked: Locked, library: Library) -> tuple[Graph, ...]:
        from airlock.kinds.wheel.locked import graphs

        return graphs(locked, library)

    def problems(self, locked: Locked, library: Library) -> tuple[str, ...]:
        from airlock.kinds.wheel.locked import problems

        return problems(locked, library)

    def newer(self, locked: Locked, near: NearSide) -> tuple[Newer, ...]:
        from airlock.kinds.wheel.newer import newer

        return newer(locked, near)

    def exported(self, locked: Locked, target: Target, export: Export, library: Library) -> bytes:
        from airlock.kinds.wheel.standard import exported

        return exported(locked, target, export, library)

    def second_opinion(self, locked: Locked, library: Library) -> tuple[Disagreement, ...]:
        from airlock.kinds.wheel.second_opinion import second_opinion

        return second_opinion(locked, library)

    def served(self, holdings: Sequence[Holding]) -> Mapping[str, Offer]:
        from airlock.kinds.wheel.serving import served

        return served(holdings)

    @property
    def ecosystem(self) -> str:
        return "PyPI"

    def normal_name(self, name: str) -> str:
        from packaging.utils import canonicalize_name

        return canonicalize_name(name)

    def order(self, version: str) -> Any:
        from packaging.version import Version

        return Version(version)

    def audit(self, audited: Audited) -> Iterator[Finding]:
        from airlock.kinds.wheel.audit import audit_wheels

        return audit_wheels(audited)


def _content(path: str, directory: Path, where: str) -> Digest:
    """A digest of a local file, or of a tree."""
    place = directory / path
    if place.is_dir():
        return _tree(path, directory)
    if not place.is_file():
        raise UsageError(where, f"{path!r} cannot be read, there is no such file or directory")
    with place.open("rb") as stream:
        return digest_of_stream(stream)[0]


def _tree(source: str, directory: Path) -> Digest:
    """A digest of everything in the project's own tree that can change its wheel."""
    from airlock.kinds.wheel.building.trees import tree_digest

    found: Digest = tree_digest(directory / source)
    return found
