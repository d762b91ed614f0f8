"""The near side's cache of frames: a frame depends on its artifact and the encoder alone, so it is made once.

Below `ENCODER/` stand `frames/ab/abcd….zst` by expanded digest, and `originals/ab/abcd….json`, which tell what an original
expands to. A cached frame is used only if its own digest is the one that was noted when it was made.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airlock.core.artifact import Artifact, Encoder
from airlock.core.canonical_json import dumps, loads
from airlock.core.digest import Digest, Hasher, chunks_of, digest_of_stream, hex_of, parse_digest
from airlock.core.expanded import REVISION, expand
from airlock.core.fields import Fields
from airlock.errors import IntegrityError
from airlock.formats.index import Expanded
from airlock.storage.atomic import replacing, write_atomically
from airlock.storage.frames import compress
from airlock.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame at hand. `size` is that of the frame itself, in bytes."""

    expanded: Expanded
    path: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCache:
    root: Path
    encoder: Encoder

    @property
    def _folder(self) -> Path:
        encoder = self.encoder
        return self.root / f"{encoder.name}-{encoder.version}-{encoder.level}-expand-{REVISION}"

    def frame(self, artifact: Artifact, store: Store) -> Frame:
        """The artifact's frame, made now if it is not cached whole. Raises FetchError where the original is not in the
        store, and IntegrityError where the store's copy is damaged."""
        return self._cached(artifact.digest) or self._make(artifact, store)

    def _note(self, original: Digest) -> Path:
        name = hex_of(original)
        return self._folder / "originals" / name[:2] / f"{name}.json"

    def _path(self, expanded: Digest) -> Path:
        name = hex_of(expanded)
        return self._folder / "frames" / name[:2] / f"{name}.zst"

    def _cached(self, original: Digest) -> Frame | None:
        """A cache has no duties: whatever is wrong with it, the frame is made anew."""
        try:
            expanded, expected = _parse_note(self._note(original).read_bytes())
            path = self._path(expanded.digest)
            with path.open("rb") as stream:
                found, size = digest_of_stream(stream)
        except (OSError, IntegrityError):
            return None
        return Frame(expanded=expanded, path=path, size=size) if found == expected else None

    def _make(self, artifact: Artifact, store: Store) -> Frame:
        with store.open(artifact.digest, artifact.label) as original, self.scratch() as temporary:
            expanded = expand_checked(artifact, original, temporary)
            path = self._path(expanded.digest)
            temporary.seek(0)
            with replacing(path) as out:
                compress(temporary, expanded.size, out, self.encoder)
                out.seek(0)
                digest, size = digest_of_stream(out)
        self._note(artifact.digest).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._note(artifact.digest), _write_note(expanded, digest))
        return Frame(expanded=expanded, path=path, size=size)

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """A temporary file on the cache's disk, for what does not fit into memory."""
        folder = self.root / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            yield stream


def expand_checked(artifact: Artifact, original: BinaryIO, out: BinaryIO) -> Expanded:
    """Write the expanded form of an original whose bytes are hashed first. Raises IntegrityError."""
    found, _ = digest_of_stream(original)
    if found != artifact.digest:
        raise IntegrityError(
            f"store: {artifact.label}",
            "content does not match its digest",
            expected=artifact.digest,
            found=found,
            hint="remove the file from the store and run `airlock fetch`",
        )
    form = expand(original, out)
    out.seek(0)
    hasher = Hasher()
    for chunk in chunks_of(out):
        hasher.update(chunk)
    return Expanded(form=form, size=hasher.size, digest=hasher.digest)


def _write_note(expanded: Expanded, frame: Digest) -> bytes:
    return dumps({"form": expanded.form, "size": expanded.size, "expanded": expanded.digest, "frame": frame})


def _parse_note(data: bytes) -> tuple[Expanded, Digest]:
    fields = Fields(loads(data, "frame cache"), "frame cache", IntegrityError)
    expanded = Expanded(
        form=fields.text("form"),
        size=fields.integer("size"),
        digest=parse_digest(fields.text("expanded")),
    )
    frame = parse_digest(fields.text("frame"))
    fields.done()
    return expanded, frame
