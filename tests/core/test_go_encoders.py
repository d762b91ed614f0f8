"""The encoders of Go, against what Go's own programs wrote of the same contents.

The digests are of the streams of Go 1.19's compress/flate and of pgzip 1.2.5 over klauspost/compress 1.15.12, and for
`pgzip/2` over the same with the one change to its heads that 1.18.1 made.
"""

import hashlib
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.core.codecs import NATIVE, SETS
from airlock.core.deflate import sample
from airlock.core.deflate_encoders import Recipe, deflated, find, is_encoder
from airlock.core.native import native
from airlock.errors import IntegrityError
from tests.native import needs_native

SIZES = (0, 1, 16, 17, 32, 33, 100, 127, 128, 1000, 65534, 65535, 65536, 131_070, 262_144, 1_100_000)
WRITTEN_BY_GO = {
    "go/1:1": "e8eae3896dcdeba600dadbff96a95964645a38076f5ab724a25bc77992ecbea4",
    "go/1:4": "6627af5f44b0fa5679b943669ff72cb8f362c64a9d5ee7c839ae043b3845bddc",
    "go/1:5": "f0a0b6c90a80ef36498075cce81c4b5f3e2767c65a6d2177ae04f3436277dd24",
    "go/1:6": "0380e04680309f566bf7ab7e22d94bf288631df4b7fa3544b32f83ab9a49a902",
    "go/1:7": "2e0d74c512966b7bf2e158aa9c4682dea0468272108b36f980d4af272e89ffc1",
    "go/1:8": "aa0da2429eea2d4755b4cbdcd4d5aaf0d583c63ade4de06d7771585aea2422b2",
    "go/1:9": "aa0da2429eea2d4755b4cbdcd4d5aaf0d583c63ade4de06d7771585aea2422b2",
    "pgzip/1:5:1048576": "0f2b5404cf830510d4c405e4df646d09cd718571355946b494a5884e52e2fd83",
    "pgzip/1:5:131070": "092ed01fb7d365703e238ac639ebd10ac1145d038b920e5b35bccb2c38b4fbe0",
    "pgzip/1:5:17000": "d76c741d31579712d1c5454be27809e5cdd0d21815fd3a8b2038d3badda868dc",
    "pgzip/2:5:262144": "c0e1956834f25eacf9c8ccbb697b3508aa31969d9706c46180c5f0d68f402ca7",
}
ENCODERS = st.sampled_from(sorted(WRITTEN_BY_GO))
CONTENTS = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.sampled_from([b"\0" * 70_000, sample()[:90_000], hashlib.shake_256(b"noise").digest(40_000)]),
    ),
    max_size=6,
).map(b"".join)


def mixed(size: int) -> bytes:
    """Text, zeros, noise, and text again with a few bytes changed."""
    noise = hashlib.shake_256(b"noise").digest(150_000)
    text = sample()
    data = noise[:20_000] + text + b"\0" * 150_000 + noise + text[:5000] + b"!" + text[5001:] + noise[::-1]
    return (data * 2)[:size]


def cut(data: bytes, size: int = 10_000) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def made(encoder: str, content: bytes, size: int = 10_000, corrections: bytes = b"") -> bytes:
    return b"".join(deflated(encoder, cut(content, size), corrections, "test"))


def found(content: bytes, stream: bytes, thorough: bool = True) -> Recipe | None:
    return find(lambda: cut(content), lambda: cut(stream), len(stream), None, SETS[NATIVE], thorough)


@needs_native
@pytest.mark.parametrize("encoder", sorted(WRITTEN_BY_GO))
def test_streams_are_those_that_go_wrote(encoder: str) -> None:
    digest = hashlib.sha256()
    for size in SIZES:
        digest.update(made(encoder, mixed(size)))
    assert digest.hexdigest() == WRITTEN_BY_GO[encoder]


@needs_native
@settings(deadline=None, max_examples=40)
@given(encoder=ENCODERS, content=CONTENTS, size=st.integers(1, 20_000))
def test_a_stream_holds_its_content_however_that_is_cut(encoder: str, content: bytes, size: int) -> None:
    stream = made(encoder, content, size)
    assert zlib.decompress(stream, -15) == content
    assert stream == made(encoder, content, len(content) + 1)


@needs_native
@pytest.mark.parametrize("encoder", sorted(WRITTEN_BY_GO))
def test_an_encoder_is_found_by_its_stream(encoder: str) -> None:
    content = mixed(1_100_000)
    recipe = found(content, made(encoder, content))
    assert recipe is not None
    assert made(recipe.encoder, content, corrections=recipe.corrections) == made(encoder, content)
    if encoder not in {"go/1:4", "go/1:5", "go/1:7", "go/1:8", "pgzip/1:5:17000"}:
        assert recipe == Recipe(encoder=encoder)


@needs_native
def test_a_stream_that_go_almost_makes_takes_few_corrections() -> None:
    content = mixed(1_000_000)
    stream = made("go/1:7", content)
    recipe = found(content, stream)
    assert recipe is not None
    assert recipe.encoder.startswith("tokens/1:go/1:")
    assert 0 < len(recipe.corrections) < len(stream) // 50
    assert made(recipe.encoder, content, corrections=recipe.corrections) == stream


def test_only_sizes_of_pieces_that_pgzip_takes_have_names() -> None:
    assert all(
        map(is_encoder, ["pgzip/1:5:16385", "pgzip/2:5:268435456", "tokens/1:pgzip/1:5:1048576", "go/1:4"])
    )
    wrong = [
        "pgzip/1:5:16384",
        "pgzip/1:5:268435457",
        "pgzip/1:5:016385",
        "pgzip/3:5:1048576",
        "pgzip/1:6:1048576",
    ]
    assert not any(
        map(is_encoder, [*wrong, "go/1:2", "go/1:3", "go/1:0", "go/1", "pgzip/1", "tokens/1:go/1:3"])
    )


@needs_native
def test_sizes_and_levels_that_are_none_are_refused_by_the_crate_too() -> None:
    crate = native()
    assert crate is not None
    for arguments in ((0, 1 << 20), (3, 1 << 20), (1, 16384), (1, (1 << 30) + 1)):
        with pytest.raises(ValueError):
            crate.Pgzip(*arguments)
    for level in (0, 2, 3, 10):
        with pytest.raises(ValueError):
            crate.Go(level)


@needs_native
def test_corrections_of_another_stream_are_refused() -> None:
    content = mixed(300_000)
    recipe = found(content, made("go/1:4", content))
    assert recipe is not None
    with pytest.raises(IntegrityError, match="corrections of another deflate stream"):
        made(recipe.encoder, content, corrections=recipe.corrections + b"x")
