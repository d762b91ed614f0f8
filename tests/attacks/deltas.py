"""Deltas. The index inside one is signed; its rows and streams are not, so that anybody may change them on the way."""

import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import replace

from airlock.core.binary_delta import CHANGED, COPY, LITERAL, STREAMS
from airlock.core.change import Change
from airlock.core.digest import digest_of
from airlock.core.numbers import leb128
from airlock.formats.delta_index import Full, Keep, Origin, Patch, Row
from airlock.formats.index import frame_name, parse_index
from airlock.storage.delta_streams import member_name
from airlock.storage.frames import DEFAULT_LEVEL, compress, this_encoder
from tests.attacks.ground import (
    COUNTER,
    Command,
    Ground,
    Keys,
    Members,
    artifact_named,
    attack,
    delta_between,
    delta_of,
    edited,
    patches_between,
)
from tests.far.bundles import archive_of, bundle, file_item, members_in

_FAMILY = "Deltas"
Rows = list[Row]
Streams = dict[str, bytes]


def _hostile(ground: Ground, change: Callable[[Rows, Streams], object]) -> list[Command]:
    """The honest delta with rows and streams changed on the way."""
    rows, streams = patches_between(ground.base, ground.next)
    change(rows, streams)
    return ground.restore(delta_of(ground.next, ground.base, rows, streams))


def _instead(others: Streams) -> Callable[[Rows, Streams], None]:
    """Other streams in the place of all."""

    def change(rows: Rows, streams: Streams) -> None:
        streams.clear()
        streams.update(others)

    return change


def _altered(ground: Ground, **edits: bytes | None) -> list[Command]:
    return ground.restore(archive_of(edited(members_in(ground.delta), edits)))


def _in_place_of_patches(make: Callable[[Patch], Row]) -> Callable[[Rows, Streams], None]:
    """Another row for each patch, and no streams."""

    def change(rows: Rows, streams: Streams) -> None:
        rows[:] = [make(row) if isinstance(row, Patch) else row for row in rows]
        streams.clear()

    return change


def _first_patch(rows: Rows) -> tuple[int, Patch]:
    return next((number, row) for number, row in enumerate(rows) if isinstance(row, Patch))


@attack(_FAMILY, "not the base of this delta")
def delta_of_another_base(ground: Ground) -> list[Command]:
    """a delta that starts from another release than the one that is installed"""
    other = archive_of(ground.keys.sign(members_in(bundle([file_item("a", b"a")], version="1.5"))))
    rows, streams = patches_between(ground.base, ground.next)
    return ground.restore(delta_of(ground.next, other, rows, streams))


@attack(_FAMILY, "restored content does not match its digest")
def delta_with_the_streams_of_another(ground: Ground) -> list[Command]:
    """the streams of another delta from the same base"""
    item = file_item("share/banner.txt", b"WELCOME\n" * 20)
    other = archive_of(ground.keys.sign(members_in(bundle([item], version="2.0"))))
    _, streams = patches_between(ground.base, other)
    made = b"version = '2.0'\n"
    streams["literal"] = made.upper() + b"x" * 9000
    streams["program"] = leb128(LITERAL) + leb128(len(made))
    return _hostile(ground, _instead(streams))


@attack(_FAMILY, "does not make exactly what its index names")
def delta_with_the_rows_of_another(ground: Ground) -> list[Command]:
    """rows for contents that the index does not name"""

    def change(rows: Rows, streams: Streams) -> None:
        rows[0] = Keep(digest=digest_of(b"foreign"))

    return _hostile(ground, change)


@attack(_FAMILY, "not the index that the delta makes")
def delta_with_the_index_of_another(ground: Ground) -> list[Command]:
    """a signed index, but not the one of these rows"""
    other = ground.keys.sign(members_in(bundle([file_item("a", b"a")], version="2.0")))
    return _altered(
        ground, **{"index.json": other["index.json"], "trust/targets.json": other["trust/targets.json"]}
    )


@attack(_FAMILY, "one stands twice")
def delta_with_a_row_twice(ground: Ground) -> list[Command]:
    """a content is made in two ways"""
    return _hostile(ground, lambda rows, streams: rows.append(rows[0]))


@attack(_FAMILY, "does not make exactly what its index names")
def delta_with_a_row_missing(ground: Ground) -> list[Command]:
    """a content that nothing makes"""
    return _hostile(ground, lambda rows, streams: rows.pop())


@attack(_FAMILY, ": missing")
def delta_that_keeps_what_the_base_lacks(ground: Ground) -> list[Command]:
    """a row says that the base has a content, which it does not have"""
    return _hostile(ground, _in_place_of_patches(lambda row: Keep(digest=row.digest)))


@attack(_FAMILY, ": missing")
def delta_that_patches_what_the_base_lacks(ground: Ground) -> list[Command]:
    """a patch starts from a content that the base does not have"""

    def change(rows: Rows, streams: Streams) -> None:
        number, row = _first_patch(rows)
        rows[number] = replace(row, base=Origin(digest=digest_of(b"nowhere"), size=7, label="nothing"))

    return _hostile(ground, change)


@attack(_FAMILY, "not of the size")
def delta_that_lies_about_its_base(ground: Ground) -> list[Command]:
    """a patch says a terabyte for the size of what it starts from"""

    def change(rows: Rows, streams: Streams) -> None:
        number, row = _first_patch(rows)
        assert row.base
        rows[number] = replace(row, base=replace(row.base, size=1 << 40))

    return _hostile(ground, change)


@attack(_FAMILY, ": missing")
def delta_without_a_whole_frame(ground: Ground) -> list[Command]:
    """a row says that the delta carries a frame, which it does not carry"""
    return _hostile(ground, _in_place_of_patches(lambda row: Full(digest=row.digest)))


def _whole(ground: Ground, content: bytes | None) -> list[Command]:
    """The honest delta with its first patch replaced by a frame of `content`."""
    rows, streams = patches_between(ground.base, ground.next)
    number, row = _first_patch(rows)
    rows = [Full(digest=row.digest) if number == at else each for at, each in enumerate(rows)]
    members = members_in(delta_of(ground.next, ground.base, rows, streams))
    out = io.BytesIO()
    size = len(content or b"")
    compress(io.BytesIO(content or b""), size, out, this_encoder(DEFAULT_LEVEL, "portable/1"))
    members[frame_name(row.digest)] = out.getvalue()
    return ground.restore(archive_of(members))


@attack(_FAMILY, ".zst: ")
def delta_with_a_frame_of_other_content(ground: Ground) -> list[Command]:
    """a frame that the delta carries whole is of other content"""
    size = artifact_named(ground, "etc/app.toml").size
    return _whole(ground, b"e" * size)


def _program(ground: Ground, program: bytes, **streams: bytes) -> list[Command]:
    return _hostile(ground, _instead({"program": program, **streams}))


def _numbers(*numbers: int) -> bytes:
    return b"".join(map(leb128, numbers))


@attack(_FAMILY, "reaches outside the base")
def patch_that_copies_from_behind_the_base(ground: Ground) -> list[Command]:
    """a copy from behind the end of the base"""
    return _program(ground, _numbers(COPY, 1 << 20, 5))


@attack(_FAMILY, "reaches outside the base")
def patch_that_copies_from_before_the_base(ground: Ground) -> list[Command]:
    """a copy from in front of the base"""
    return _program(ground, _numbers(COPY, 3, 5))


@attack(_FAMILY, "a length of")
def patch_that_writes_too_much(ground: Ground) -> list[Command]:
    """an operation that is longer than what is to be made"""
    return _program(ground, _numbers(LITERAL, 1 << 40))


@attack(_FAMILY, "a length of 0")
def patch_that_writes_nothing_for_ever(ground: Ground) -> list[Command]:
    """operations of no bytes, without end"""
    return _program(ground, _numbers(LITERAL, 0) * 1000)


@attack(_FAMILY, "unknown operation")
def patch_with_an_unknown_operation(ground: Ground) -> list[Command]:
    """an operation that does not exist"""
    return _program(ground, _numbers(9, 1, 1))


@attack(_FAMILY, "truncated stream")
def patch_whose_stream_ends_early(ground: Ground) -> list[Command]:
    """a literal that the stream does not hold"""
    return _program(ground, _numbers(LITERAL, 5), literal=b"1")


@attack(_FAMILY, "a number is too large")
def patch_with_an_endless_number(ground: Ground) -> list[Command]:
    """a number that never ends"""
    return _program(ground, b"\x80" * 100_000)


@attack(_FAMILY, "larger than what it makes")
def patch_with_a_huge_part(ground: Ground) -> list[Command]:
    """a part of a change that is a gigabyte"""
    return _program(ground, _numbers(CHANGED, 0, 5, 5, 1 << 30, 0, 0, 0, 0, 0, 0))


@attack(_FAMILY, "restored content does not match its digest")
def patch_that_restores_other_bytes(ground: Ground) -> list[Command]:
    """a patch that is in order, and makes something else"""

    def change(rows: Rows, streams: Streams) -> None:
        streams["literal"] = streams["literal"].replace(b"2", b"3")
        streams["extra"] = streams.get("extra", b"").replace(b"2", b"3")

    return _hostile(ground, change)


@attack(_FAMILY, "bytes that nothing asks for")
def streams_with_more_than_is_asked_for(ground: Ground) -> list[Command]:
    """bytes hide at the end of a stream"""

    def change(rows: Rows, streams: Streams) -> None:
        streams["literal"] = streams.get("literal", b"") + b"hidden"

    return _hostile(ground, change)


@attack(_FAMILY, "bad end of the stream")
def streams_with_a_second_stream_behind(ground: Ground) -> list[Command]:
    """a second xz stream hides behind the first"""
    name = member_name("program")
    return _altered(ground, **{name: members_in(ground.delta)[name] + lzma.compress(b"hidden")})


@attack(_FAMILY, "damaged stream")
def streams_with_a_huge_dictionary(ground: Ground) -> list[Command]:
    """an xz stream that asks its reader for three gigabytes"""
    body = bytearray(lzma.compress(b"x", lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=0))
    body[16] = 39  # LZMA2's property byte
    body[20:24] = zlib.crc32(body[12:20]).to_bytes(4, "little")
    return _altered(ground, **{member_name("program"): bytes(body)})


@attack(_FAMILY, "not a member of this delta")
def delta_with_a_member_more(ground: Ground) -> list[Command]:
    """a frame that no row asks for"""
    return _altered(ground, **{"frames/" + "0" * 64 + ".zst": b"hidden"})


@attack(_FAMILY, "not a member of this delta")
def delta_with_an_unknown_stream(ground: Ground) -> list[Command]:
    """a stream that no operation reads"""
    return _altered(ground, **{"streams/hidden.xz": b"hidden"})


@attack(_FAMILY, "too many values", confined=True)
def delta_with_a_bomb_for_rows(ground: Ground) -> list[Command]:
    """twenty million empty rows, which nobody signed"""
    return _altered(ground, **{"delta.json": b'{"artifacts":[' + b"{}," * 20_000_000 + b"{}]}\n"})


@attack(_FAMILY, "unknown key", confined=True)
def delta_with_an_endless_key(ground: Ground) -> list[Command]:
    """an unknown key of twenty megabytes, which nobody signed"""
    data = members_in(ground.delta)["delta.json"]
    return _altered(
        ground, **{"delta.json": data.replace(b'"new":', b'"k%s":1,"new":' % (b"k" * (20 << 20)))}
    )


@attack(_FAMILY, "more blocks than are worth it", confined=True)
def patch_of_single_bytes(ground: Ground) -> list[Command]:
    """a change of twenty-four million blocks of a byte, each of which takes memory"""
    size = 24 << 20
    old = bundle([file_item("share/zeros", bytes(size))], version="1.0")
    new = bundle([file_item("share/zeros", bytes(size - 1) + b"1")], version="2.0")
    base = archive_of(ground.keys.sign(members_in(old), COUNTER, "gateway-1.0-plant/index.json"))
    following = archive_of(ground.keys.sign(members_in(new)))
    many = b"\0" * size, b"\0" * size, b"\1" * size
    change = Change(*many, b"", b"", b"", b"")
    program = _numbers(CHANGED, 0, size, size, *map(len, change[:7]))
    (entry,) = parse_index(members_in(new)["index.json"], "new").entries
    (before,) = parse_index(members_in(old)["index.json"], "old").entries
    origin = Origin(digest=before.expanded.digest, size=size, label="zeros")
    members: Members = members_in(
        delta_of(following, base, [Patch(digest=entry.expanded.digest, base=origin)], {"program": program})
    )
    for name, data in zip(STREAMS[1:8], change, strict=False):
        if data:
            members[member_name(name)] = lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=0)
    file = ground.put("hostile.airdelta", archive_of(members))
    return [("apply", ground.put("base.airlock", base), file, "-o", str(ground.machine / "media" / "out"))]


@attack(_FAMILY, "not signed by enough trusted keys")
def delta_signed_by_a_stranger(ground: Ground) -> list[Command]:
    """a delta with an index of somebody else"""
    other = archive_of(Keys().sign(members_in(ground.next)))
    return ground.update(delta_between(ground.base, other))


@attack(_FAMILY, "not signed")
def delta_without_signatures(ground: Ground) -> list[Command]:
    """a delta whose signatures were taken out"""
    return ground.update(archive_of(edited(members_in(ground.delta), {"trust/targets.json": None})))
