"""Containers whose contents are out of all proportion stay closed, before the disk is full and the day is over."""

import gzip
import io
import lzma
import zipfile
import zlib

import pytest
import zstandard

from airlock.core.expanded import expand, form_named
from airlock.core.forms import tree_expand
from airlock.core.forms.codec import MAX_CONTENT, Codec, Room
from airlock.core.forms.gzip_container import GzipCodec
from airlock.core.forms.xz_container import XzCodec
from airlock.core.forms.zip_container import ZipCodec
from airlock.core.forms.zlib_container import ZlibCodec
from airlock.core.forms.zstd_container import ZstdCodec
from tests.core.forms.containers import CODECS

ZEROS = bytes(1 << 20)
BOMB = gzip.compress(ZEROS, mtime=0)


def zip_of(*files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, data in enumerate(files):
            archive.writestr(zipfile.ZipInfo(str(number)), data, zipfile.ZIP_DEFLATED, 6)
    return out.getvalue()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is always allowed is little here."""
    monkeypatch.setattr(tree_expand, "_ALWAYS", 1 << 16)


@pytest.mark.parametrize(
    ("codec", "original"),
    [
        (GzipCodec(), BOMB),
        (GzipCodec(), BOMB[:-1]),
        (XzCodec(), lzma.compress(ZEROS)),
        (ZipCodec(), zip_of(ZEROS[: 1 << 19], ZEROS[: 1 << 19])),
        (ZlibCodec(), zlib.compress(ZEROS)),
        (ZlibCodec(), zlib.compress(ZEROS)[:-1]),
        (ZstdCodec(), zstandard.ZstdCompressor().compress(ZEROS)),
    ],
)
def test_contents_take_room_before_they_take_time(codec: Codec, original: bytes) -> None:
    room = Room(MAX_CONTENT)
    opened = codec.open(io.BytesIO(original), CODECS, thorough=False, room=room)
    assert len(ZEROS) // 2 < MAX_CONTENT - room.left <= len(ZEROS)
    if opened:
        assert codec.open(io.BytesIO(original), CODECS, thorough=False, room=Room(len(ZEROS)))
    assert codec.open(io.BytesIO(original), CODECS, thorough=False, room=Room(len(ZEROS) // 2)) is None


@pytest.mark.usefixtures("small")
def test_an_artifact_that_grows_a_thousandfold_stays_closed() -> None:
    for original in (BOMB, zip_of(*[ZEROS] * 9)):
        out = io.BytesIO()
        assert expand(io.BytesIO(original), out).form == "raw/1"
        assert out.getvalue() == original


@pytest.mark.usefixtures("small")
def test_bombs_inside_share_what_room_there_is() -> None:
    """Each of these is allowed by itself."""
    original = zip_of(*(gzip.compress(bytes((1 << 15) + number), mtime=0) for number in range(40)))
    out, rebuilt = io.BytesIO(), io.BytesIO()
    found = expand(io.BytesIO(original), out)
    assert "gzip/1" in found.codecs
    assert len(out.getvalue()) < 100 * len(original) + (1 << 16) < 40 << 15
    out.seek(0)
    form_named(found.form, "test").rebuild(out, rebuilt)
    assert rebuilt.getvalue() == original
