"""`hdiff.py make OLD NEW PATCH`, `hdiff.py apply OLD PATCH NEW`: HDiffPatch as a program, from its package on PyPI."""

import sys
from pathlib import Path

import hdiffpatch

WINDOW = 27
"""Two to the power of, in bytes, of the compression that follows."""


def main(verb: str, first: str, second: str, target: str) -> None:
    one, two = Path(first).read_bytes(), Path(second).read_bytes()
    if verb == "make":
        compression = hdiffpatch.Lzma2Config(level=9, window=WINDOW, threads=2)
        result = hdiffpatch.diff(one, two, compression=compression, validate=False, big_cache_match=True)
    else:
        result = hdiffpatch.apply(one, two)
    Path(target).write_bytes(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
