"""The native crate: `native/src`, one file a subject. Every function releases the interpreter's lock."""

from collections.abc import Sequence
from os import PathLike

class Zlib:
    """`zlib/1`, to be used as a `zlib.compressobj`. Raises ValueError for a level that is none."""

    def __init__(self, level: int, /) -> None: ...
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...

class ZlibRs:
    """`zlib-rs/1:6`, to be used as a `zlib.compressobj`."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...

class Miniz:
    """`miniz/1:6`, to be used as a `zlib.compressobj`."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...

class Go:
    """`go/1`, to be used as a `zlib.compressobj`. Raises ValueError for a level that is none of its own."""

    def __init__(self, level: int, /) -> None: ...
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...

class Pgzip:
    """`pgzip/VERSION:5:PIECE`, to be used as a `zlib.compressobj`. Raises ValueError for a version that is none, and for a piece that
    is no larger than its dictionary of 16384 bytes, or larger than 1 GiB."""

    def __init__(self, version: int, piece: int, /) -> None: ...
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...

class FlushFinder:
    """Finds the first flush of a deflate stream. Raises ValueError for one without, or that is no deflate."""

    def feed(self, stream: bytes, complete: bool, /) -> int | None:
        """Bytes of content before it; None where more of the stream is wanted."""

class TokenFinder:
    """Finds the corrections of `tokens/1`. Raises ValueError for a stream that is no deflate, or spelled oddly."""

    def __init__(self, go: bool, /) -> None:
        """`go` where the prediction is an encoder's of Go."""

    def feed(self, stream: bytes, prediction: bytes, complete: tuple[bool, bool]) -> tuple[bool, int]:
        """Whether more of the stream is wanted next, else of the prediction; and bytes of corrections so far."""

    def position(self) -> int:
        """Bytes of content that were compared."""

    def corrections(self) -> bytes: ...

class TokenWriter:
    """Follows the corrections of `tokens/1`. Raises ValueError for any that do not belong to what is fed."""

    def __init__(self, corrections: bytes, go: bool, /) -> None: ...
    def feed(self, content: bytes, prediction: bytes, complete: bool) -> bytes:
        """What of the stream is decided by now; all that is left with the last of the content, `complete`."""

def make_gzip(
    source: bytes | str,
    files: Sequence[tuple[int, int, int, bytes | None, bytes, bytes]],
    limit: int,
    threads: int,
) -> list[bytes] | None:
    """gzip files, each of one part of a source, which is bytes or the path of a file to read. A file is `(offset, size, level,
    corrections, header, trailing)`: the stream is `zlib/1` at that level, or with corrections `tokens/1` on it (levels 4 to
    9). None where all of them are more than `limit` bytes. Raises ValueError for corrections of other streams."""

def find_change(old: bytes, new: bytes) -> tuple[bytes, ...]:
    """The ten parts of the change that makes `new` of `old`. Raises ValueError where `old` is 2 GB or more."""

def apply_change(old: bytes, length: int, parts: tuple[bytes, ...]) -> bytes:
    """The `length` bytes that a change makes of `old`. Raises ValueError."""

def sketch(data: bytes, count: int) -> list[int]:
    """The `count` smallest hashes of runs of sixteen bytes, in order; bytes that are much the same share some."""

def write_files(
    root: str,
    sources: Sequence[bytes | str],
    files: Sequence[tuple[str, int, int, int, int, str]],
    threads: int,
) -> list[bytes]:
    """Create files below the directory `root`, with their parents; no link below it is followed. A file is `(path, mode,
    source, offset, size, like)`: a part of a source, which is bytes or the path of a file to read. Where the file
    `like` has the very same bytes and mode, the path becomes another name of it. Returns the SHA-256 of each. Raises OSError; files before and behind the one that failed may then be there."""

def link_files(root: str, files: Sequence[tuple[str, str, int, int, bytes]], threads: int) -> list[bool]:
    """Make each path another name of a file, with its parents, below the directory `root`; no link below it is followed. A
    file is `(path, like, mode, size, sum)`: `like` must have that mode, size in bytes and SHA-256. Returns which were; the
    others are not there, or were there before."""

class RowFilter:
    """What to keep of pages of a simple index: wheels with one of these tags, in small letters (`cp311-cp311-linux_x86_64`)."""

    def __init__(self, tags: Sequence[str]) -> None: ...
    def cut(self, body: bytes, gzipped: bool, limit: int, sdists: bool) -> tuple[bytes, bool] | None:
        """A JSON page (PEP 691) without the rows of other wheels, and without those that are no wheels unless `sdists`; and
        whether it had any row. None for a page that is none, that is larger than `limit` bytes, or that had better be read by a
        parser of JSON; what is kept has still to be read by one."""

def keep_file(folder: PathLike[str], name: str, parts: Sequence[bytes]) -> None:
    """Write a file of a cache: whoever reads it sees all of it or what was there before; a folder that is not there is made.
    Nothing is synced. Raises OSError."""
