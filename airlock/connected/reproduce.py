"""Build once more under other circumstances, and say where two bundles differ first."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airlock.core.digest import CHUNK
from airlock.errors import IntegrityError
from airlock.storage.archive import Archive

TRUST = "trust/"
"""Members that a signer adds to what was built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    member: str
    what: str

    def __str__(self) -> str:
        return f"{self.member}: {self.what}"


def first_difference(ours: Archive, theirs: Archive) -> Difference | None:
    """The first member that is not the same in both, signatures aside, in the order of `ours`."""
    names = [name for name in ours.members if not name.startswith(TRUST)]
    others = [name for name in theirs.members if not name.startswith(TRUST)]
    for name in names:
        if name not in theirs.members:
            return Difference(member=name, what="only in ours")
        with ours.open(name) as one, theirs.open(name) as other:
            if (offset := _first_offset(one, other)) is not None:
                return Difference(member=name, what=f"first difference at byte {offset}")
    for name in others:
        if name not in ours.members:
            return Difference(member=name, what="only in theirs")
    if names != others:
        return Difference(member=others[0], what="the members are in another order")
    return None


def _first_offset(one: BinaryIO, other: BinaryIO) -> int | None:
    offset = 0
    while True:
        ours, theirs = one.read(CHUNK), other.read(CHUNK)
        if ours != theirs:
            pairs = zip(ours, theirs, strict=False)
            return offset + next(
                (at for at, (a, b) in enumerate(pairs) if a != b), min(len(ours), len(theirs))
            )
        if not ours:
            return None
        offset += len(ours)


def compare_bundles(ours: Path, theirs: Path) -> None:
    """Raises IntegrityError that names the first difference."""
    with ours.open("rb") as one, theirs.open("rb") as other:
        difference = first_difference(Archive(one, str(ours)), Archive(other, str(theirs)))
    if difference:
        raise IntegrityError(
            str(theirs),
            f"not what the lock builds here, {difference}",
            hint="compare the two with `airlock diff`, and the encoders with `airlock inspect`",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Everything around a build that must not show in it."""

    directory: Path
    environment: Mapping[str, str]
    umask: int


def elsewhere(directory: Path, environment: Mapping[str, str]) -> Circumstances:
    """Another directory, home, locale, time zone, clock, umask and hash seed than `environment` has."""
    home, temporary = directory / "home", directory / "temporary"
    for folder in (home, temporary):
        folder.mkdir()
    changed = {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "XDG_CACHE_HOME": str(home / "cache"),
        "LC_ALL": "tr_TR.UTF-8" if environment.get("LC_ALL") != "tr_TR.UTF-8" else "C",
        "TZ": "Pacific/Kiritimati" if environment.get("TZ") != "Pacific/Kiritimati" else "UTC",
        "PYTHONHASHSEED": "4242" if environment.get("PYTHONHASHSEED") != "4242" else "2424",
        "SOURCE_DATE_EPOCH": "4102444800",
    }
    return Circumstances(directory=directory, environment=dict(environment) | changed, umask=0o077)


def run_elsewhere(command: Sequence[str], circumstances: Circumstances) -> None:
    """Run the second build. Raises IntegrityError with what it said, where it failed."""
    done = subprocess.run(
        command,
        cwd=circumstances.directory,
        env=circumstances.environment,
        umask=circumstances.umask,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise IntegrityError(
            "second build", f"failed with exit code {done.returncode}: {done.stderr.strip()}"
        )
