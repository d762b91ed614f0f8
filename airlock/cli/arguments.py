"""Types of arguments, for argparse, and arguments that several commands have."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airlock.formats.lockfile import Lockfile


def existing(text: str) -> Path:
    """A file that must be there: one that is not is a mistake of the command line, told before any work."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"no such file: {text!r}")
    if path.is_fifo() or path.is_socket() or path.is_char_device():
        raise argparse.ArgumentTypeError(f"a pipe, a socket or a device, which has no end: {text!r}")
    return path


def add_level(parser: argparse.ArgumentParser, what: str) -> None:
    """`--level N` and `--smallest`, which leave `arguments.level` None where neither is given."""
    from airlock.core.artifact import SMALLEST

    group = parser.add_mutually_exclusive_group()
    group.add_argument("--level", type=zstd_level, metavar="N", help=f"zstd level, 1 to 22, {what}")
    group.add_argument(
        "--smallest",
        dest="level",
        action="store_const",
        const=SMALLEST,
        help=f"--level {SMALLEST}: a sixth smaller than by default, for forty times the work",
    )


def zstd_level(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 22:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 22, found {text!r}")
    return int(text)


def at_level(lockfile: "Lockfile", level: int | None) -> "Lockfile":
    """The lock with its encoder's level replaced, if one is given."""
    return lockfile if level is None else replace(lockfile, encoder=replace(lockfile.encoder, level=level))
