"""Where the versions of a trust root lie: as files beside each other, or as members of bundles, deltas and approvals.

The files of one root are `ROOT.json`, `ROOT.2.json`, `ROOT.3.json` and so on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airlock.errors import IntegrityError
from airlock.formats.trust import MAX_METADATA, parse_root, root_link, root_version
from airlock.formats.trust_chain import Links, TrustedRoot, following, pinned, quorums
from airlock.formats.trust_fields import read_policy
from airlock.storage.archive import Archive

_VERSION = re.compile(r"(.+)\.([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The versions of one root that lie beside each other."""

    roots: tuple[TrustedRoot, ...]
    """Those that count, the oldest first. Empty where even the first lacks signatures."""
    pending: Path | None
    """The next one, where it has not been signed by all who must."""


def file_of(path: Path, version: int) -> Path:
    """Where that version lies; `path` is the file of any version of the same root."""
    found = _VERSION.fullmatch(path.stem)
    stem = found[1] if found else path.stem
    return path.with_name(f"{stem}{path.suffix}" if version == 1 else f"{stem}.{version}{path.suffix}")


def read_chain(path: Path) -> Chain:
    """The roots from the first on, or from `path` on where the first is not at hand. Raises IntegrityError."""
    first = file_of(path, 1)
    start = first if first.exists() else path
    metadata = parse_root(read_root(start), str(start))
    if any(quorum.missing for quorum in quorums(metadata, None)):
        return Chain(roots=(), pending=start)
    roots = [pinned(read_root(start), str(start))]
    while (file := file_of(path, roots[-1].version + 1)).exists():
        data = read_root(file)
        metadata = parse_root(data, str(file))
        if any(quorum.missing for quorum in quorums(metadata, roots[-1].signed)):
            return Chain(roots=tuple(roots), pending=file)
        roots.append(following(roots[-1], data, str(file)))
    _check_no_gap(file, roots[-1].version)
    return Chain(roots=tuple(roots), pending=None)


def siblings(path: Path) -> dict[int, Path]:
    """The files of the same root as `path` that lie beside it, by the versions in their names."""
    found = (_VERSION.fullmatch(one.stem) for one in path.parent.glob(f"*{path.suffix}"))
    versions = (int(match[2]) for match in found if match)
    files = {version: file_of(path, version) for version in (1, *versions)}
    return {version: file for version, file in sorted(files.items()) if file.exists()}


def _check_no_gap(missing: Path, newest: int) -> None:
    """`missing` is where the version after `newest` would lie."""
    later = [file for version, file in siblings(missing).items() if version > newest]
    if later:
        raise IntegrityError(
            str(missing),
            "missing, so that later trust roots cannot be reached",
            expected=f"version {newest + 1} of the root beside {later[0]}",
            hint="bring it as well, or name an older root where no other lies",
        )


def read_root(path: Path) -> bytes:
    """Never more than a byte too much: what is no trust root may be of any size."""
    with path.open("rb") as stream:
        return stream.read(MAX_METADATA + 1)


def links_in(archives: Sequence[Archive], name: str) -> Links:
    """The roots of `name` that archives carry; of those that several carry, the first one's."""
    holders: dict[int, Archive] = {}
    for archive in archives:
        for member in archive.members:
            match root_version(member):
                case (found, version) if found == name:
                    holders.setdefault(version, archive)

    def place(version: int) -> str:
        return f"{holders.get(version, archives[0]).where}: {root_link(version, name)}"

    return Links(
        versions=frozenset(holders),
        read=lambda version: holders[version].read(root_link(version, name), MAX_METADATA),
        place=place,
    )


def links_of_files(paths: Sequence[Path]) -> dict[str, Links]:
    """Roots in files and in those that lie beside them, by the name of the root. Raises IntegrityError, also for two of one
    version that are named."""
    found: dict[str, dict[int, tuple[Path, bytes]]] = {}
    for path in _with_siblings(paths):
        data = read_root(path)
        root = parse_root(data, str(path)).signed
        versions = found.setdefault(read_policy(root, str(path)).approver, {})
        if root.version in versions:
            raise IntegrityError(str(path), "a second root of one version", found=str(root.version))
        versions[root.version] = (path, data)
    return {name: _links(versions) for name, versions in found.items()}


def _with_siblings(paths: Sequence[Path]) -> list[Path]:
    """What is named, and the versions of the same roots up to it that nobody named."""
    named = {path.resolve() for path in paths}
    beside: dict[Path, Path] = {}
    for path in paths:
        if (match := _VERSION.fullmatch(path.stem)) is None:
            continue
        for version, file in siblings(path).items():
            if version < int(match[2]) and file.resolve() not in named:
                beside[file.resolve()] = file
    return [*paths, *beside.values()]


def _links(versions: dict[int, tuple[Path, bytes]]) -> Links:
    return Links(
        versions=frozenset(versions),
        read=lambda version: versions[version][1],
        place=lambda version: str(versions[version][0]) if version in versions else f"version {version}",
    )
