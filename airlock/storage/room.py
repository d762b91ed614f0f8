"""Whether a disk has the room that a command is going to need, asked before anything is written."""

import shutil
from pathlib import Path

from airlock.errors import TargetError


def check_room(place: Path, needed: int) -> None:
    """`needed` in bytes; `place` need not be there yet. Raises TargetError."""
    place = place.absolute()
    existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise TargetError(
            str(place),
            "not enough room",
            expected=f"{needed} bytes free",
            found=f"{free} bytes",
            hint="make room, or write to another disk; nothing was written",
        )
