"""Read a part of a wheel that is still on its server, by range requests (RFC 9110, section 14): the tail first, for there
is the table of contents of a zip.
"""

import io
import re
import zipfile
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from airlock.core import damaged
from airlock.core.web import Reply, Web
from airlock.errors import FetchError, IntegrityError

TAIL = 24 << 10
"""Bytes; holds the table of contents and the METADATA of most wheels, whose dist-info stands at the end."""
STEP = 16 << 10
MAX_READ = 64 << 20
"""Bytes that may be asked of one remote wheel."""
MAX_METADATA = 16 << 20
"""Bytes of a METADATA file."""


class RangesIgnored(Exception):
    """The server has no part to give; the whole file must be fetched."""


class RemoteFile(io.RawIOBase):
    """A file on a server that honours ranges. Raises RangesIgnored where it does not."""

    def __init__(self, web: Web, url: str) -> None:
        self._web, self._url, self._position, self._fetched = web, url, 0, 0
        self._file = unquote(urlsplit(url).path.rpartition("/")[2])
        reply = self._ask(f"bytes=-{TAIL}")
        self._tail = reply.body
        self._size = _whole_size(reply)
        self._start = self._size - len(self._tail)
        self._block = (0, b"")
        if self._start < 0:
            raise RangesIgnored

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._size, self._position + size)
        data = self._between(self._position, end) if self._position < end else b""
        self._position += len(data)
        return data

    def _between(self, start: int, end: int) -> bytes:
        if start >= self._start:
            return self._tail[start - self._start : end - self._start]
        first, block = self._block
        if not first <= start <= end <= first + len(block):
            stop = min(self._size, max(end, start + STEP))
            first, block = self._block = start, self._ask(f"bytes={start}-{stop - 1}").body
            if len(block) != stop - start:
                raise RangesIgnored
        return block[start - first : end - first]

    def _ask(self, wanted: str) -> Reply:
        reply = self._web.get(self._url, {"Range": wanted, "Accept-Encoding": "identity"})
        if reply.status in (200, 416, 501):
            raise RangesIgnored
        if reply.status != 206:
            raise FetchError(self._file, "the server refused", found=f"HTTP status {reply.status}")
        if reply.gzipped:
            raise RangesIgnored
        self._fetched += len(reply.body)
        if self._fetched > MAX_READ:
            raise IntegrityError(
                self._file, "a table of contents without end", expected=f"at most {MAX_READ} bytes"
            )
        return reply


def _whole_size(reply: Reply) -> int:
    match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", reply.headers.get("content-range", ""))
    if not match or int(match[2]) + 1 != int(match[3]) or len(reply.body) != int(match[3]) - int(match[1]):
        raise RangesIgnored
    return int(match[3])


def metadata_in(wheel: BinaryIO, where: str) -> bytes:
    """The METADATA of a wheel. Raises IntegrityError where there is not exactly one of a sane size."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            if len(names) != 1:
                raise IntegrityError(where, "not a wheel", expected="one METADATA", found=f"{len(names)}")
            with archive.open(names[0]) as stream:
                data = stream.read(MAX_METADATA + 1)
    except (*damaged.ZIP, OSError) as error:
        raise IntegrityError(where, f"not a wheel, {error}") from error
    if len(data) > MAX_METADATA:
        raise IntegrityError(where, "METADATA is too large", expected=f"at most {MAX_METADATA} bytes")
    return data
