"""The kind `deb`, put together. What a method needs is imported when it is called."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from airlock.core.artifact import Artifact
from airlock.core.canonical_json import dumps
from airlock.core.digest import Digest, digest_of
from airlock.core.expanded import Member
from airlock.formats.lockfile import LockedArtifact
from airlock.formats.manifest import Manifest
from airlock.formats.rows import write_target
from airlock.kinds import Locked, NearSide, Newer, PinRequest, Room
from airlock.kinds.audited import Audited
from airlock.kinds.serving import Holding, Offer


class DebKind:
    name = "deb"
    section = "deb"

    def fingerprint(self, manifest: Manifest, where: str, directory: Path) -> Digest:
        from airlock.kinds.deb.section import read_sections, words

        targets = [write_target(declared.target) for declared in manifest.targets]
        sections = [words(section, directory) for section in read_sections(manifest, where)]
        return digest_of(dumps({"sections": sections, "targets": targets}))

    def pin(self, request: PinRequest) -> tuple[LockedArtifact, ...]:
        from airlock.kinds.deb.pin import pin

        return pin(request)

    def newer(self, locked: Locked, near: NearSide) -> tuple[Newer, ...]:
        from airlock.kinds.deb.newer import newer

        return newer(locked, near)

    def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
        from airlock.kinds.deb.obtain import obtain

        obtain(artifact, manifest, near)

    def supplied(self, audited: Audited) -> frozenset[str]:
        from airlock.kinds.deb.supplied import supplied_libraries

        return supplied_libraries(audited)

    def opens(self, artifact: Artifact) -> bool:
        from airlock.kinds.deb.rows import is_unpacked

        return is_unpacked(artifact)

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        from airlock.kinds.deb.place import place

        place(artifact, contents, room)

    def served(self, holdings: Sequence[Holding]) -> Mapping[str, Offer]:
        from airlock.kinds.deb.serving import served

        return served(holdings)
