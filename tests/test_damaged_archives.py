"""A wheel or source distribution whose compressed data somebody damaged, or made so, is refused in words."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from airlock.errors import IntegrityError
from airlock.kinds.wheel.building.sources import unpack_archive
from airlock.kinds.wheel.building.static import static_metadata
from airlock.kinds.wheel.canonical import canonical_wheel
from airlock.kinds.wheel.remote import metadata_in

METHODS = {"deflated": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
TEXT = b"".join(b"Requires-Dist: lib%d\n" % number for number in range(300))


def zipped(name: str, method: int) -> bytes:
    """With one file, whose data is of no compressor."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        archive.writestr(name, TEXT)
    data = bytearray(made.getvalue())
    start = data.index(name.encode()) + len(name)
    data[start : start + 40] = b"\xff" * 40
    return bytes(data)


def packed() -> bytes:
    """The middle of its one file is of no compressor."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo("lib-1/PKG-INFO")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    deflating = zlib.compressobj(wbits=31)
    half = deflating.compress(made.getvalue()[: 512 + len(TEXT) // 2]) + deflating.flush(zlib.Z_FULL_FLUSH)
    return half + b"\xff" * 40


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("read", [lambda data: metadata_in(io.BytesIO(data), "a wheel"), canonical_wheel])
def test_a_wheel(read: Callable[[bytes], bytes], method: int) -> None:
    with pytest.raises(IntegrityError, match=r"not a wheel|not a zip archive"):
        read(zipped("lib-1.dist-info/METADATA", method))


@pytest.mark.parametrize(
    ("file", "data"),
    [("lib-1.zip", zipped("lib-1/PKG-INFO", zipfile.ZIP_DEFLATED)), ("lib-1.tar.gz", packed())],
)
def test_a_source_distribution(tmp_path: Path, file: str, data: bytes) -> None:
    assert static_metadata(io.BytesIO(data), file) is None
    with pytest.raises(IntegrityError, match="not a source archive that can be unpacked"):
        unpack_archive(io.BytesIO(data), file, tmp_path)
