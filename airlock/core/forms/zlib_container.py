"""The codec `zlibstream/1`: a file that is one zlib stream (RFC 1950) as the one content that it decompresses to.

The structure is its header of two bytes; the Adler-32 follows from the content. Only streams with a window of 32 KiB and
without a preset dictionary.
"""

import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from airlock.core import deflate_encoders as streams
from airlock.core.digest import CHUNK
from airlock.core.fields import Fields
from airlock.core.forms.codec import Chunks, CodecSet, Opened, Part, Room, Slot
from airlock.core.forms.sized import section
from airlock.errors import IntegrityError

_LEVELS = {b"\x78\x01": "1", b"\x78\x5e": "5", b"\x78\x9c": "6", b"\x78\xda": "9"}
"""Every header, and the level that it hints at."""
_HEADER, _SUM = 2, 4
_WHERE = "zlib stream"


class ZlibCodec:
    name = "zlibstream/1"

    def matches(self, head: bytes) -> bool:
        return head[:_HEADER] in _LEVELS

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        total = original.seek(0, io.SEEK_END)
        header = b"".join(section(original, 0, min(total, _HEADER), _WHERE))
        try:
            size = room.size_of(_content(original, total))
            found = streams.find(
                lambda: _content(original, total),
                lambda: section(original, _HEADER, total - _HEADER - _SUM, _WHERE),
                size,
                f"zlib/1:{_LEVELS[header]}",
                codecs,
                thorough,
            )
        except IntegrityError:
            return None
        if found is None:
            return None
        return Opened(
            recipe={"encoder": found.encoder},
            structure=header,
            corrections=found.corrections,
            parts=[Part(size=size, read=lambda: _content(original, total))],
        )

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> "Zlib":
        encoder = recipe.text("encoder")
        recipe.done()
        if structure not in _LEVELS or not streams.is_encoder(encoder):
            raise IntegrityError(where, "not what restores a zlib stream")
        return Zlib(
            recipe=streams.Recipe(encoder=encoder, corrections=corrections), header=structure, where=where
        )


def _content(original: BinaryIO, total: int) -> Chunks:
    """Raises IntegrityError where the file is not one whole zlib stream with the right sum."""
    inflater = zlib.decompressobj()
    try:
        for chunk in section(original, 0, total, _WHERE):
            while data := inflater.decompress(chunk, CHUNK):
                yield data
                chunk = inflater.unconsumed_tail
            if inflater.unused_data:
                break
    except zlib.error as error:
        raise IntegrityError(_WHERE, f"damaged, {error}") from error
    if not inflater.eof or inflater.unused_data:
        raise IntegrityError(_WHERE, "truncated, or bytes behind its end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zlib:
    made: ClassVar[int] = 0
    recipe: streams.Recipe
    header: bytes
    where: str

    @property
    def slots(self) -> Sequence[Slot]:
        return (Slot(name=""),)

    @property
    def encoders(self) -> CodecSet:
        return streams.families(self.recipe.encoder)

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        total = 1

        def summed() -> Chunks:
            nonlocal total
            for chunk in next(parts):
                total = zlib.adler32(chunk, total)
                yield chunk

        yield self.header
        yield from streams.deflated(self.recipe.encoder, summed(), self.recipe.corrections, self.where)
        yield total.to_bytes(_SUM, "big")

    def content(self, number: int, opaque: Chunks) -> Chunks:
        raise IntegrityError(self.where, "a zlib stream has no compressed parts")
