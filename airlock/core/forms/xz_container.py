"""The codec `xz/1`: an .xz file of one stream as the one content that it decompresses to.

Either one block as `xz -T1` and most libraries write it, or blocks of equal size as threads make them (`xz -T2`, dpkg-deb).
There is no structure: headers, index and checks follow from the content. A block is compressed at some 2 MB a second, which
is what makes xz slow to build; small blocks are compressed side by side.
"""

import lzma
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from typing import BinaryIO, ClassVar, NamedTuple

from airlock.core.deflate import begins_with
from airlock.core.digest import CHUNK
from airlock.core.fields import Fields
from airlock.core.forms import xz_framing as framing
from airlock.core.forms.codec import IN_MEMORY, MAX_CONTENT, Chunks, CodecSet, Opened, Part, Room, Slot
from airlock.core.forms.sized import Blocks, section
from airlock.core.forms.spool import held_back
from airlock.core.lzma_encoder import (
    NAME,
    check_lzma,
    compressed,
    compressor,
    dictionary_of,
    dictionary_size,
    encoders_for,
    is_encoder,
)
from airlock.errors import IntegrityError

_WHERE = "xz"
_START = framing.FRAME + 12
"""Bytes of what `compressor` writes before a block's data."""
_SMALLEST_BLOCK = 1 << 16
_STORED_CHUNK = 1 << 16
_STORED_DICTIONARY = 0
_PROBE = 1 << 16
"""Bytes of compressed data that tell a preset, where the first block is not compared to its end."""
_MAX_THREADS = 4
_THREADS_DICTIONARY = 8 << 20
"""Bytes of the largest dictionary with which blocks are compressed side by side, some 90 MB each."""


class XzCodec:
    name = "xz/1"

    def matches(self, head: bytes) -> bool:
        return head.startswith(framing.MAGIC)

    def open(self, original: BinaryIO, codecs: CodecSet, *, thorough: bool, room: Room) -> Opened | None:
        if NAME not in codecs:
            return None
        try:
            stream = framing.read_stream(original)
            room.take(stream.size)
            layout = _layout(original, stream)
            encoder = _encoder(original, stream, layout, thorough)
        except IntegrityError:
            return None
        if encoder is None:
            return None
        return Opened(
            recipe={"check": stream.check, "encoder": encoder, **layout.recipe()},
            structure=b"",
            parts=[Part(size=stream.size, read=lambda: _content(original, stream))],
        )

    def parse(self, recipe: Fields, structure: bytes, corrections: bytes, where: str) -> "Xz":
        check, encoder = recipe.integer("check", limit=10), recipe.text("encoder")
        layout = _Layout(0, 0, frozenset())
        if "block" in recipe:
            layout = _parse_layout(recipe)
        recipe.done()
        if check not in framing.CHECK_SIZES or not is_encoder(encoder) or structure or corrections:
            raise IntegrityError(where, "not what restores an xz file")
        return Xz(encoder=encoder, check=check, layout=layout, where=where)


class _Layout(NamedTuple):
    """How the content is cut into blocks; `block` is 0 for the one block of a single thread."""

    block: int
    """Bytes of content of each block but the last."""
    header: int
    """Bytes of each block's header."""
    stored: frozenset[int]
    """Numbers of the blocks that are not compressed: threads give up where the content does not get smaller."""

    def recipe(self) -> dict[str, object]:
        if not self.block:
            return {}
        stored: dict[str, object] = {"stored": sorted(self.stored)} if self.stored else {}
        return {"block": self.block, "header": self.header, **stored}


def _parse_layout(recipe: Fields) -> _Layout:
    block, header = recipe.integer("block", limit=MAX_CONTENT), recipe.integer("header", limit=64)
    stored = recipe.raw("stored") if "stored" in recipe else []
    if block < _SMALLEST_BLOCK or header < 12 or header % 4:
        raise recipe.fault("block", "not the blocks of an xz file")
    if not isinstance(stored, list) or not all(type(number) is int for number in stored):
        raise recipe.fault("stored", "expected an array of whole numbers")
    if stored != sorted(set(stored)) or ("stored" in recipe and (not stored or block > IN_MEMORY)):
        raise recipe.fault("stored", "not numbers of blocks in their order")
    return _Layout(block, header, frozenset(stored))


def _layout(original: BinaryIO, stream: framing.Stream) -> _Layout:
    """Raises IntegrityError where the blocks are not alike."""
    if not stream.headers:
        return _Layout(0, 0, frozenset())
    sizes = [record.size for record in stream.records]
    stored = frozenset(number for number in range(len(sizes)) if _is_stored(original, stream, number))
    header, block = _common_header(stream, stored), sizes[0]
    if set(sizes[:-1]) - {block} or not 0 < sizes[-1] <= block:
        raise IntegrityError(_WHERE, "blocks of different sizes")
    if len(sizes) == 1 and not header.has_sizes:
        return _Layout(0, 0, frozenset())
    if len(sizes) == 1:
        block = max(block, 3 * dictionary_size(header.dictionary), 1 << 20)
    if block < _SMALLEST_BLOCK or (stored and block > IN_MEMORY):
        raise IntegrityError(_WHERE, "very small blocks, or a large one that is not compressed")
    return _Layout(block, header.length, stored)


def _common_header(stream: framing.Stream, stored: frozenset[int]) -> framing.BlockHeader:
    """Raises IntegrityError where headers differ other than in the dictionary of stored blocks."""
    headers = {header for number, header in enumerate(stream.headers) if number not in stored}
    plain = {replace(header, dictionary=_STORED_DICTIONARY) for header in stream.headers}
    header = next(iter(headers or plain))
    alike = len(headers) <= 1 and len(plain) == 1
    if not alike or any(stream.headers[number].dictionary != _STORED_DICTIONARY for number in stored):
        raise IntegrityError(_WHERE, "blocks that differ")
    if header.has_sizes == (header.length == 12):
        raise IntegrityError(_WHERE, "block headers as nobody writes them")
    return header


def _is_stored(original: BinaryIO, stream: framing.Stream, number: int) -> bool:
    """Whether the block is the uncompressed chunks of 64 KiB that threads write."""
    size, at = stream.records[number].size, stream.starts[number] + stream.headers[number].length
    if size <= _STORED_CHUNK or _packed(stream, number) != _stored_size(size):
        return False
    for start in range(0, size, _STORED_CHUNK):
        original.seek(at)
        length = min(_STORED_CHUNK, size - start)
        if original.read(3) != _stored_header(start, length):
            return False
        at += 3 + length
    return True


def _stored_header(start: int, length: int) -> bytes:
    return bytes((2 if start else 1,)) + (length - 1).to_bytes(2, "big")


def _stored_size(size: int) -> int:
    return size + 3 * -(-size // _STORED_CHUNK) + 1


def _packed(stream: framing.Stream, number: int) -> int:
    """Bytes of the block's LZMA2 data."""
    return stream.records[number].unpadded - stream.headers[number].length - framing.CHECK_SIZES[stream.check]


def _data(original: BinaryIO, stream: framing.Stream, number: int) -> Chunks:
    start = stream.starts[number] + stream.headers[number].length
    return section(original, start, _packed(stream, number), _WHERE)


def _content(original: BinaryIO, stream: framing.Stream) -> Chunks:
    for number in range(len(stream.records)):
        yield from _block_content(original, stream, number)


def _block_content(original: BinaryIO, stream: framing.Stream, number: int) -> Chunks:
    """Raises IntegrityError where the data is damaged or not of the size that the index says."""
    left = stream.records[number].size
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary_size(stream.headers[number].dictionary)}]
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    try:
        for chunk in _data(original, stream, number):
            while not decompressor.eof:
                data = decompressor.decompress(chunk, CHUNK)
                left -= len(data)
                if left < 0:
                    raise IntegrityError(_WHERE, "a block is longer than it says")
                if data:
                    yield data
                chunk = b""
                if decompressor.needs_input:
                    break
    except lzma.LZMAError as error:
        raise IntegrityError(_WHERE, f"damaged, {error}") from error
    if left or not decompressor.eof or decompressor.unused_data:
        raise IntegrityError(_WHERE, "a block is not as long as it says")


def _encoder(original: BinaryIO, stream: framing.Stream, layout: _Layout, thorough: bool) -> str | None:
    if not stream.records:
        return f"{NAME}:6"
    first = next((number for number in range(len(stream.records)) if number not in layout.stored), None)
    if first is None:
        return f"{NAME}:6"
    for encoder in encoders_for(stream.headers[first].dictionary):
        check_lzma(encoder)
        made = _Data(encoder, stream.check).of(_block_content(original, stream, first))
        if begins_with(_data(original, stream, first), made if thorough else _start(made)):
            return encoder
    return None


def _start(chunks: Chunks) -> Chunks:
    size = 0
    for chunk in chunks:
        yield chunk
        size += len(chunk)
        if size >= _PROBE:
            return


class _Data:
    """A block's LZMA2 data. When it has ended, `record` says its size and that of the content, and `check` what follows."""

    def __init__(self, encoder: str, check: int) -> None:
        self._compressor, self._check_size = compressor(encoder, check), framing.CHECK_SIZES[check]
        self.packed = self.size = 0
        self.check = b""

    def of(self, content: Iterable[bytes]) -> Chunks:
        skip = _START
        for chunk in content:
            self.size += len(chunk)
            if made := self._compressor.compress(chunk):
                yield made[skip:]
                skip -= min(skip, len(made))
        last = self._compressor.flush()[skip:]
        index = last[-framing.FRAME - (int.from_bytes(last[-8:-4], "little") + 1) * 4 : -framing.FRAME]
        self.packed = framing.read_index(index)[0].unpadded - 12 - self._check_size
        behind = len(index) + framing.FRAME + self._check_size + -self.packed % 4
        self.check = last[len(last) - behind :][-self.packed % 4 :][: self._check_size]
        yield last[:-behind]


class _Block(NamedTuple):
    record: framing.Record
    chunks: Chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class Xz:
    made: ClassVar[int] = 0
    encoder: str
    check: int
    layout: _Layout
    where: str

    @property
    def slots(self) -> Sequence[Slot]:
        return (Slot(name=""),)

    @property
    def encoders(self) -> CodecSet:
        return frozenset({NAME})

    def build(self, parts: Iterator[Chunks]) -> Chunks:
        check_lzma(self.encoder)
        content = next(parts)
        if not self.layout.block:
            return compressed(content, self.encoder, self.check)
        return self._blocks(content)

    def content(self, number: int, opaque: Chunks) -> Chunks:
        raise IntegrityError(self.where, "an xz file has no compressed parts")

    def _blocks(self, content: Chunks) -> Chunks:
        yield framing.stream_header(self.check)
        records = []
        for block in self._encoded(enumerate(Blocks(content, self.layout.block))):
            records.append(block.record)
            yield from block.chunks
        if self.layout.stored and max(self.layout.stored) >= len(records):
            raise IntegrityError(self.where, "a stored block that is not there")
        index = framing.index(records)
        yield index + framing.footer(len(index), self.check)

    def _encoded(self, blocks: Iterator[tuple[int, Chunks]]) -> Iterator[_Block]:
        small = dictionary_size(dictionary_of(self.encoder)) <= _THREADS_DICTIONARY
        threads = min(_MAX_THREADS, os.cpu_count() or 1)
        if not small or self.layout.block > IN_MEMORY or threads == 1:
            return (self._block(number, chunks) for number, chunks in blocks)
        return self._side_by_side(blocks, threads)

    def _side_by_side(self, blocks: Iterator[tuple[int, Chunks]], threads: int) -> Iterator[_Block]:
        waiting: deque[Future[_Block]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            for number, chunks in blocks:
                waiting.append(pool.submit(self._block, number, list(chunks)))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _block(self, number: int, content: Iterable[bytes]) -> _Block:
        if number >= framing.MAX_BLOCKS:
            raise IntegrityError(self.where, "too many blocks", expected=f"at most {framing.MAX_BLOCKS}")
        if number in self.layout.stored:
            return self._stored(list(content))
        data = _Data(self.encoder, self.check)
        packed, chunks = held_back(data.of(content))
        return self._framed(dictionary_of(self.encoder), packed, data, chunks)

    def _stored(self, content: Sequence[bytes]) -> _Block:
        """Uncompressed; only the check is taken from an encoder, a fast one."""
        data = _Data(f"{NAME}:0", self.check)
        for _ in data.of(content):
            pass
        size = data.size
        chunks = (
            piece
            for number, block in enumerate(Blocks(iter(content), _STORED_CHUNK))
            for piece in chain(
                (_stored_header(number, min(_STORED_CHUNK, size - number * _STORED_CHUNK)),), block
            )
        )
        return self._framed(_STORED_DICTIONARY, _stored_size(size), data, chain(chunks, (b"\0",)))

    def _framed(self, dictionary: int, packed: int, data: _Data, chunks: Chunks) -> _Block:
        length = self.layout.header
        header = framing.BlockHeader(length=length, has_sizes=length > 12, dictionary=dictionary)
        record = framing.Record(length + packed + len(data.check), data.size)
        start, padding = framing.block_header(header, packed, data.size), bytes(-packed % 4)
        return _Block(record, chain((start,), chunks, (padding + data.check,)))
