"""Small ELF files (x86-64, no program) whose code moves, for tests of relocation."""

import random
import struct
from collections.abc import Sequence

BASE = 0x1000
DATA = 0x20000
HEADER = 0x40 + 2 * 0x38


def shared_object(functions: Sequence[int]) -> bytes:
    """One with a function for each seed, at another place for any other list; each calls some of the first ten, which
    must be there, reads data, and has a row in every table that points to it."""
    bodies = [_filling(number) for number in functions]
    places = [BASE + HEADER + sum(len(body) + 40 for body in bodies[:at]) for at in range(len(bodies))]
    code = b"".join(
        _function(place, body, number, dict(zip(functions, places, strict=True)))
        for place, body, number in zip(places, bodies, functions, strict=True)
    )
    frames = b""
    tables = {
        ".rela.dyn": b"".join(
            struct.pack("<QQq", DATA + 8 * at, 8, place) for at, place in enumerate(places)
        ),
        ".symtab": b"".join(struct.pack("<IIQQ", at, 18, place, 40) for at, place in enumerate(places)),
        ".data": b"".join(struct.pack("<Q", place) for place in places),
    }
    jumps = DATA + sum(map(len, tables.values()))
    tables[".rodata"] = b"".join(struct.pack("<i", place - jumps) for place in places)
    frame_table = jumps + len(tables[".rodata"])
    tables[".eh_frame_hdr"] = bytes(12) + b"".join(
        struct.pack("<2i", place - frame_table, 0x100) for place in places
    )
    at = frame_table + len(tables[".eh_frame_hdr"])
    for place in places:
        frames += struct.pack("<IIii", 12, 4, place - (at + len(frames) + 8), 40)
    tables[".eh_frame"] = frames
    # A function that points to the jump table.
    code += b"\x48\x8d\x05" + struct.pack("<i", jumps - (BASE + HEADER + len(code) + 7)) + bytes(9)
    return _file(code, tables)


def _filling(number: int) -> bytes:
    return random.Random(number).randbytes(60 + number % 50).translate(bytes(range(0x90, 0xA0)) * 16)


def _function(place: int, body: bytes, number: int, places: dict[int, int]) -> bytes:
    out = bytearray(body)
    for step, opcode in enumerate((b"\xe8", b"\xe9", b"\x0f\x84", b"\x8b\x05")):
        out += opcode
        called = places[(number * 7 + step) % 10]
        target = DATA + number * 8 % 512 if opcode == b"\x8b\x05" else called
        out += struct.pack("<i", target - (place + len(out) + 4))
    return bytes(out).ljust(len(body) + 40, b"\xcc")


def _file(code: bytes, tables: dict[str, bytes]) -> bytes:
    kinds = {".rela.dyn": 4, ".symtab": 2}
    names = b"\0" + b"\0".join([b".text", *(name.encode() for name in tables)]) + b"\0"
    body = bytearray(HEADER) + code
    start = len(body)
    for table in tables.values():
        body += table
    strings = len(body)
    body += names
    sections = len(body)
    entries = [(".text", 1, 6, BASE + HEADER, HEADER, len(code))]
    place = 0
    for name, table in tables.items():
        entries.append((name, kinds.get(name, 1), 2, DATA + place, start + place, len(table)))
        place += len(table)
    body += bytes(64)
    for name, kind, flags, address, offset, size in entries:
        body += struct.pack(
            "<IIQQQQIIQQ", names.index(name.encode() + b"\0"), kind, flags, address, offset, size, 0, 0, 1, 0
        )
    body += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, strings, len(names), 0, 0, 1, 0)
    body[:0x40] = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 0x40, sections, 0, 64, 56, 2, 64, len(entries) + 2,
        len(entries) + 1,
    )  # fmt: skip
    body[0x40:HEADER] = struct.pack(
        "<IIQQQQQQ", 1, 5, 0, BASE, BASE, HEADER + len(code), HEADER + len(code), 4096
    ) + struct.pack("<IIQQQQQQ", 1, 6, start, DATA, DATA, place, place + 4096, 4096)
    return bytes(body)
