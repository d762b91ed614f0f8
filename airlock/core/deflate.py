"""Raw deflate streams (RFC 1951) and the encoder `zlib/1`, which makes them again to the bit.

`zlib/1` is zlib with window 15, memory level 8 and a level from 1 to 9. Not every library that calls itself zlib writes
these bytes (zlib-ng does not), so golden vectors are checked before anything relies on them; where Python's zlib fails
them, the one that is compiled into the native crate takes its place.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Protocol

from airlock.core.digest import CHUNK
from airlock.core.native import native
from airlock.errors import IntegrityError, TargetError

LEVELS = (6, 9, 1, 5, 7, 8, 4, 3, 2)
"""In the order in which they are met."""
PROBE = 1 << 18
"""Bytes of content that tell a level, where the stream is not compared to its end."""

_GOLDEN = {
    1: "5b65596e5ea18457fa6d3cdeac35925e426ec8024a7c50cf3fc33b5c0d47d03e",
    6: "4c55dd1630348fc7d8dbeb82706ed49380bace7b745b8c9f0c33602e4923e5db",
    9: "6c07f89ac153d0f1ef4cce9f9a2e578724d019216b1c2c315f8223f445bc943a",
}


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def compressor(level: int) -> Compressor:
    """`zlib/1` at a level, from what passes its golden vectors. Raises TargetError as `check_zlib` does."""
    return check_zlib()(level)


def compressed(compressor: Compressor, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The whole stream, which does not depend on where `chunks` are cut."""
    for chunk in chunks:
        if data := compressor.compress(chunk):
            yield data
    yield compressor.flush()


def _of_python(level: int) -> Compressor:
    return zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 8)


def inflated(chunks: Iterable[bytes], size: int, where: str) -> Iterator[bytes]:
    """The `size` bytes of content of one raw deflate stream, at most CHUNK at a time. Raises IntegrityError where the
    stream is damaged, ends early, has bytes behind its end, or holds another number of bytes."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left = size
    try:
        for chunk in chunks:
            # Until nothing comes: zlib may have taken all of its input and still owe a thousand bytes for each of it. One
            # byte more than is left to come, so that a longer stream shows itself.
            while data := inflater.decompress(chunk, min(CHUNK, left + 1)):
                left -= len(data)
                if left < 0:
                    raise _wrong_size(where, size)
                yield data
                chunk = inflater.unconsumed_tail
            if inflater.unused_data:
                raise _wrong_size(where, size)
    except zlib.error as error:
        raise IntegrityError(where, f"damaged deflate stream, {error}") from error
    if left or not inflater.eof:
        raise _wrong_size(where, size)


def _wrong_size(where: str, size: int) -> IntegrityError:
    return IntegrityError(where, "the deflate stream is not as long as it says", expected=f"{size} bytes")


def begins_with(stream: Iterator[bytes], made: Iterator[bytes]) -> bool:
    """Whether `stream` begins with all that was `made`. Stops at the first byte that differs."""
    buffer = b""
    for data in made:
        while len(buffer) < len(data) and (chunk := next(stream, b"")):
            buffer += chunk
        if not buffer.startswith(data):
            return False
        buffer = buffer[len(data) :]
    return True


@cache
def check_zlib() -> Callable[[int], Compressor]:
    """What makes `zlib/1` on this machine, found with golden vectors. Raises TargetError that says how to go on."""
    level, found = _failing(_of_python)
    if not level:
        return _of_python
    if (crate := native()) is not None and crate_has_zlib():
        made: Callable[[int], Compressor] = crate.Zlib
        return made
    raise TargetError(
        f"zlib {zlib.ZLIB_RUNTIME_VERSION}",
        f"this Python's zlib is not the encoder zlib/1 at level {level}",
        expected=_GOLDEN[level],
        found=found,
        hint="install airlock with its native crate, which has the original one: where cargo and a C compiler are on PATH; "
        "or use a Python with the original zlib, such as python.org's or a manylinux image's",
    )


@cache
def crate_has_zlib() -> bool:
    """Whether the native crate is there and makes `zlib/1`."""
    crate = native()
    return crate is not None and not _failing(crate.Zlib)[0]


def _failing(make: Callable[[int], Compressor]) -> tuple[int, str]:
    """The first level whose golden vector is not met, and what was made; 0 where all are."""
    for level, golden in _GOLDEN.items():
        found = hashlib.sha256(b"".join(compressed(make(level), [sample()]))).hexdigest()
        if found != golden:
            return level, found
    return 0, ""


def sample() -> bytes:
    """Some 200 kB that are text here and noise there, so that levels differ."""
    blocks = []
    for number in range(2000):
        noise = hashlib.sha256(number.to_bytes(4, "big")).hexdigest()
        blocks.append(
            f"{number % 97} the quick brown {noise[: number % 23]} fox jumps over {noise[:4] * 3}\n"
        )
        blocks.append(noise if number % 5 == 0 else blocks[number * 7 % len(blocks)])
    return "".join(blocks).encode()
