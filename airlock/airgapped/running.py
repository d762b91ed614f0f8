"""Which generations running programs come from, as far as /proc tells."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def in_use(root: Path, numbers: Iterable[int]) -> frozenset[int]:
    """Generations below `root` that a process was started from, has loaded a library of, or stands in. Of processes of
    other users only root sees more than the command line."""
    known = frozenset(numbers)
    pattern = re.compile(re.escape(bytes(root)) + rb"/generations/([0-9]{1,7})(?![0-9])")
    found = {int(match) for text in _told() for match in pattern.findall(text)}
    return known & found


def _told() -> Iterator[bytes]:
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        for name in ("cmdline", "maps"):
            with suppress(OSError):
                yield (process / name).read_bytes()
        for name in ("cwd", "exe"):
            with suppress(OSError):
                yield bytes((process / name).readlink())
