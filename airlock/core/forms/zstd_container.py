"""The codec `zstd/1`: a file that is one zstd frame (RFC 8878) as the one content that it decompresses to.

zstd writes other bytes in almost every release, so the encoder is one of them, by version: frames of others stay as they are,
unless they happen to be the same. There is no structure: all of a frame follows from content, level and flags.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, ClassVar

import zstandard

from airlock.core.deflate import begins_with
from airlock.core.digest import CHUNK
from airlock.core.fields import Fields
from airlock.core.forms.codec import MAX_CONTENT, Chunks, CodecSet, Opened, Part, Room, Slot
from airlock.core.forms.sized import exactly, section
from airlock.errors import IntegrityError, TargetError

ENCODER = "zstd/1.5.7"
_MAGIC = b"\x28\xb5\x2f\xfd"
_ENCODER = re.compile(re.escape(ENCODER) + r":([1-9]|1[0-9])")
_LEVELS = (
    3,
    19,
    1,
    9,
    6,
    12,
    15,
    *(level for level in range(1, 20) if level not in (3, 19, 1, 9, 6, 12, 15)),
)
"""In the order in which they are met."""
_MODES = ("stream", "threads", "once")
"""Fed in pieces, compressed by worker threads, or the whole content in one call."""
_MAX_WINDOW = 1 << 27
"""Bytes of memory that a frame may ask of its reader."""
_MAX_BLOCK = 1 << 17
_RUN, _RESERVED = 1, 3
_SUM = 4
_PROBE = 1 << 16
"""Bytes of a frame that tell its level."""
_MAX_NEAR = 3
"""Levels that are tried in full, where the start agrees with several."""
_MAX_ONCE = 8 << 20
"""Bytes of content that are given to zstd in one call."""
_WHERE = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """How a frame is made."""

    level: int
    mode: str
    checksum: bool
    size: int | None
    """Bytes of content; None where the frame does not say."""

    def recipe(self) -> dict[str, object]:
        size = {} if self.size is None else {"size": self.size}
        return {"checksum": self.checksum, "encoder": f"{ENCODER}:{self.level}", "mode": self.mode, **size}

    def of(self, content: Iterable[bytes]) -> Chunks:
        """The frame's bytes, wherever `content` is cut."""
        compressor = zstandard.ZstdCompressor(
            level=self.level,
            write_checksum=self.checksum,
            write_content_size=self.size is not None,
            threads=1 if self.mode == "threads" else 0,
        )
        if self.mode == "once":
            yield compressor.compress(b"".join(content))
            return
        frame = compressor.compressobj() if self.size is None else compressor.compressobj(size=self.size)
        for chunk in content:
            yield frame.compress(chunk)
        yield frame.flush()


class ZstdCodec:
    name = "zstd/1"

    def matches(self, head: bytes) -> bool:
        return head.startswith(_MAGIC)

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        if ENCODER not in codecs:
            return None
        check_zstd()
        try:
            header, total = _read_frame(original)
            size = room.size_of(_content(original))
            found = _find(original, header, size, total)
        except IntegrityError:
            return None
        if found is None:
            return None
        return Opened(
            recipe=found.recipe(), structure=b"", parts=[Part(size=size, read=lambda: _content(original))]
        )

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> "Zstd":
        encoder, mode, checksum = recipe.text("encoder"), recipe.text("mode"), recipe.flag("checksum")
        size = recipe.integer("size", limit=MAX_CONTENT) if "size" in recipe else None
        recipe.done()
        if (known := _ENCODER.fullmatch(encoder)) is None:
            if encoder.startswith("zstd/"):
                raise _other_version(encoder)
            raise recipe.fault("encoder", "not an encoder of zstd frames")
        large = size is None or size > _MAX_ONCE
        if mode not in _MODES or (mode == "once" and large) or structure or corrections:
            raise recipe.fault("mode", "not how a zstd frame is made")
        frame = _Frame(level=int(known[1]), mode=mode, checksum=checksum, size=size)
        return Zstd(frame=frame, where=where)


def check_zstd() -> None:
    """Raises TargetError where python-zstandard brings another libzstd than ENCODER."""
    if zstandard.ZSTD_VERSION != (1, 5, 7):
        raise _other_version(ENCODER)


def _other_version(encoder: str) -> TargetError:
    return TargetError(
        "zstd",
        "the encoder that a frame was made with is not at hand",
        expected=encoder.partition(":")[0],
        found="zstd/" + ".".join(map(str, zstandard.ZSTD_VERSION)),
        hint="install the python-zstandard that brings it; installing does not need it, only building, deltas and export do",
    )


def _read_frame(original: BinaryIO) -> tuple[zstandard.FrameParameters, int]:
    """The header of the one frame that fills the file, and the file's size. Raises IntegrityError."""
    total = original.seek(0, io.SEEK_END)
    original.seek(0)
    start = original.read(18)
    try:
        header, at = zstandard.get_frame_parameters(start), zstandard.frame_header_size(start)
    except zstandard.ZstdError as error:
        raise IntegrityError(_WHERE, f"not a frame, {error}") from error
    if header.dict_id or header.window_size > _MAX_WINDOW:
        raise IntegrityError(_WHERE, "a frame with a dictionary or a very large window")
    last = False
    while not last:
        original.seek(at)
        fields = int.from_bytes(original.read(3), "little")
        last, kind, length = bool(fields & 1), fields >> 1 & 3, fields >> 3
        at += 3 + (1 if kind == _RUN else length)
        if kind == _RESERVED or length > _MAX_BLOCK or at > total:
            raise IntegrityError(_WHERE, "damaged")
    if at + (_SUM if header.has_checksum else 0) != total:
        raise IntegrityError(_WHERE, "bytes behind the end of the frame")
    return header, total


class _From(io.RawIOBase):
    """A stream of its own over a file that others read, too."""

    def __init__(self, original: BinaryIO) -> None:
        self._original, self._at = original, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        self._original.seek(self._at)
        data = self._original.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _content(original: BinaryIO) -> Chunks:
    """At most CHUNK bytes at a time. Raises IntegrityError."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    size = 0
    try:
        with decompressor.stream_reader(io.BufferedReader(_From(original))) as reader:
            while chunk := reader.read(CHUNK):
                size += len(chunk)
                if size > MAX_CONTENT:
                    raise IntegrityError(_WHERE, "too much content")
                yield chunk
    except zstandard.ZstdError as error:
        raise IntegrityError(_WHERE, f"damaged, {error}") from error


def _find(original: BinaryIO, header: zstandard.FrameParameters, size: int, total: int) -> _Frame | None:
    """The first level and mode that make the whole frame. A level is tried in full only if the frame's start agrees."""
    told = None if header.content_size == zstandard.CONTENTSIZE_UNKNOWN else size
    frames = [
        _Frame(level=level, mode="stream", checksum=header.has_checksum, size=told) for level in _LEVELS
    ]
    near = [frame for frame in frames if _makes(frame, original, total, _PROBE)][:_MAX_NEAR]
    for mode in _MODES if told is not None and size <= _MAX_ONCE else _MODES[:2]:
        for frame in (replace(frame, mode=mode) for frame in near):
            if _makes(frame, original, total, total):
                return frame
    return None


def _makes(frame: _Frame, original: BinaryIO, total: int, probe: int) -> bool:
    """Whether the first `probe` bytes of the frame are made."""
    made = _first(frame.of(_content(original)), probe)
    return begins_with(section(original, 0, total, _WHERE), made)


def _first(chunks: Chunks, limit: int) -> Chunks:
    size = 0
    for chunk in chunks:
        yield chunk
        size += len(chunk)
        if size >= limit:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class Zstd:
    made: ClassVar[int] = 0
    frame: _Frame
    where: str

    @property
    def slots(self) -> Sequence[Slot]:
        return (Slot(name=""),)

    @property
    def encoders(self) -> CodecSet:
        return frozenset({ENCODER})

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        check_zstd()
        content = next(parts) if self.frame.size is None else exactly(parts, self.frame.size, self.where)
        try:
            yield from filter(None, self.frame.of(content))
        except zstandard.ZstdError as error:
            raise IntegrityError(self.where, f"not the content of its frame, {error}") from error

    def content(self, number: int, opaque: Chunks) -> Chunks:
        raise IntegrityError(self.where, "a zstd frame has no compressed parts")
