"""Put a wheel's files where a virtual environment wants them (binary distribution format, PyPA specifications).

PyPA's `installer` decides schemes, entry points and scripts; the source and the destination below give it expanded members
instead of a zip, and the room of a generation instead of a directory. What goes to site-packages as it is, nearly every one
of some thousand files, does not pass through it (`_Plain`). The contents are read twice: once for what `.dist-info` says,
once to place them; each file is checked against the wheel's own RECORD.
"""

import base64
import configparser
import csv
import hashlib
import io
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, BinaryIO, cast

from installer import install
from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, InvalidRecordEntry, RecordEntry, parse_record_file
from installer.scripts import Script
from installer.sources import WheelSource
from installer.utils import construct_record_file, parse_entrypoints
from packaging.utils import canonicalize_name
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, hex_of
from airlock.core.expanded import Member
from airlock.core.paths import safe_path
from airlock.errors import IntegrityError
from airlock.kinds import Earlier, Placing, Room

Contents = Callable[[], Iterator[Member]]

MAX_RECORD = 64 << 20
MAX_ROWS = 250_000
MAX_SMALL = 1 << 20
"""Bytes of the other files of `.dist-info` that are held in memory: they take many times as much once they are parsed."""
_READ_FIRST = ("WHEEL", "RECORD", "entry_points.txt")
_UNLISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")
"""What RECORD has no digest for."""
_HASHES = ("sha256", "sha384", "sha512")
_DERIVED = "derived"
_PYTHON_LINE = b"#!python"
_MAX_FIRST_LINE = 127
"""Bytes that every Linux kernel reads of a script's first line."""
_HELD = 32 << 20
"""Bytes of files that wait in memory to be placed with others."""
_MAX_HEAD = 8 << 20
"""Bytes in which the first line of a script must end."""


def place_wheel(artifact: Artifact, contents: Contents, room: Room) -> None:
    """Raises IntegrityError where the wheel is not what its format demands, or not what its RECORD says."""
    where = artifact.file
    information = _read_information(artifact, contents)
    plain = _Plain(information, room, contents, where)
    source = _Source(information, contents, plain, where)
    try:
        install(source, _Destination(information, room, plain, where), {"INSTALLER": b"airlock\n"})
    except (InstallerError, InvalidRecordEntry) as error:
        raise IntegrityError(where, f"not a wheel that can be installed, {error.args[-1]}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Information:
    """What `.dist-info` says."""

    folder: str
    files: Mapping[str, str]
    records: Mapping[str, tuple[str, str, str]]
    derived: frozenset[str] = frozenset()
    """Files whose rows follow from them (`Member.record`), so that there is nothing to compare."""


def _read_information(artifact: Artifact, contents: Contents) -> _Information:
    where = artifact.file
    found: dict[str, bytes] = {}
    derived: frozenset[str] = frozenset()
    for member in contents():
        folder, _, name = member.name.partition("/")
        if folder.endswith(".dist-info") and name in _READ_FIRST:
            derived |= member.record.names if member.record else frozenset()
            chunks = [member.record.rest] if member.record else member.chunks
            limit = MAX_RECORD if name == "RECORD" else MAX_SMALL
            if member.name in found or len(found) == 2 * len(_READ_FIRST):
                raise IntegrityError(
                    f"{where}: {member.name[:120]}", "stands twice in the wheel, or in three folders"
                )
            found[member.name] = _at_most(limit, chunks, f"{where}: {member.name[:120]}")
    folders = sorted({name.partition("/")[0] for name in found})
    if len(folders) != 1 or not _is_of(folders[0], artifact):
        expected = f"one folder {artifact.name}-{artifact.version}.dist-info"
        raise IntegrityError(where, "not a wheel", expected=expected, found=", ".join(folders) or "none")
    try:
        files = {name.partition("/")[2]: data.decode() for name, data in found.items()}
        records = _records(files.get("RECORD", ""))
        information = _Information(folder=folders[0], files=files, records=records, derived=derived)
        list(parse_entrypoints(files.get("entry_points.txt", "")))
    except (
        ValueError,
        AssertionError,
        AttributeError,
        csv.Error,
        configparser.Error,
        InvalidRecordEntry,
    ) as error:
        raise IntegrityError(f"{where}: {folders[0]}", f"cannot be read, {error}") from error
    for name in ("WHEEL", "RECORD"):
        if name not in files:
            raise IntegrityError(f"{where}: {folders[0]}/{name}", "missing")
    return information


def _records(text: str) -> dict[str, tuple[str, str, str]]:
    """The rows of RECORD by path. Raises ValueError, csv.Error or InvalidRecordEntry."""
    records: dict[str, tuple[str, str, str]] = {}
    for number, row in enumerate(parse_record_file(io.StringIO(text, newline=""))):
        if number == MAX_ROWS:
            raise ValueError(f"RECORD has more than {MAX_ROWS} rows")
        records[row[0]] = row
    return records


def _at_most(limit: int, chunks: Iterable[bytes], where: str) -> bytes:
    kept: list[bytes] = []
    for chunk in chunks:
        limit -= len(chunk)
        if limit < 0:
            raise IntegrityError(where, "too large")
        kept.append(chunk)
    return b"".join(kept)


def _is_of(folder: str, artifact: Artifact) -> bool:
    """Whether `NAME-VERSION.dist-info` speaks of the artifact. Its version may be spelt in more than one way."""
    name, _, version = folder.removesuffix(".dist-info").rpartition("-")
    try:
        same = Version(version.replace("_", "-")) == Version(artifact.version)
    except ValueError:  # InvalidVersion is one, and so is what int() says of thousands of digits
        same = version == artifact.version
    return same and canonicalize_name(name) == artifact.name


class _Stream:
    """A member's chunks in the place of the stream that `installer` hands on untouched."""

    def __init__(self, member: Member) -> None:
        self.name, self.chunks = member.name, member.chunks


class _Plain:
    """Files that go to site-packages as they are, placed many at a time."""

    def __init__(self, information: _Information, room: Room, contents: Contents, where: str) -> None:
        self._information, self._room, self._contents, self._where = information, room, contents, where
        self._site = f"{_site_packages(room)}/"
        self._apart = f"{information.folder.removesuffix('.dist-info')}.data/"
        self._unlisted = {f"{information.folder}/{name}" for name in _UNLISTED}
        self._earlier: dict[str, tuple[Earlier, str]] = {}
        self._waiting: list[Placing] = []
        self._expected: list[tuple[str, str]] = []
        self._held = 0
        self.records: list[RecordEntry] = []

    def take(self, member: Member) -> bool:
        """False for what is not as plain as that."""
        name = member.name
        _, expected, size = self._information.records.get(name, ("", "", ""))
        if name in self._information.derived:
            expected = _DERIVED
        if (
            not expected.startswith(("sha256=", _DERIVED))
            or name.startswith(self._apart)
            or name in self._unlisted
        ):
            return False
        path = safe_path(self._site + name, f"{self._where}: {name[:120]!r}")
        mode = 0o755 if member.mode & 0o111 else 0o644
        if member.earlier is not None:
            self._earlier[name] = Earlier(path, mode, member.earlier), expected
            return True
        if size not in ("", str(member.size)) or (member.offset is None and not 0 <= member.size <= _HELD):
            return False
        content = member.offset if member.offset is not None else b"".join(member.chunks)
        self._waiting.append(Placing(path, mode, content, member.size))
        self._expected.append((name, expected))
        self._held += member.size if member.offset is None else 0
        if self._held > _HELD:
            self.settle()
        return True

    def settle(self) -> None:
        """Place what waits. Raises IntegrityError for what is not as RECORD says."""
        digests = self._room.write_all(self._waiting)
        for placing, (name, expected), digest in zip(self._waiting, self._expected, digests, strict=True):
            self._note(name, expected, digest, placing.size)
        self._waiting, self._expected, self._held = [], [], 0

    def finish(self) -> None:
        """Place all that is left. Raises IntegrityError as `settle` does."""
        self.settle()
        found = self._room.take_over([file for file, _ in self._earlier.values()])
        left: dict[str, tuple[Earlier, str]] = {}
        for (name, (file, expected)), entry in zip(self._earlier.items(), found, strict=True):
            if entry is None:
                left[name] = file, expected
            else:
                self._note(name, expected, entry.digest, entry.size)
        for member in self._contents() if left else ():
            if (waiting := left.pop(member.name, None)) is not None:
                file, expected = waiting
                self._note(member.name, expected, *self._room.write(file.path, member.chunks, file.mode))

    def _note(self, name: str, expected: str, digest: Digest, size: int) -> None:
        found = _spelled(digest)
        if expected not in (_DERIVED, f"sha256={found}"):
            where = f"{self._where}: {name}"
            raise IntegrityError(where, "not what RECORD says", expected=expected[7:], found=found)
        if expected != _DERIVED and self._information.records[name][2] not in ("", str(size)):
            raise IntegrityError(f"{self._where}: {name}", "not of the size that RECORD says")
        self.records.append(RecordEntry(name, Hash("sha256", found), size))


class _Source(WheelSource):
    def __init__(self, information: _Information, contents: Contents, plain: _Plain, where: str) -> None:
        distribution, _, version = information.folder.removesuffix(".dist-info").rpartition("-")
        super().__init__(distribution, version)
        self._information, self._contents, self._where = information, contents, where
        self._plain = plain

    @property
    def dist_info_dir(self) -> str:
        return self._information.folder

    @property
    def dist_info_filenames(self) -> list[str]:
        return list(self._information.files)

    def read_dist_info(self, filename: str) -> str:
        return self._information.files[filename]

    def validate_record(self) -> None:
        """Every file is checked when it is placed."""

    def get_contents(self) -> Iterator[tuple[tuple[str, str, str], BinaryIO, bool]]:
        seen: set[str] = set()
        for member in self._contents():
            if member.name.endswith("/") or self._is_left_out(member.name):
                continue
            if member.name in seen:
                raise IntegrityError(f"{self._where}: {member.name}", "stands twice in the wheel")
            seen.add(member.name)
            if self._plain.take(member):
                continue
            safe_path(member.name, f"{self._where}: {member.name[:120]!r}")
            yield self._record(member.name), cast("BinaryIO", _Stream(member)), bool(member.mode & 0o111)

    def _is_left_out(self, name: str) -> bool:
        """Byte code, which `installer` refuses to place as it cannot be reviewed, and the name of another installer."""
        cached = "__pycache__/" in name and "__pycache__" in name.split("/")[:-1]
        return cached or name == f"{self._information.folder}/INSTALLER"

    def _record(self, name: str) -> tuple[str, str, str]:
        folder, _, file = name.partition("/")
        if folder == self._information.folder and file in _UNLISTED:
            return name, "", ""
        if name in self._information.derived:
            return name, "", ""
        if (record := self._information.records.get(name)) is None:
            raise IntegrityError(f"{self._where}: {name}", "RECORD does not list it")
        if not record[1]:
            raise IntegrityError(f"{self._where}: {name}", "RECORD has no digest of it")
        return record


class _Destination(WheelDestination):
    def __init__(self, information: _Information, room: Room, plain: _Plain, where: str) -> None:
        self._site, python = _site_packages(room), _python_name(room)
        distribution = information.folder.removesuffix(".dist-info").rpartition("-")[0]
        self._folders = {
            "purelib": self._site,
            "platlib": self._site,
            "headers": f"include/site/{python}/{distribution}",
            "scripts": "bin",
            "data": "",
        }
        self._information, self._room, self._where = information, room, where
        self._plain = plain

    def write_script(self, name: str, module: str, attr: str, section: Any) -> RecordEntry:
        if "/" in name:
            raise IntegrityError(f"{self._where}: entry_points.txt", f"not a file name: {name!r}")
        name, data = Script(name, module, attr, section).generate(self._room.interpreter, "posix")
        return self._write("scripts", name, [data], 0o755)

    def write_file(self, scheme: Any, path: Any, stream: IO[bytes], is_executable: bool) -> RecordEntry:
        if not isinstance(stream, _Stream):
            return self._write(scheme, path, [stream.read()], 0o644)
        promise = _Promise(stream, self._information, self._where)
        if scheme != "scripts" and promise.algorithm == "sha256":
            record = self._write(scheme, path, stream.chunks, 0o755 if is_executable else 0o644)
            assert record.hash_ is not None, "it was just given one"
            promise.check(record.hash_.value, record.size)
            return record
        chunks, found = promise.watched()
        if scheme == "scripts":
            chunks = _with_interpreter(chunks, self._room.interpreter, f"{self._where}: {path}")
        record = self._write(scheme, path, chunks, 0o755 if is_executable or scheme == "scripts" else 0o644)
        promise.check(*found())
        return record

    def finalize_installation(
        self, scheme: Any, record_file_path: str, records: Iterable[tuple[Any, RecordEntry]]
    ) -> None:
        self._plain.finish()
        rows = [*records, *((scheme, record) for record in self._plain.records)]
        with construct_record_file(rows, self._prefix) as stream:
            self._write(scheme, record_file_path, [stream.read()], 0o644)

    def _prefix(self, scheme: str) -> str | None:
        folder = self._folders[scheme]
        if folder == self._site:
            return None
        return "../../../" + (f"{folder}/" if folder else "")

    def _write(self, scheme: str, path: str, chunks: Iterable[bytes], mode: int) -> RecordEntry:
        folder = self._folders[scheme]
        place = safe_path(f"{folder}/{path}" if folder else path, f"{self._where}: {path}")
        digest, size = self._room.write(place, chunks, mode)
        return RecordEntry(path, Hash("sha256", _spelled(digest)), size)


def _python_name(room: Room) -> str:
    major, minor = room.target.python_minor
    return f"python{major}.{minor}"


def _site_packages(room: Room) -> str:
    return f"lib/{_python_name(room)}/site-packages"


class _Promise:
    """What RECORD says of a member, compared at the end of its way to the disk."""

    def __init__(self, stream: _Stream, information: _Information, where: str) -> None:
        self._chunks, self._where = stream.chunks, f"{where}: {stream.name}"
        record = RecordEntry.from_elements(*information.records.get(stream.name, (stream.name, "", "")))
        self._expected, self._size = record.hash_, record.size
        self.algorithm = self._expected.name if self._expected else ""
        if self._expected and self.algorithm not in _HASHES:
            raise IntegrityError(
                self._where, "RECORD has a weak digest", expected="sha256", found=self._expected.name
            )

    def watched(self) -> tuple[Iterator[bytes], Callable[[], tuple[str, int]]]:
        """The chunks, and what will be known of them at their end, where the disk's own sha256 does not tell it."""
        hasher, size = hashlib.new(self.algorithm or "sha256"), 0

        def chunks() -> Iterator[bytes]:
            nonlocal size
            for chunk in self._chunks:
                size += len(chunk)
                hasher.update(chunk)
                yield chunk

        return chunks(), lambda: (_plain(hasher.digest()), size)

    def check(self, digest: str, size: int | None) -> None:
        if self._expected and (digest != self._expected.value or self._size not in (None, size)):
            raise IntegrityError(
                self._where, "not what RECORD says", expected=self._expected.value, found=digest
            )


def _with_interpreter(chunks: Iterator[bytes], interpreter: str, where: str) -> Iterator[bytes]:
    """A script whose first line is `#!python` gets the path of the generation's own."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(_PYTHON_LINE):
            break
    if head.startswith(_PYTHON_LINE):
        while b"\n" not in head and (chunk := next(chunks, b"")):
            head += chunk
            if len(head) > _MAX_HEAD:
                break
        if len(head) > _MAX_HEAD and b"\n" not in head[:_MAX_HEAD]:
            raise IntegrityError(where, "its first line has no end", expected=f"at most {_MAX_HEAD} bytes")
        head = _first_line(interpreter) + head.partition(b"\n")[2]
    return chain([head], chunks)


def _first_line(interpreter: str) -> bytes:
    """Kernels cut long first lines and split at spaces, so such a path is started by way of /bin/sh, in lines that are
    both shell and Python."""
    line = f"#!{interpreter}\n".encode()
    if len(line) <= _MAX_FIRST_LINE and b" " not in line:
        return line
    return f"#!/bin/sh\n'''exec' {shlex.quote(interpreter)} \"$0\" \"$@\"\n' '''\n".encode()


def _spelled(digest: Digest) -> str:
    return _plain(bytes.fromhex(hex_of(digest)))


def _plain(digest: bytes) -> str:
    """URL-safe base64 without padding, as RECORD has it."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
