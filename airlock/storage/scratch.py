"""Large temporary files that have no name, so nothing is left of them whenever the power goes."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    stream: BinaryIO
    reopen: Callable[[], BinaryIO]
    """The same file once more, with a position of its own."""


@contextmanager
def scratch(folder: Path) -> Iterator[Scratch]:
    """A file on the file system of `folder`."""
    with tempfile.TemporaryFile(dir=folder) as stream:
        yield Scratch(stream=cast("BinaryIO", stream), reopen=lambda: _again(stream))


def _again(stream: IO[bytes]) -> BinaryIO:
    stream.flush()
    return Path(f"/proc/self/fd/{stream.fileno()}").open("rb")
