"""What is measured: two sets of exact pins, before and after.

A corpus below `fixtures/corpora/` is a `corpus.toml` and the pin files that it names:

    about = "what it shows"
    python = "3.11"
    platform = "manylinux_2_28_x86_64"
    apart = false                 # true: each line is an update of its own, measured apart and summed
    requirements = "requirements.in"              # what the pins were compiled from, where both sides share it
    [old]
    pins = "2026-05-01.txt"
    requirements = "old.in"                       # or so, where each side has its own
    exclude-newer = 2026-05-02T00:00:00Z          # as of when the pins were compiled
    [new]
    …

Pins are a whole environment or a part of one: nothing that they do not name is added.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

FIXTURES = Path(__file__).parents[2] / "fixtures" / "corpora"
PYTHON, PLATFORM = "3.11", "manylinux_2_28_x86_64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    name: NormalizedName
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one delta is made for. A side is pins, or a lock that is there already."""

    name: str
    old: Sequence[Pin] | Path
    new: Sequence[Pin] | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    name: str
    changes: tuple[Change, ...]
    about: str = ""
    python: str = PYTHON
    platform: str = PLATFORM
    requirements: Path | None = None
    """Before pinning, for locking; None where each side has its own."""
    cutoff: str | None = None
    """When the new side was pinned, RFC 3339."""


def names() -> list[str]:
    return sorted(path.parent.name for path in FIXTURES.glob("*/corpus.toml"))


def corpus_named(name: str, root: Path = FIXTURES) -> Corpus:
    """Read `fixtures/corpora/NAME`. Raises FileNotFoundError, KeyError or ValueError for one that is not whole."""
    directory = root / name
    table = tomllib.loads((directory / "corpus.toml").read_text())
    old, new = (read_pins(directory / table[side]["pins"]) for side in ("old", "new"))
    cutoff = table["new"].get("exclude-newer")
    return Corpus(
        name=name,
        about=table["about"],
        python=table["python"],
        platform=table["platform"],
        changes=_apart(old, new) if table.get("apart") else (Change(name=name, old=old, new=new),),
        requirements=directory / table["requirements"] if "requirements" in table else None,
        cutoff=cutoff.isoformat() if cutoff else None,
    )


def corpus_between(old: Path, new: Path) -> Corpus:
    """Two locks whose wheels an index has, or two files of pinned requirements. Of a lock, its first target is taken."""
    name = f"{old.stem}-to-{new.stem}"
    target = tomllib.loads(new.read_text())["targets"][0] if new.suffix == ".lock" else {}
    return Corpus(
        name=name,
        changes=(Change(name=name, old=_side(old), new=_side(new)),),
        python=target.get("python", PYTHON),
        platform=target.get("platform", PLATFORM),
    )


def _side(path: Path) -> Sequence[Pin] | Path:
    return path.absolute() if path.suffix == ".lock" else read_pins(path)


def _apart(old: Sequence[Pin], new: Sequence[Pin]) -> tuple[Change, ...]:
    if [pin.name for pin in old] != [pin.name for pin in new]:
        raise ValueError("a corpus of updates apart names the same packages in the same order on both sides")
    return tuple(
        Change(name=f"{before.name}-{before.version}-{after.version}", old=(before,), new=(after,))
        for before, after in zip(old, new, strict=True)
    )


def read_pins(path: Path) -> tuple[Pin, ...]:
    """A requirements file with `==` on every line; options and comments are passed over. Raises ValueError."""
    lines = (line.split("#")[0].rstrip(" \\\n") for line in path.read_text().splitlines())
    return tuple(
        _pin(line.strip(), path) for line in lines if line.strip() and not line.strip().startswith("-")
    )


def _pin(line: str, path: Path) -> Pin:
    requirement = Requirement(line)
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or "*" in specifiers[0].version:
        raise ValueError(f"{path}: {line}: not pinned with ==")
    return Pin(name=canonicalize_name(requirement.name), version=specifiers[0].version)


def locked(lock: str) -> list[dict[str, Any]]:
    """The wheels that the text of an airlock.lock names."""
    return [row for row in tomllib.loads(lock)["artifacts"] if row["kind"] == "wheel"]


def only(lock: str, pins: Sequence[Pin]) -> str:
    """The lock without the wheels that no pin names. It holds an artifact a line."""
    wanted = {pin.name for pin in pins}
    named = {row["file"]: canonicalize_name(row["name"]) for row in locked(lock)}
    lines = lock.splitlines(keepends=True)
    return "".join(line for line in lines if _row_name(line, named) in {None, *wanted})


def with_one_changed(old: str, new: str) -> tuple[str, str] | None:
    """The new lock with its smallest changed wheel as the old lock has it, and that wheel's name."""
    before = {row["name"]: row for row in locked(old)}
    changed = [row for row in locked(new) if before.get(row["name"], row)["sha256"] != row["sha256"]]
    if not changed:
        return None
    smallest = min(changed, key=lambda row: int(row["size"]))
    line = _row_of(old, before[smallest["name"]]["sha256"])
    return new.replace(_row_of(new, smallest["sha256"]), line), str(smallest["name"])


def _row_name(line: str, named: dict[str, NormalizedName]) -> NormalizedName | None:
    if not line.lstrip().startswith('{ kind = "wheel"'):
        return None
    return next(name for file, name in named.items() if f'file = "{file}"' in line)


def _row_of(lock: str, digest: str) -> str:
    return next(line for line in lock.splitlines(keepends=True) if digest in line)
