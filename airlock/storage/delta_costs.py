"""What each artifact of a delta takes of its compressed streams. Nothing is restored for it, so no base is needed.

Streams are compressed over all artifacts at once. How much of one an artifact takes is how far its compressed bytes are read
while the artifact's part of the content comes out of them, to some hundred bytes.
"""

import lzma
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import BinaryIO

from airlock.core.binary_delta import STREAMS, parts_taken
from airlock.core.digest import CHUNK, Digest
from airlock.errors import IntegrityError
from airlock.formats.delta_index import Patch
from airlock.storage.archive import Archive
from airlock.storage.delta_streams import member_name, open_streams
from airlock.storage.restore import Delta

_STEP = 128
"""Bytes of a compressed stream that are read at once."""
_MEMORY = 48 << 20


def patch_costs(delta: Delta) -> Mapping[Digest, int]:
    """Bytes of the delta's streams for each row that is a patch. Raises IntegrityError."""
    patches = [row for row in delta.rows.rows if isinstance(row, Patch)]
    if not patches:
        return {}
    program = open_streams(delta.archive)["program"]
    taken = [parts_taken(program, delta.expanded[row.digest].size, delta.archive.where) for row in patches]
    costs = [0] * len(patches)
    for stream in STREAMS:
        name = member_name(stream)
        if name in delta.archive.members:
            ends = list(accumulate(sizes[stream] for sizes in taken))
            for number, size in enumerate(_shares(delta.archive, name, ends)):
                costs[number] += size
    return {row.digest: cost for row, cost in zip(patches, costs, strict=True)}


def _shares(archive: Archive, name: str, ends: list[int]) -> Iterator[int]:
    """Compressed bytes between each two of the places `ends` in the content."""
    outputs, inputs = [0], [0]
    with archive.open(name) as stream:
        for packed, unpacked in _progress(stream, f"{archive.where}: member {name}"):
            inputs.append(packed)
            outputs.append(unpacked)
    before = 0
    for end in ends:
        place = inputs[min(bisect_left(outputs, end), len(inputs) - 1)]
        yield place - before
        before = place


def _progress(stream: BinaryIO, where: str) -> Iterator[tuple[int, int]]:
    """How many bytes were read, and how many came of them, after each step."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY)
    packed = unpacked = 0
    try:
        while not decompressor.eof and (piece := stream.read(_STEP)):
            packed += len(piece)
            unpacked += len(decompressor.decompress(piece, CHUNK))
            while not decompressor.eof and not decompressor.needs_input:
                unpacked += len(decompressor.decompress(b"", CHUNK))
            yield packed, unpacked
    except lzma.LZMAError as error:
        raise IntegrityError(where, f"damaged stream, {error}") from error
