"""A stream that stores nothing: it compares what is written with what another stream holds."""

import io
from typing import BinaryIO


class Different(Exception):
    """What was written is not what was expected."""


class Comparison(io.RawIOBase, BinaryIO):
    """Raises Different at the first write that does not match. Each byte is to be written once; `complete` tells whether
    all were."""

    def __init__(self, expected: BinaryIO) -> None:
        self._expected = expected
        self._position = self._compared = 0

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only from the start")
        self._position = offset
        return offset

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._expected.seek(self._position)
        if self._expected.read(len(view)) != view:
            raise Different
        self._position += len(view)
        self._compared += len(view)
        return len(view)

    def complete(self) -> bool:
        return self._compared == self._expected.seek(0, io.SEEK_END)
