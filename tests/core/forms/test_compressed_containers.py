"""`xz/1`, `zstd/1` and `zlibstream/1`: a compressed file comes back to the bit or is refused."""

import hashlib
import lzma
import shutil
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.core.forms.codec import Codec
from airlock.core.forms.xz_container import XzCodec
from airlock.core.forms.zlib_container import ZlibCodec
from airlock.core.forms.zstd_container import ZstdCodec
from airlock.core.lzma_encoder import check_lzma
from airlock.errors import IntegrityError, TargetError
from tests.core.forms.containers import TEXT, builds_or_refuses, case, parsed, refused, run

NOISE = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(6000))
BLOCKS = TEXT[:100_000] + NOISE + TEXT[:70_000]
"""Three blocks of 128 KiB, the second of noise."""

needs_xz = pytest.mark.skipif(shutil.which("xz") is None, reason="xz is not installed")


@pytest.mark.parametrize(
    "preset", [level | extreme for level in range(10) for extreme in (0, lzma.PRESET_EXTREME)]
)
def test_every_preset_is_found(preset: int) -> None:
    original = lzma.compress(TEXT, preset=preset)
    found = case(XzCodec(), original)
    assert found.contents == [TEXT]
    assert found.built() == original


@pytest.mark.parametrize("check", [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256])
def test_every_check_is_kept(check: int) -> None:
    for content in (TEXT, b""):
        original = lzma.compress(content, check=check)
        assert case(XzCodec(), original).built() == original


@needs_xz
@pytest.mark.parametrize("check", ["crc32", "crc64", "sha256"])
@pytest.mark.parametrize("threads", ["-T1", "-T2"])
def test_blocks_as_xz_makes_them_come_back(threads: str, check: str) -> None:
    original = run("xz", "-c", "-6", threads, "--block-size=131072", f"--check={check}", data=BLOCKS)
    found = case(XzCodec(), original)
    assert found.contents == [BLOCKS]
    assert found.built() == original


@needs_xz
def test_a_block_that_threads_gave_up_on_comes_back() -> None:
    """They store one that would get larger than it is; smaller blocks than this never do."""
    content = hashlib.shake_256(b"noise").digest(24 << 20) + TEXT
    original = run("xz", "-c", "-0", "-T2", f"--block-size={24 << 20}", data=content)
    found = case(XzCodec(), original)
    assert found.opened.recipe["stored"] == [0]
    assert found.built() == original


@needs_xz
@pytest.mark.parametrize("content", [b"", b"x", TEXT])
def test_one_block_of_threads_comes_back(content: bytes) -> None:
    original = run("xz", "-c", "-6", "-T2", data=content)
    assert case(XzCodec(), original).built() == original


@needs_xz
@pytest.mark.parametrize("preset", ["0", "6", "6e", "9"])
def test_the_golden_vectors_are_those_of_this_machine(preset: str) -> None:
    check_lzma(f"lzma/1:{preset}")


@needs_xz
def test_other_filters_and_several_streams_are_refused() -> None:
    assert refused(XzCodec(), run("xz", "-c", "--x86", "--lzma2=preset=6", data=TEXT))
    assert refused(XzCodec(), lzma.compress(TEXT) * 2)


def test_a_dictionary_of_no_preset_is_refused_before_memory_is_taken() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 3 << 20}]
    original = bytearray(lzma.compress(TEXT, filters=filters))
    assert refused(XzCodec(), bytes(original))
    original[16] = 40
    original[20:24] = zlib.crc32(original[12:20]).to_bytes(4, "little")
    assert refused(XzCodec(), bytes(original))


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": "lzma/1:10"},
        {"encoder": "zlib/1:6"},
        {"check": 2},
        {"check": 99},
        {"block": 0, "header": 20},
        {"block": 1, "header": 20},
        {"block": 1 << 20},
        {"block": 1 << 20, "header": 21},
        {"block": 1 << 20, "header": 1 << 20},
        {"block": 1 << 40, "header": 20, "stored": [0]},
        {"block": 1 << 20, "header": 20, "stored": [1, 0]},
        {"block": 1 << 20, "header": 20, "stored": []},
        {"block": 1 << 20, "header": 20, "stored": ["0"]},
        {"unknown": 1},
    ],
)
def test_a_hostile_recipe_for_xz_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        parsed(XzCodec(), {"check": 4, "encoder": "lzma/1:6"} | change, b"")


def test_a_header_that_is_too_short_for_its_sizes_is_refused() -> None:
    recipe = {"block": 4 << 20, "check": 4, "encoder": "lzma/1:0", "header": 16, "stored": [0]}
    assert builds_or_refuses(XzCodec(), recipe, b"", [NOISE * 12]) == 0
    assert builds_or_refuses(XzCodec(), recipe | {"header": 20}, b"", [NOISE * 12]) > len(NOISE * 12)


@pytest.mark.parametrize("level", [1, 3, 6, 9, 15, 19])
def test_frames_of_zstd_come_back(level: int) -> None:
    compressor = zstandard.ZstdCompressor(level=level)
    sized, open_ended = (
        compressor.compressobj(len(TEXT)),
        zstandard.ZstdCompressor(level=level, write_checksum=True),
    )
    stream = open_ended.compressobj()
    for original in (
        compressor.compress(TEXT),
        sized.compress(TEXT[:1000]) + sized.compress(TEXT[1000:]) + sized.flush(),
        stream.compress(TEXT) + stream.flush(),
    ):
        found = case(ZstdCodec(), original)
        assert found.contents == [TEXT]
        assert found.built() == original


def test_several_frames_and_a_damaged_one_are_refused() -> None:
    frame = zstandard.ZstdCompressor().compress(TEXT)
    for original in (frame * 2, frame + b"behind", frame[:-1], frame[:20] + bytes(9) + frame[29:]):
        assert refused(ZstdCodec(), original)


def test_a_zstd_of_another_version_is_refused_by_name() -> None:
    recipe = {"checksum": False, "encoder": "zstd/1.4.8:3", "mode": "stream"}
    with pytest.raises(TargetError) as caught:
        parsed(ZstdCodec(), recipe, b"")
    assert caught.value.expected == "zstd/1.4.8"


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": "zlib/1:3"},
        {"mode": "once"},
        {"mode": "once", "size": 1 << 40},
        {"mode": "other"},
        {"size": -1},
        {"checksum": 1},
        {"unknown": 1},
    ],
)
def test_a_hostile_recipe_for_zstd_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        parsed(ZstdCodec(), {"checksum": False, "encoder": "zstd/1.5.7:3", "mode": "stream"} | change, b"")


def test_a_content_of_another_size_than_the_frame_says_is_an_error() -> None:
    found = case(ZstdCodec(), zstandard.ZstdCompressor().compress(TEXT))
    for wrong in (TEXT[1:], TEXT + b"x"):
        with pytest.raises(IntegrityError):
            list(found.container.build(iter([iter([wrong])])))


@pytest.mark.parametrize("level", range(1, 10))
def test_zlib_streams_come_back(level: int) -> None:
    original = zlib.compress(TEXT, level)
    found = case(ZlibCodec(), original, thorough=True)
    assert found.contents == [TEXT]
    assert found.built() == original


def test_a_damaged_zlib_stream_and_bytes_behind_one_are_refused() -> None:
    original = zlib.compress(TEXT)
    for spoilt in (
        original[:-1],
        original + b"x",
        original[:-1] + b"\0",
        original[:99] + b"\0" + original[100:],
    ):
        assert refused(ZlibCodec(), spoilt)
    assert refused(ZlibCodec(), original[:2])


@pytest.mark.parametrize(
    ("recipe", "structure"), [({"encoder": "x"}, b"\x78\x9c"), ({"encoder": "zlib/1:6"}, b"\x78")]
)
def test_a_hostile_recipe_for_zlib_is_refused(recipe: dict[str, object], structure: bytes) -> None:
    with pytest.raises(IntegrityError):
        parsed(ZlibCodec(), recipe, structure)


@given(st.binary(max_size=3000), st.sampled_from(["xz", "zstd", "zlib"]))
@settings(max_examples=60)
def test_any_content_comes_back(content: bytes, kind: str) -> None:
    codec: Codec
    if kind == "xz":
        codec, original = XzCodec(), lzma.compress(content)
    elif kind == "zstd":
        codec, original = ZstdCodec(), zstandard.ZstdCompressor().compress(content)
    else:
        codec, original = ZlibCodec(), zlib.compress(content)
    assert case(codec, original, thorough=True).built() == original


@given(st.data(), st.sampled_from(["xz", "zstd", "zlib"]))
@settings(max_examples=60)
def test_damaged_files_are_refused_or_build_other_bytes(data: st.DataObject, kind: str) -> None:
    codec: Codec
    if kind == "xz":
        codec, original = XzCodec(), bytearray(lzma.compress(TEXT[:5000], preset=0))
    elif kind == "zstd":
        codec, original = ZstdCodec(), bytearray(zstandard.ZstdCompressor().compress(TEXT[:5000]))
    else:
        codec, original = ZlibCodec(), bytearray(zlib.compress(TEXT[:5000]))
    original[data.draw(st.integers(2, len(original) - 1))] = data.draw(st.integers(0, 255))
    if not refused(codec, bytes(original)):
        assert case(codec, bytes(original)).contents is not None
