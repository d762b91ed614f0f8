"""What the hook in an observed Python wrote down, process by process."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MAX_LOG = 16 << 20
"""Bytes of one process that are read."""
_MAX_PROCESSES = 1_000


class Told(NamedTuple):
    process: int
    event: str
    """The name of an audit event (PEP 578)."""
    about: str
    stack: tuple[str, ...]
    """Where it happened, the innermost frame first, as `FILE:LINE in NAME`."""


def events_in(folder: Path) -> Iterator[Told]:
    for path in _files(folder, "*.events"):
        with path.open("rb") as stream:
            for line in stream.read(_MAX_LOG).splitlines():
                parts = line.decode(errors="replace").split("\x1f")
                if len(parts) == 3:
                    yield Told(
                        int(path.stem), parts[0], parts[1], tuple(filter(None, parts[2].split("\x1e")))
                    )


def stacks_in(folder: Path) -> dict[int, list[tuple[str, ...]]]:
    """The stacks that each process was asked for, in order; frames as in Told."""
    return {int(path.stem): list(_stacks(path)) for path in _files(folder, "*.stacks")}


def _files(folder: Path, pattern: str) -> list[Path]:
    return [path for path in sorted(folder.glob(pattern)) if path.stem.isdecimal()][:_MAX_PROCESSES]


def _stacks(path: Path) -> Iterator[tuple[str, ...]]:
    """As `faulthandler` writes them."""
    with path.open("rb") as stream:
        text = stream.read(_MAX_LOG).decode(errors="replace")
    for part in text.split("(most recent call first):\n")[1:]:
        yield tuple(_frame(line) for line in part.splitlines() if line.startswith("  File "))


def _frame(line: str) -> str:
    """`File "a.py", line 3 in go`."""
    file, _, rest = line.strip().removeprefix('File "').rpartition('", line ')
    number, _, name = rest.partition(" in ")
    return f"{file}:{number} in {name}"
