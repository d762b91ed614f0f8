"""The near side's cache of frames: a frame depends on its artifact and the encoder alone, so it is made once.

`forms/EXPANSION/ab/abcd….json` tells what an original expands to; `frames/ENCODER/ab/abcd….zst` is the frame of an expanded
form, with its own digest beside it. A frame for one encoder is the way back to the expanded form for every other: taking
an original apart is more work than compressing it again. Whatever is cached is used only if its digest is right.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airlock.core.artifact import Artifact, Encoder
from airlock.core.canonical_json import dumps, loads
from airlock.core.codecs import SETS
from airlock.core.digest import Digest, Hasher, chunks_of, digest_of_stream, hex_of, parse_digest
from airlock.core.expanded import REVISION, expand
from airlock.core.fields import Fields
from airlock.errors import IntegrityError
from airlock.formats.index import Expanded, read_expanded, write_expanded
from airlock.storage.atomic import replacing, write_atomically
from airlock.storage.frames import compress, opened
from airlock.storage.store import Store

_FRAMES = 3
"""Grows whenever `compress` may write other bytes than before for one content and encoder."""


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

    def frame(self, artifact: Artifact, store: Store) -> Frame:
        """The artifact's frame, made now if it is not cached whole. Raises FetchError where the original is not in the
        store, and IntegrityError where the store's copy is damaged."""
        known = self._known(artifact.digest)
        cached = known and (self._cached(known) or self._recompressed(known))
        return cached or self._make(artifact, store)

    def holds_form(self, artifact: Artifact) -> bool:
        """Whether the artifact's frame can be had without taking the original apart, as far as file names tell."""
        known = self._known(artifact.digest)
        return known is not None and any(self._others(known.digest))

    def _note(self, original: Digest) -> Path:
        name = hex_of(original)
        return (
            self.root
            / "forms"
            / f"expand-{REVISION}-{self.encoder.codecs.replace('/', '-')}"
            / name[:2]
            / f"{name}.json"
        )

    def _path(self, expanded: Digest) -> Path:
        name, encoder = hex_of(expanded), self.encoder
        folder = self.root / "frames" / f"{encoder.name}-{encoder.version}-{encoder.level}-{_FRAMES}"
        return folder / name[:2] / f"{name}.zst"

    def _others(self, expanded: Digest) -> Iterator[Path]:
        """Frames of the same expanded form by any encoder."""
        name = hex_of(expanded)
        return (self.root / "frames").glob(f"*/{name[:2]}/{name}.zst")

    def _known(self, original: Digest) -> Expanded | None:
        """A cache has no duties: whatever is wrong with it, everything is made anew."""
        try:
            return _parse_note(self._note(original).read_bytes())
        except (OSError, IntegrityError):
            return None

    def _cached(self, expanded: Expanded) -> Frame | None:
        path = self._path(expanded.digest)
        try:
            expected = parse_digest(path.with_suffix(".digest").read_text("utf-8").strip())
            with path.open("rb") as stream:
                found, size = digest_of_stream(stream)
        except (OSError, ValueError, IntegrityError):
            return None
        return Frame(expanded=expanded, path=path, size=size) if found == expected else None

    def _recompressed(self, expanded: Expanded) -> Frame | None:
        for other in self._others(expanded.digest):
            try:
                with other.open("rb") as frame:
                    where = f"frame cache: {other.name}"
                    return self._compressed(opened(frame, expanded.digest, expanded.size, where), expanded)
            except (OSError, IntegrityError):
                continue
        return None

    def _make(self, artifact: Artifact, store: Store) -> Frame:
        with store.open(artifact.digest, artifact.label) as original, self.scratch() as temporary:
            expanded = expand_checked(artifact, original, temporary, SETS[self.encoder.codecs])
            temporary.seek(0)
            frame = self._compressed(temporary, expanded)
        note = self._note(artifact.digest)
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, dumps({"expanded": write_expanded(expanded)}))
        return frame

    def _compressed(self, content: BinaryIO, expanded: Expanded) -> Frame:
        path = self._path(expanded.digest)
        with replacing(path) as out:
            compress(content, expanded.size, out, self.encoder)
            out.seek(0)
            digest, size = digest_of_stream(out)
        write_atomically(path.with_suffix(".digest"), f"{digest}\n".encode())
        return Frame(expanded=expanded, path=path, size=size)

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """A temporary file on the cache's disk, for what does not fit into memory."""
        folder = self.root / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            yield stream


def expand_checked(artifact: Artifact, original: BinaryIO, out: BinaryIO, codecs: frozenset[str]) -> Expanded:
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
    made = expand(original, out, codecs)
    out.seek(0)
    hasher = Hasher()
    for chunk in chunks_of(out):
        hasher.update(chunk)
    return Expanded(
        form=made.form,
        size=hasher.size,
        digest=hasher.digest,
        codecs=made.codecs,
        file_codecs=made.file_codecs,
    )


def _parse_note(data: bytes) -> Expanded:
    fields = Fields(loads(data, "frame cache"), "frame cache", IntegrityError)
    expanded = read_expanded(fields.table("expanded"))
    fields.done()
    return expanded
