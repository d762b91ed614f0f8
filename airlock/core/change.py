"""One changed piece: what a file became, as ten parts that are compressed elsewhere.

The new piece is a row of blocks of the old one, each with differences added, and new bytes before each and behind the last.
`inserted`, `moved` and `added` have one number a block: new bytes before it; where it begins in the old piece, relative to the
end of the last (zigzag); its length. `extra` has the new bytes. Differences are nearly all zero, so they are runs over the
bytes of all blocks: a number of `same` that are zero, then a number of `different` bytes of `diff`. Numbers are unsigned LEB128.

With a `layout` (`relocation` has it) the fields within each block are not those of the old piece but what is expected of
them: a number of `right` fields that are as expected, then one whose error, modulo its width, is a number of `wrong` (zigzag),
and so on; the last of `right` has none.

`apply_change` is the decoder, here or in `native/src/diff/`, with equal results. It has no heuristics: it obeys, or
raises ValueError. Its memory is a few times that of both pieces.
"""

from collections.abc import Sequence
from typing import NamedTuple

from airlock.core.native import native
from airlock.core.numbers import Numbers, signed
from airlock.core.relocation import Block, Fields, Map, parse_layout

_SHORTEST, _SPARE = 8, 16
"""Bytes of a block on average, at least, and so many blocks more: every encoder wants more of a match, and a block takes
memory in the decoder."""
_GOES_ON = bytes(range(0x80, 0x100))
"""Bytes of a number that are not its last."""


class Change(NamedTuple):
    inserted: bytes
    moved: bytes
    added: bytes
    same: bytes
    different: bytes
    diff: bytes
    extra: bytes
    layout: bytes = b""
    right: bytes = b""
    wrong: bytes = b""


def find_change(old: bytes, new: bytes) -> Change | None:
    """What makes `new` of `old`; None without the native crate."""
    crate = native()
    return Change(*crate.find_change(old, new)) if crate else None


def apply_change(old: bytes, length: int, change: Change) -> bytes:
    """The `length` bytes that a change makes of `old`. Raises ValueError."""
    if len(change.added.translate(None, _GOES_ON)) > length // _SHORTEST + _SPARE:
        raise ValueError("more blocks than are worth it")
    if crate := native():
        made: bytes = crate.apply_change(old, length, tuple(change))
        return made
    return apply_in_python(old, length, change)


def apply_in_python(old: bytes, length: int, change: Change) -> bytes:
    """`apply_change` where the native crate is not. Raises ValueError."""
    blocks = _blocks(len(old), length, change)
    new = _copied(old, length, blocks, change.extra)
    if change.layout:
        _predict(new, old, blocks, change)
    elif change.right or change.wrong:
        raise ValueError("fields without a layout")
    _add(new, blocks, change)
    return bytes(new)


def _blocks(old: int, new: int, change: Change) -> list[Block]:
    inserted, moved, added = Numbers(change.inserted), Numbers(change.moved), Numbers(change.added)
    blocks, end, place = [], 0, 0
    while not added.ended:
        end += inserted.within(new - end)
        start = place + signed(moved.take())
        if not 0 <= start <= old:
            raise ValueError("a block outside the base")
        if not (size := added.within(min(new - end, old - start))):
            raise ValueError("a block of nothing")
        blocks.append(Block(start, end, size))
        end, place = end + size, start + size
    if not (inserted.ended and moved.ended):
        raise ValueError("numbers that no block asks for")
    return blocks


def _copied(old: bytes, length: int, blocks: Sequence[Block], extra: bytes) -> bytearray:
    if sum(block.length for block in blocks) + len(extra) != length:
        raise ValueError("too few new bytes, or more than there is room for")
    new, taken = bytearray(), 0
    for block in blocks:
        gap = block.new - len(new)
        new += extra[taken : taken + gap]
        new += old[block.old : block.old + block.length]
        taken += gap
    return new + extra[taken:]


def _predict(new: bytearray, old: bytes, blocks: Sequence[Block], change: Change) -> None:
    layout = parse_layout(change.layout, len(old))
    fields, where = Fields(old, layout), Map(layout, len(old), blocks)
    right, wrong = Numbers(change.right), Numbers(change.wrong)
    left = right.take()
    for block in blocks:
        for field in fields.within(block):
            at = field.at - block.old + block.new
            if (expected := where.expected(field, at)) is None:
                continue
            if left:
                left -= 1
            else:
                error = signed(wrong.take())
                where.learn(field, error)
                expected, left = expected + error, right.take()
            width = field.width
            new[at : at + width] = (expected & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    if left or not right.ended or not wrong.ended:
        raise ValueError("more fields than there are")


def _add(new: bytearray, blocks: Sequence[Block], change: Change) -> None:
    differences = _differences(sum(block.length for block in blocks), change)
    place = 0
    for block in blocks:
        chosen = slice(block.new, block.new + block.length)
        new[chosen] = added_bytes(new[chosen], differences[place : place + block.length])
        place += block.length


def _differences(size: int, change: Change) -> bytearray:
    """What to add to the bytes of all blocks, put together from its runs."""
    same, different, diff = Numbers(change.same), Numbers(change.different), change.diff
    out, place, taken = bytearray(size), 0, 0
    while not same.ended:
        place += same.take()
        run = different.within(len(diff) - taken)
        if run > max(size - place, 0):
            raise ValueError("differences outside every block")
        out[place : place + run] = diff[taken : taken + run]
        place, taken = place + run, taken + run
    if taken != len(diff) or not different.ended:
        raise ValueError("differences that nothing asks for")
    return out


def added_bytes(one: bytes | bytearray, other: bytes | bytearray) -> bytes:
    """Each byte of `one` plus the same byte of `other`, modulo 256; all bytes at once, as two large numbers."""
    size = len(one)
    if other.count(0) == size:
        return bytes(one)
    low = int.from_bytes(b"\x7f" * size, "little")
    a, b = int.from_bytes(one, "little"), int.from_bytes(other, "little")
    # The seven low bits of every byte are added without a carry into the next; the top bits by exclusive or.
    return (((a & low) + (b & low)) ^ ((a ^ b) & ~low)).to_bytes(size, "little")
