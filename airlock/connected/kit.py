"""`airlock kit`: airlock and its dependencies for a target, in one file that a shell puts in place.

The dependencies are what airlock's own lock pins, as they are on their index; airlock itself is the one that runs. Nothing is
compressed here, so no library's version shows in the bytes.
"""

import shlex
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from airlock.connected.reproduce import first_difference
from airlock.core.digest import Digest, Hasher, chunks_of, digest_of, digest_of_stream, hex_of
from airlock.core.paths import SafePath, safe_path
from airlock.core.target import Target
from airlock.errors import IntegrityError, TargetError, UsageError
from airlock.formats.kit import BUNDLE, FIRST, HEAD, TABLE, CarriedPython, KitTable, Part, write_kit_table
from airlock.formats.lockfile import Lockfile
from airlock.kinds.carrier import Carrier
from airlock.kinds.registry import kinds
from airlock.storage.archive import ArchiveWriter
from airlock.storage.atomic import replacing
from airlock.storage.kit import finish, open_kit
from airlock.storage.store import Store

_UNKNOWN = "0" * 64
"""Stands for the digest of the archive until that is written."""
_ABOUT = "airlock kit {version} for Python {python} on {platform}"
_GZIP = b"\x1f\x8b"
_MOST = 100_000
"""Members of an archive with a Python that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What goes into a kit."""

    target: Target
    """Of the machine that it is for."""
    own: Lockfile
    """airlock's own lock."""
    store: Store
    """Has everything that the lock names for the target."""
    itself: Path | None = None
    """airlock's wheel; None for the airlock that runs."""
    python: Path | None = None
    """An archive with a relocatable Python."""
    bundle: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KitReport:
    path: Path
    size: int
    digest: Digest
    """Of the whole file."""
    parts: int
    absent: str
    """Why airlock's native crate is not in it; empty where it is."""


def own_target(own: Lockfile, target: Target, where: str) -> Target:
    """The one of airlock's own targets whose artifacts run on `target`. Raises TargetError."""
    for one in own.targets:
        same = (one.python_minor, one.free_threaded, one.on.family, one.machine)
        fits = same == (target.python_minor, target.free_threaded, target.on.family, target.machine)
        if fits and one.on.floor <= target.on.floor and one.python_full <= target.python_full:
            return one
    raise TargetError(
        f"{where}: targets",
        f"airlock is locked for none that is like {target.name}",
        expected=f"Python {target.python} on {target.platform}, or older",
        hint="add it to the airlock.toml beside it, run `airlock lock` there, and name that lock with --airlock-lock",
    )


def make_kit(request: Request, path: Path) -> KitReport:
    """Write the kit to `path`, atomically. Raises FetchError, IntegrityError, TargetError or UsageError."""
    carrier = _carrier()
    itself = carrier.itself(request.target, request.itself)
    parts = [
        _Source(part=_part(carrier, itself.file, len(itself.data), digest_of(itself.data)), data=itself.data)
    ]
    for artifact in request.own.artifacts_for(own_target(request.own, request.target, "airlock.lock").name):
        if artifact.kind != carrier.name:
            raise UsageError(f"airlock.lock: {artifact.label}", "not a part that a kit can bring")
        part = _part(carrier, artifact.file, artifact.size, artifact.digest)
        parts.append(_Source(part=part, opened=partial(request.store.open, artifact.digest, artifact.label)))
    parts.sort(key=lambda one: one.part.member)
    python = _carried(request.python, request.target) if request.python else None
    table = KitTable(
        airlock=_version(itself.file),
        target=request.target,
        parts=tuple(one.part for one in parts),
        python=python,
        bundle=request.bundle.name if request.bundle else "",
    )
    if python and request.python:
        parts.append(_Source(part=python.part, opened=partial(_open, request.python)))
    with replacing(path, 0o755) as out:
        _write(_head(table, carrier.script()), table, parts, request.bundle, out)
        out.seek(0)
        digest, size = digest_of_stream(out)
    return KitReport(path=path, size=size, digest=digest, parts=len(table.parts), absent=itself.absent)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A part and its bytes."""

    part: Part
    data: bytes = b""
    opened: Callable[[], BinaryIO] | None = None

    def chunks(self) -> Iterator[bytes]:
        if self.opened is None:
            yield self.data
            return
        hasher = Hasher()
        with self.opened() as stream:
            yield from hasher.watch(chunks_of(stream))
        if hasher.digest != self.part.digest:  # what is about to be run is hashed again
            hint = "delete the cache: everything in it can be had again"
            expected, found = self.part.digest, hasher.digest
            raise IntegrityError(
                self.part.file, "other bytes than before", expected=expected, found=found, hint=hint
            )


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _carrier() -> Carrier:
    return next(kind for kind in kinds() if isinstance(kind, Carrier))


def _part(kind: Carrier, file: str, size: int, digest: Digest) -> Part:
    """Names in the archive are short, so of several platforms in a name the first one stays."""
    stem, _, suffix = file.rpartition(".")
    head, _, platforms = stem.rpartition("-")
    return Part(
        member=f"{kind.name}s/{head}-{platforms.split('.')[0]}.{suffix}", file=file, size=size, digest=digest
    )


def _version(file: str) -> str:
    return file.split("-")[1]


def _carried(path: Path, target: Target) -> CarriedPython:
    """Raises UsageError for what is no archive with such a Python."""
    with path.open("rb") as stream:
        digest, size = digest_of_stream(stream)
        stream.seek(0)
        compressed = stream.read(2) == _GZIP
    member = f"python/python.{'tar.gz' if compressed else 'tar'}"
    return CarriedPython(
        part=Part(member=member, file=path.name, size=size, digest=digest), program=_program(path, target)
    )


def _program(path: Path, target: Target) -> SafePath:
    major, minor = target.python_minor
    name = f"bin/python{major}.{minor}{'t' if target.free_threaded else ''}"
    found: SafePath | None = None
    try:
        with tarfile.open(path, "r:*") as archive:
            for number, member in enumerate(archive):
                if number == _MOST:
                    break
                place = member.name.removeprefix("./").rstrip("/")
                if place not in ("", "."):
                    safe_path(place, f"{path}: {place[:120]!r}")
                if f"/{place}".endswith(f"/{name}") and (member.isfile() or member.issym()):
                    found = found or SafePath(place)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UsageError(
            str(path), f"not an archive that tar reads, {error}", expected="a .tar or .tar.gz"
        ) from error
    if found is None:
        hint = "it must be a relocatable Python of the target's version: docs/kit.md"
        raise UsageError(str(path), "holds no Python for the target", expected=name, hint=hint)
    return found


def _write(
    head: bytes, table: KitTable, parts: Iterable[_Source], bundle: Path | None, out: BinaryIO
) -> None:
    out.seek(HEAD)
    writer = ArchiveWriter(out)
    writer.add_bytes(TABLE, write_kit_table(table))
    for one in parts:
        writer.add(one.part.member, one.part.size, one.chunks())
    if bundle:
        with bundle.open("rb") as stream:
            writer.add(BUNDLE, bundle.stat().st_size, chunks_of(stream))
    writer.close()
    finish(head, out)


def _head(table: KitTable, text: str) -> bytes:
    about = _ABOUT.format(version=table.airlock, python=table.target.python, platform=table.target.platform)
    about += f", with {table.bundle}" if table.bundle else ""
    python = table.python
    major, minor = table.target.python_minor
    words = {
        "DIGEST": _UNKNOWN,
        "PYTHON": f"{major}.{minor}",
        "MACHINE": table.target.machine,
        "PROGRAM": shlex.quote(python.program) if python else "",
        "ARCHIVE": python.part.member if python else "",
        "CARRIED": hex_of(python.part.digest)[:16] if python else "",
        "BUNDLE": shlex.quote(table.bundle) if table.bundle else "",
        "KIT": hex_of(digest_of(write_kit_table(replace(table, bundle=""))))[:16],
        "ABOUT": about,
        "MORE": " [--root DIR --trust ROOT.JSON, as of `airlock install`]" if table.bundle else "",
        "THEN": " Then it installs the bundle that it brings." if table.bundle else "",
    }
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    head = text.encode()
    assert head.startswith(FIRST) and len(head) < HEAD, "the script fits its place"
    return head + b"exit 0\n".rjust(HEAD - len(head), b"\n")


def compare_kits(ours: Path, theirs: Path) -> None:
    """Raises IntegrityError that names the first difference."""
    with ours.open("rb") as one, theirs.open("rb") as other:
        mine, yours = open_kit(one, str(ours)), open_kit(other, str(theirs))
        difference = first_difference(mine.archive, yours.archive)
        if difference is None and mine.head == yours.head:
            return
    raise IntegrityError(str(theirs), f"not the same kit, {difference or 'the script differs'}")
