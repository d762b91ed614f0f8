"""Whether a wheel that this machine built runs on a target."""

import re
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from airlock.core.platforms import parse_platform
from airlock.core.target import Target
from airlock.errors import ResolutionError
from airlock.kinds.wheel.building.builder import BuiltWheel
from airlock.kinds.wheel.building.machine import platform, python_of
from airlock.kinds.wheel.releases import expanded_tags, tag_ranks

_ELF = b"\x7fELF"
_GLIBC = re.compile(rb"\0GLIBC_([0-9]{1,3})\.([0-9]{1,3})(?=[.\0])")
_LIBRARY = re.compile(rb"\0(lib[A-Za-z0-9_+.-]{1,60}\.so(?:\.[0-9]{1,5})*)(?=\0)")
_EVERYWHERE = re.compile(
    r"lib(c|m|dl|rt|pthread|util|resolv|nsl|crypt|anl|BrokenLocale|mvec|gcc_s|stdc\+\+|atomic|z|expat"
    r"|X11|Xext|Xrender|ICE|SM|GL|gobject-2\.0|gthread-2\.0|glib-2\.0)\.so.*|libc\.musl-.*"
)
"""What every Linux has, in the words of PEP 600."""
_WAYS = (
    "put a wheel of it for the target on an index, or build one on such a machine and name the file: "
    '"{name} @ file:wheels/FILE.whl"'
)


def check_fit(built: BuiltWheel, label: str, target: Target, wheel: BinaryIO) -> None:
    """Raises ResolutionError that names the project, the target, and why."""
    problem = _tags_problem(built, target) or library_problem(built.file, target, wheel)
    if problem is None:
        return
    what, expected, found = problem
    raise ResolutionError(
        label,
        f"cannot be built here for target {target.name}: {what}",
        expected=expected,
        found=found,
        hint=_WAYS.format(name=built.name),
    )


def library_problem(file: str, target: Target, wheel: BinaryIO) -> tuple[str, str, str] | None:
    """What keeps compiled parts of this machine from a target of the same processor, what is expected there and what was
    found. Compiled for `linux_x86_64` says nothing of the C library; what the binaries ask for does."""
    if file.endswith("-any.whl"):
        return None
    family, floor, here = target.on.family, target.on.floor, platform() or ""
    if not here.startswith(family):
        return "its compiled parts are for another C library", target.platform, here
    newest = parse_platform(here).floor if family == "musllinux" else _newest_glibc(wheel)
    if newest > floor:
        libc = "musl" if family == "musllinux" else "glibc"
        found = f"{libc} {newest[0]}.{newest[1]}"
        return "its compiled parts need a newer C library", f"{libc} {floor[0]}.{floor[1]}", found
    return None


def foreign_libraries(wheel: BinaryIO) -> tuple[str, ...]:
    """Shared libraries that binaries of the wheel name, which are neither in it nor on every Linux. Sorted."""
    named: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        own = {name.rpartition("/")[2] for name in archive.namelist()}
        for data in _binaries(archive):
            named.update(found.decode() for found in _LIBRARY.findall(data))
    return tuple(sorted(name for name in named - own if not _EVERYWHERE.fullmatch(name)))


def _binaries(archive: zipfile.ZipFile) -> Iterator[bytes]:
    for info in archive.infolist():
        data = archive.read(info)
        if data.startswith(_ELF):
            yield data


def _tags_problem(built: BuiltWheel, target: Target) -> tuple[str, str, str] | None:
    interpreters, abis, platforms = built.file.removesuffix(".whl").split("-")[-3:]
    ranks = tag_ranks(target)
    if any(tag in ranks for tag in expanded_tags(interpreters, abis, platforms)):
        return None
    minor = python_of(target)
    expected = f"Python {minor} on {target.platform}"
    if platforms == "any" or (built.python != minor and target.machine in platforms):
        what = f"its wheel is for the Python that built it, and no python{minor} is on PATH"
        return what, expected, built.file
    return "its wheel has compiled parts, which are for the machine that built it", expected, built.file


def _newest_glibc(wheel: BinaryIO) -> tuple[int, int]:
    """The newest version of glibc's symbols that is named in a binary of the wheel."""
    newest = (0, 0)
    with zipfile.ZipFile(wheel) as archive:
        for data in _binaries(archive):
            found = ((int(major), int(minor)) for major, minor in _GLIBC.findall(data))
            newest = max((newest, *found))
    return newest
