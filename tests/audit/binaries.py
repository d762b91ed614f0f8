"""Small ELF files that say what they need, and hold no code."""

import json
import struct
from collections.abc import Mapping, Sequence

_ADDRESS = 0x1000
_HEADER = 64
_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 5, 10, 14, 15, 29
_MACHINES = {"x86_64": 62, "aarch64": 183, "i686": 3}
_DLOPEN = 0x407C0C0A


def binary(
    needed: Sequence[str] = (),
    *,
    soname: str = "",
    runpath: str = "",
    rpath: str = "",
    machine: str = "x86_64",
    loader: str = "",
    versions: Mapping[str, Sequence[str]] | None = None,
    wishes: Sequence[Mapping[str, object]] = (),
) -> bytes:
    """`versions` are those of symbols, by the library that they are needed of; `wishes` are rows of `.note.dlopen`."""
    strings = _Strings()
    tags = [(_NEEDED, strings.add(name)) for name in needed]
    tags += [(_SONAME, strings.add(soname))] if soname else []
    tags += [(_RUNPATH, strings.add(runpath))] if runpath else []
    tags += [(_RPATH, strings.add(rpath))] if rpath else []
    required = _version_table(versions or {}, strings)
    note = _note(wishes) if wishes else b""
    interpreter = loader.encode() + b"\0" if loader else b""
    segments = 2 + bool(interpreter)
    parts = {"start": _HEADER + 56 * segments}
    at = parts["start"]
    blocks = {
        ".dynstr": strings.data,
        ".gnu.version_r": required,
        ".note.dlopen": note,
        ".interp": interpreter,
    }
    offsets: dict[str, int] = {}
    body = b""
    for name, data in blocks.items():
        offsets[name] = at + len(body)
        body += data + bytes(-len(data) % 8)
    offsets[".dynamic"] = at + len(body)
    tags += [(_STRTAB, _ADDRESS + offsets[".dynstr"]), (_STRSZ, len(strings.data)), (0, 0)]
    blocks[".dynamic"] = b"".join(struct.pack("<QQ", tag, value) for tag, value in tags)
    body += blocks[".dynamic"]
    names, table = _sections(blocks, offsets, at + len(body), len(versions or {}))
    whole = at + len(body) + len(names) + len(table)
    headers = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, whole, whole, 0x1000)
    place, size = offsets[".dynamic"], len(blocks[".dynamic"])
    headers += struct.pack("<IIQQQQQQ", 2, 6, place, _ADDRESS + place, 0, size, size, 8)
    if interpreter:
        place, size = offsets[".interp"], len(interpreter)
        headers += struct.pack("<IIQQQQQQ", 3, 4, place, _ADDRESS + place, 0, size, size, 1)
    count = len([data for data in blocks.values() if data]) + 2
    first = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(3, _MACHINES[machine], 1, 0, _HEADER, at + len(body) + len(names), 0),
        *(_HEADER, 56, segments, 64, count, count - 1),
    )
    return first + headers + body + names + table


class _Strings:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        place = len(self.data)
        self.data += text.encode() + b"\0"
        return place


def _version_table(versions: Mapping[str, Sequence[str]], strings: _Strings) -> bytes:
    out = b""
    for number, (library, names) in enumerate(versions.items(), 1):
        size = 16 + 16 * len(names)
        following = size if number < len(versions) else 0
        out += struct.pack("<HHIII", 1, len(names), strings.add(library), 16, following)
        for index, name in enumerate(names, 1):
            following = 16 if index < len(names) else 0
            out += struct.pack("<IHHII", 0, 0, index + 1, strings.add(name), following)
    return out


def _note(wishes: Sequence[Mapping[str, object]]) -> bytes:
    text = json.dumps(list(wishes)).encode() + b"\0"
    return struct.pack("<III", 4, len(text), _DLOPEN) + b"FDO\0" + text + bytes(-len(text) % 4)


_TYPES = {".dynstr": 3, ".gnu.version_r": 0x6FFFFFFE, ".note.dlopen": 7, ".interp": 1, ".dynamic": 6}


def _sections(
    blocks: Mapping[str, bytes], offsets: Mapping[str, int], at: int, needs: int
) -> tuple[bytes, bytes]:
    """The names of sections, which lie at `at`, and their headers."""
    names, table = b"\0", bytes(64)
    used = [name for name, data in blocks.items() if data]
    for name in used:
        linked = used.index(".dynstr") + 1 if name in (".gnu.version_r", ".dynamic") else 0
        info = needs if name == ".gnu.version_r" else 0
        size = 16 if name == ".dynamic" else 0
        place, offset = len(names), offsets[name]
        fields = (_ADDRESS + offset, offset, len(blocks[name]), linked, info, 8, size)
        table += struct.pack("<IIQQQQIIQQ", place, _TYPES[name], 2, *fields)
        names += name.encode() + b"\0"
    place = len(names)
    names += b".shstrtab\0"
    table += struct.pack("<IIQQQQIIQQ", place, 3, 0, 0, at, len(names), 0, 0, 1, 0)
    return names, table
