"""What a binary in the ELF format says it needs (System V ABI, gABI; `.note.dlopen` as systemd's specification has it)."""

import json
import posixpath
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, cast

MAGIC = b"\x7fELF"
_DLOPEN = 0x407C0C0A
_MOST = 4_096
"""Entries of a table that are looked at, all that hang on one another together."""
_MAX_TEXT = 1 << 14
"""Bytes of a name or a list of folders; rows may all share one that reaches to the end of the file."""
_MAX_NOTE = 1 << 20
"""Bytes."""
_MAX_READ = 32 << 20
"""Bytes that are read of a file in all, some of them often where its rows share names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A library that a binary may load while it runs."""

    names: tuple[str, ...]
    """Any of them will do."""
    required: bool
    feature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    machine: str
    """As `EM_X86_64`."""
    soname: str
    needed: tuple[str, ...]
    search: tuple[str, ...]
    """RUNPATH, or RPATH where there is none, folder by folder."""
    loader: str
    """The program that starts it; empty for a library."""
    versions: tuple[tuple[str, str], ...]
    """A library and a version of symbols that is needed of it."""
    wishes: tuple[Wish, ...]

    def folders(self, origin: str) -> tuple[str, ...]:
        """Where it looks for libraries, absolute, for one that lies in the folder `origin`; empty for an empty entry, which
        means the folder that a program was started in."""
        expanded = (text.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for text in self.search)
        return tuple(posixpath.normpath(text) if text else "" for text in expanded)


def read_binary(stream: BinaryIO) -> Binary | None:
    """None for what is not well formed."""
    from elftools.elf.elffile import ELFFile

    try:
        return _read(ELFFile(cast("BinaryIO", _Metered(stream))))
    except MemoryError:
        raise
    except (
        Exception
    ):  # the library over hostile bytes: whatever it stumbles over, it is no binary that a loader takes
        return None


class _Metered:
    """A stream to read _MAX_READ bytes from."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left = stream, _MAX_READ
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if size > self._left:
            raise ValueError("more to read than any binary has")
        self._left -= size
        return self._stream.read(size)


def _read(file: Any) -> Binary:
    tags = _tags(file)
    search = tags.get("DT_RUNPATH") or tags.get("DT_RPATH") or []
    return Binary(
        machine=str(file["e_machine"]),
        soname=next(iter(tags.get("DT_SONAME", [])), ""),
        needed=tuple(tags.get("DT_NEEDED", [])),
        search=tuple(part for text in search for part in text.split(":")),
        loader=_loader(file),
        versions=tuple(_versions(file)),
        wishes=tuple(_wishes(file)),
    )


def _tags(file: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for segment in islice(file.iter_segments("PT_DYNAMIC"), 1):
        for tag in islice(segment.iter_tags(), _MOST):
            name = tag.entry.d_tag
            value = next((getattr(tag, key) for key in _TEXTS if hasattr(tag, key)), None)
            if isinstance(name, str) and isinstance(value, str):
                found.setdefault(name, []).append(_limited(value))
    return found


_TEXTS = ("needed", "soname", "runpath", "rpath")


def _loader(file: Any) -> str:
    for segment in islice(file.iter_segments("PT_INTERP"), 1):
        return str(segment.get_interp_name())
    return ""


def _versions(file: Any) -> Iterator[tuple[str, str]]:
    section = file.get_section_by_name(".gnu.version_r")
    pairs = (
        ((needed, one) for needed, versions in section.iter_versions() for one in versions) if section else ()
    )
    for needed, version in islice(pairs, _MOST):
        yield _limited(needed.name), _limited(version.name)


def _limited(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise ValueError("longer than any name")
    return text


def _wishes(file: Any) -> Iterator[Wish]:
    section = file.get_section_by_name(".note.dlopen")
    if section is None or max(section["sh_size"], section.data_size) > _MAX_NOTE:
        return
    for text in _notes(section.data(), "<" if file.little_endian else ">"):
        for row in json.loads(text):
            yield Wish(
                names=tuple(str(name) for name in row.get("soname", ())),
                required=row.get("priority") == "required",
                feature=str(row.get("feature", "")),
            )


def _notes(data: bytes, order: str) -> Iterator[str]:
    """The texts of the notes of that type: each is owner, type and content, padded to four bytes."""
    position = 0
    while position + 12 <= len(data):
        name, size, kind = struct.unpack_from(f"{order}III", data, position)
        start = position + 12 + (name + 3) // 4 * 4
        if kind == _DLOPEN:
            yield data[start : start + size].rstrip(b"\0").decode()
        position = start + (size + 3) // 4 * 4
