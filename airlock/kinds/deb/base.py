"""What the far machine has already: a file from there, or what debootstrap would have installed."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from airlock.errors import UsageError
from airlock.kinds.deb.control import blocks, stanza, text_of
from airlock.kinds.deb.packages import Package, Universe, parse_package
from airlock.kinds.deb.relations import NAME
from airlock.kinds.deb.versions import is_version

_LINE = re.compile(
    rf"({NAME})(?::[a-z0-9-]+)?[ \t]+(\S+)(?:[ \t]+([a-z0-9-]+))?(?:[ \t]+(\S+ \S+ \S+))?\s*", re.ASCII
)
_INSTALLED = "installed"


def read_base(data: bytes, where: str, universe: Universe) -> tuple[Package, ...]:
    """A copy of `/var/lib/dpkg/status`, or one package a line with its version, architecture and status. What the lines do
    not say of a package, its dependencies above all, is taken from the archive where that has the version. Raises
    UsageError or IntegrityError."""
    text = text_of(data, where)
    found = list(_of_status(text, where) if text.lstrip().startswith("Package:") else _of_lines(text, where))
    ours = [one for one in found if one.architecture in ("", "all", universe.architecture)]
    if found and not ours:
        architectures = ", ".join(sorted({one.architecture for one in found}))
        what = "is of a machine with another architecture"
        raise UsageError(where, what, expected=universe.architecture, found=architectures)
    return tuple(_completed(one, universe) for one in ours)


def _of_status(text: str, where: str) -> Iterator[Package]:
    for block in blocks(text):
        fields = stanza(block, where)
        if fields.get("status", "").split()[-1:] == [_INSTALLED]:
            yield parse_package(block, where, None)


def _of_lines(text: str, where: str) -> Iterator[Package]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or not is_version(match[2]):
            raise UsageError(
                f"{where}: line {number}",
                "not a package, a version, an architecture and a status",
                found=repr(line[:80]),
                hint="made by the command in docs/debs.md, on the far machine",
            )
        if match[4] is None or match[4].endswith(f" {_INSTALLED}"):
            yield Package(name=match[1], version=match[2], architecture=match[3] or "")


def _completed(package: Package, universe: Universe) -> Package:
    """With what the archive says of the very same version, if the base itself is silent."""
    if package.control:
        return package
    for known in universe.versions(package.name):
        if known.version == package.version:
            return replace(known, path="", size=0, digest=None, origin=None)
    return package


def essential_names(universe: Universe) -> Iterable[str]:
    """What debootstrap's variant `minbase` begins with: required packages, apt, and on suites with a merged /usr the package
    that says so, in the place of the one that would merge it."""
    wanted = ("Priority: required", "Essential: yes")
    found = (name for name in universe.names() if any(universe.has_field(name, line) for line in wanted))
    return sorted({*found, "apt", *(["usr-is-merged"] if universe.versions("usr-is-merged") else [])})
