"""The encoders of programs that are written in Go, which make the layers of container images.

`go/1:LEVEL` is its standard library, compress/flate, at level 1 or from 4 to 9: docker and containerd write level 6, ko, kaniko and
crane level 1. `pgzip/VERSION:5:SIZE` is the module pgzip over klauspost/compress at its default level 5: skopeo, buildah and podman
write pieces of 1 MiB, umoci of 256 KiB. Version 1 is klauspost/compress from 1.15.10 to 1.18.0, and 2 from 1.18.1 on, which
name fewer symbols in what a block says of its codes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from airlock.core.deflate import Compressor

_NAME = re.compile(r"go/1:[14-9]|pgzip/[12]:5:[1-9]\d{4,8}")
_LEAST, _USUAL, _MOST = (1 << 14) + 1, 1 << 20, 1 << 28
"""Bytes of a piece: more than its dictionary, and less than the crate has room for."""
GO = (f"pgzip/1:5:{_USUAL}", f"pgzip/2:5:{_USUAL}", "go/1:6", "go/1:1", "go/1:9")
"""In the order in which they are met, before the size of pieces is known."""
EXAMPLES = {
    "go/1": ("go/1:1", "go/1:6", "go/1:9"),
    "pgzip/1": ("pgzip/1:5:100000",),
    "pgzip/2": ("pgzip/2:5:100000",),
}
"""What golden vectors are of."""
_LOOKED_THROUGH = 64 << 20
"""Bytes of a stream in which a first piece must end."""


def is_of_go(plain: str) -> bool:
    """Whether it is the name of one of them."""
    return _NAME.fullmatch(plain) is not None and (
        plain.startswith("go/") or _LEAST <= int(plain.rpartition(":")[2]) <= _MOST
    )


def go_compressor(crate: Any, plain: str) -> Compressor:
    codec, *parameters = plain.split(":")
    compressor: Compressor
    if codec == "go/1":
        compressor = crate.Go(int(parameters[0]))
    else:
        compressor = crate.Pgzip(int(codec[-1]), int(parameters[1]))
    return compressor


def in_pieces(
    crate: Any, ranked: Sequence[tuple[str, float]], stream: Callable[[], Iterator[bytes]]
) -> list[tuple[str, float]]:
    """The same with the size of this stream's pieces, if the first of them may be pgzip."""
    if not ranked or not ranked[0][0].startswith("pgzip/"):
        return list(ranked)
    size = _size_of_pieces(crate, stream())
    return [
        (f"{name.rpartition(':')[0]}:{size}" if name.startswith("pgzip/") else name, corrections)
        for name, corrections in ranked
    ]


def _size_of_pieces(crate: Any, stream: Iterator[bytes]) -> int:
    """Bytes of content before the first flush; the usual where there is none, or none that cuts pieces of such a size."""
    finder, read = crate.FlushFinder(), 0
    try:
        for chunk in stream:
            if (position := finder.feed(chunk, False)) is not None:
                return position if _LEAST <= position <= _MOST else _USUAL
            if (read := read + len(chunk)) > _LOOKED_THROUGH:
                break
    except ValueError:
        pass
    return _USUAL
