"""Where the files of a new generation are written, beside the one in use: what that has as well is shared with it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from airlock.airgapped.reuse import predecessors
from airlock.airgapped.site import Site, directory_of, staging_of
from airlock.airgapped.stage import Predecessor, new_file
from airlock.core.digest import Digest, digest_of
from airlock.core.expanded import SAME
from airlock.core.paths import SafePath
from airlock.core.target import Target
from airlock.core.tree import FileEntry, Tree
from airlock.errors import IntegrityError
from airlock.kinds import Earlier, Placing
from airlock.storage.disk import Disk, KeptFile, NewFile, Source
from airlock.storage.regular import read_regular

_HELD = 32 << 20
"""Bytes of files that are held at a time while they are made of earlier ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """Writes below the staging directory."""

    root: Path
    disk: Disk
    folder: str
    shared: str = ""
    """The folder of the generation in use, and what it consists of."""
    known: Tree = field(default_factory=dict)
    makers: Mapping[SafePath, Predecessor] = field(default_factory=dict)

    @classmethod
    def beside_current(cls, site: Site, number: int, target: Target) -> "Staging":
        """`target` is that of the new generation."""
        if (current := site.current_generation()) is None:
            return cls(root=site.root, disk=site.disk, folder=staging_of(number))
        made_of = predecessors(site, current, target)
        return cls(
            root=site.root,
            disk=site.disk,
            folder=staging_of(number),
            shared=directory_of(current.content),
            known=current.tree,
            makers={path: made_of[label] for path, label in current.owners.items() if label in made_of},
        )

    def file(self, path: SafePath, chunks: Iterable[bytes], mode: int) -> tuple[Digest, int]:
        like = f"{self.shared}/{path}" if path in self.known else ""
        return self.disk.write(f"{self.folder}/{path}", chunks, mode, like)

    def files(self, source: Source, files: Sequence[Placing]) -> list[Digest]:
        folder = f"{self.folder}/"
        return self.disk.write_all([new_file(source, file, folder, self._like(file)) for file in files])

    def _like(self, file: Placing) -> str:
        match self.known.get(file.path):
            case FileEntry(size=file.size, mode=file.mode):
                return f"{self.shared}/{file.path}"
        return ""

    def link(self, path: SafePath, target: str) -> None:
        self.disk.symlink(target, f"{self.folder}/{path}")

    def take_over(self, source: Predecessor, files: Sequence[Earlier]) -> list[FileEntry | None]:
        known = {
            file: entry
            for file in files
            if isinstance(entry := self.known.get(file.path), FileEntry)
            and self.makers.get(file.path) == source
        }
        made = self._linked({file: entry for file, entry in known.items() if file.splice == SAME})
        left, held = dict[Earlier, bytes](), 0
        for file, entry in known.items():
            if file.splice != SAME and (data := self._spliced(file, entry)) is not None:
                left[file], held = data, held + len(data)
            if held > _HELD:
                made |= self._written(left)
                left, held = {}, 0
        made |= self._written(left)
        return [made.get(file) for file in files]

    def _linked(self, files: Mapping[Earlier, FileEntry]) -> dict[Earlier, FileEntry]:
        same = {file: entry for file, entry in files.items() if file.mode == entry.mode}
        rows = [
            KeptFile(f"{self.folder}/{path}", f"{self.shared}/{path}", mode, entry.size, entry.digest)
            for (path, mode, _), entry in same.items()
        ]
        done = self.disk.link_all(rows)
        return {file: entry for (file, entry), made in zip(same.items(), done, strict=True) if made}

    def _spliced(self, file: Earlier, entry: FileEntry) -> bytes | None:
        """None where the earlier file is not as it was recorded, or too large to be held."""
        if entry.size > _HELD:
            return None
        with suppress(OSError, IntegrityError):
            data = read_regular(self.root / self.shared / file.path, entry.size)
            if data is not None and digest_of(data) == entry.digest:
                return file.splice.of(data)
        return None

    def _written(self, files: Mapping[Earlier, bytes]) -> dict[Earlier, FileEntry]:
        rows = [
            NewFile(f"{self.folder}/{path}", mode, data, 0, len(data))
            for (path, mode, _), data in files.items()
        ]
        return {
            file: FileEntry(digest=digest, size=len(data), mode=file.mode)
            for (file, data), digest in zip(files.items(), self.disk.write_all(rows), strict=True)
        }
