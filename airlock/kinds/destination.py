"""Where a single file goes on the target, with which mode, and for which targets: what files and configuration share."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from airlock.core.artifact import Artifact
from airlock.core.expanded import Member
from airlock.core.fields import Fields
from airlock.core.paths import SafePath, safe_path
from airlock.errors import IntegrityError, UsageError
from airlock.formats.manifest import Manifest
from airlock.kinds import Room

DEFAULT_MODE = "0644"
MAX_MODE = 0o755

_MODE = re.compile(r"0[0-7]{3}")
_RESERVED = re.compile(r"bin/python[^/]*(/.*)?|pyvenv\.cfg(/.*)?|bin|lib|lib64(/.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    path: SafePath
    mode: str
    """Octal, as `0644`."""
    targets: tuple[str, ...]
    """Sorted names."""

    @property
    def placement(self) -> Mapping[str, str]:
        return MappingProxyType({"destination": self.path, "mode": self.mode})


def read_destination(fields: Fields, manifest: Manifest) -> Destination:
    """The keys `destination`, `mode` and `targets`; the caller asks for its own and calls `done`."""
    mode = fields.text("mode", DEFAULT_MODE)
    fields.parsed("mode", parse_mode) if "mode" in fields else None
    return Destination(
        path=fields.parsed("destination", parse_destination),
        mode=mode,
        targets=read_targets(fields, manifest),
    )


def read_targets(fields: Fields, manifest: Manifest) -> tuple[str, ...]:
    """The key `targets`, sorted; every target where it is left out. Raises UsageError."""
    known = [declared.target.name for declared in manifest.targets]
    named = fields.texts("targets", known)
    for number, name in enumerate(named):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"declared: {', '.join(known)}"
            raise fields.fault(f"targets[{number}]", f"no such target: {name!r}", hint)
    if not named:
        raise fields.fault("targets", "expected a target, found none", "leave `targets` out for all of them")
    return tuple(sorted(set(named)))


def check_distinct(where: str, destinations: Iterable[tuple[str, Destination]]) -> None:
    """Each target gets a path once, and no path is both a file and a directory. Raises UsageError that names the two
    places in the manifest."""
    taken: dict[tuple[str, str], str] = {}
    for place, destination in destinations:
        for target in destination.targets:
            if (other := taken.setdefault((target, destination.path), place)) != place:
                raise _clash(where, place, f"{destination.path!r} is also the destination of {other}", target)
    for (target, path), place in taken.items():
        for parent in PurePosixPath(path).parents:
            if above := taken.get((target, str(parent))):
                raise _clash(where, place, f"{path!r} is below the file of {above}", target)


def _clash(where: str, place: str, what: str, target: str) -> UsageError:
    return UsageError(
        f"{where}: {place}.destination", f"{what}, for the target {target!r}", hint="change one of the two"
    )


def parse_destination(text: str, where: str) -> SafePath:
    """Raises IntegrityError for what is not a safe path, and for what belongs to the environment itself."""
    path = safe_path(text, where)
    if _RESERVED.fullmatch(path):
        raise IntegrityError(where, "reserved for the Python environment", found=repr(text))
    return path


def parse_mode(text: str, where: str) -> int:
    """Permission bits from `0644`. Raises IntegrityError for set-id bits and what others than the owner could write."""
    if not _MODE.fullmatch(text) or int(text, 8) & ~MAX_MODE:
        raise IntegrityError(where, f'not a file mode from "0000" to "{MAX_MODE:04o}"', found=repr(text[:40]))
    return int(text, 8)


def place_whole(artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
    """Write the artifact, as it is, to its destination. Raises IntegrityError."""
    path, mode = _placed(artifact)
    for number, member in enumerate(contents()):
        if number or member.name:
            raise IntegrityError(artifact.label, "expected the file itself, found members")
        room.write(path, member.chunks, mode)


def _placed(artifact: Artifact) -> tuple[SafePath, int]:
    """The path and mode that a lockfile or index, which are not to be trusted, give the artifact."""
    if unknown := artifact.placement.keys() ^ {"destination", "mode"}:
        raise IntegrityError(
            f"{artifact.label}: placement",
            "expected exactly destination and mode",
            found=f"{sorted(unknown)[0]} missing or unknown",
        )
    path = parse_destination(artifact.placement["destination"], f"{artifact.label}: placement.destination")
    return path, parse_mode(artifact.placement["mode"], f"{artifact.label}: placement.mode")
