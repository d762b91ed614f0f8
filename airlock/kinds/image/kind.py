"""The kind `image`, put together. What a method needs is imported when it is called: most commands need little of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from airlock.core.artifact import Activation, Artifact
from airlock.core.digest import Digest
from airlock.core.expanded import Member
from airlock.formats.lockfile import LockedArtifact
from airlock.formats.manifest import Manifest
from airlock.kinds import Locked, NearSide, Newer, PinRequest, Room
from airlock.kinds.serving import Holding, Offer


class ImageKind:
    @property
    def name(self) -> str:
        return "image"

    @property
    def section(self) -> str:
        return "image"

    def opens(self, artifact: Artifact) -> bool:
        return False

    def fingerprint(self, manifest: Manifest, where: str, directory: Path) -> Digest:
        from airlock.kinds.image.inputs import fingerprint

        return fingerprint(manifest, where, directory)

    def pin(self, request: PinRequest) -> tuple[LockedArtifact, ...]:
        from airlock.kinds.image.pin import pin

        return pin(request)

    def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
        from airlock.kinds.image.obtain import obtain

        obtain(artifact, manifest, near)

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        from airlock.kinds.image.place import place

        place(artifact, contents, room)

    def assemble(
        self, name: str, artifacts: Sequence[Artifact], read: Callable[[Artifact], BinaryIO], out: BinaryIO
    ) -> None:
        from airlock.kinds.image.assemble import assemble

        assemble(name, artifacts, read, out)

    def newer(self, locked: Locked, near: NearSide) -> tuple[Newer, ...]:
        from airlock.kinds.image.newer import newer

        return newer(locked, near)

    def activation(self, artifacts: Sequence[Artifact]) -> tuple[Activation, ...]:
        from airlock.kinds.image.place import activation

        return activation(artifacts)

    def served(self, holdings: Sequence[Holding]) -> Mapping[str, Offer]:
        from airlock.kinds.image.serving import served

        return served(holdings)
