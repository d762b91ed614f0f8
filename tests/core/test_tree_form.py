"""`tree/1` of a zip: every zip comes back to the bit or is refused, and a hostile expanded form is an IntegrityError."""

import hashlib
import io
import struct
import subprocess
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.canonical_json import dumps
from airlock.core.expanded import expand, form_named
from airlock.core.forms.tree import TreeForm
from airlock.core.plain_tar import END, write_file
from airlock.errors import AirlockError, IntegrityError

TEXT = b"".join(b"line %d of some text that deflates\n" % (number * number % 977) for number in range(9000))


def zip_of(files: dict[str, bytes], level: int = 6, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, compresslevel=level) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method, level)
    return out.getvalue()


def expanded(original: bytes) -> tuple[str, bytes]:
    out = io.BytesIO()
    return expand(io.BytesIO(original), out).form, out.getvalue()


def rebuilt(form: str, data: bytes) -> bytes:
    out = io.BytesIO()
    form_named(form, "test").rebuild(io.BytesIO(data), out)
    return out.getvalue()


def contents(data: bytes) -> dict[str, bytes]:
    return {member.name: b"".join(member.chunks) for member in TreeForm().members(io.BytesIO(data))}


def recipe_of(data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.extractfile("recipe.json")
        assert member is not None
        return member.read()


def stream_of_another_encoder(data: bytes) -> bytes:
    """A deflate stream that no level of zlib/1 makes: flushed in the middle."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    half = len(data) // 2
    return (
        compressor.compress(data[:half])
        + compressor.flush(zlib.Z_FULL_FLUSH)
        + compressor.compress(data[half:])
        + compressor.flush()
    )


def zip_with_stream(name: str, data: bytes, stream: bytes) -> bytes:
    """A zip with one member whose deflate stream is given."""
    sums = struct.pack("<3I", zlib.crc32(data), len(stream), len(data))
    raw = name.encode()
    local = struct.pack("<4s5H", b"PK\3\4", 20, 0, 8, 0, 33) + sums + struct.pack("<2H", len(raw), 0) + raw
    central = (
        struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, 8, 0, 33)
        + sums
        + struct.pack("<5H2I", len(raw), 0, 0, 0, 0, 0, 0)
        + raw
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local) + len(stream), 0)
    return local + stream + central + end


@pytest.mark.parametrize("level", range(1, 10))
def test_every_level_of_zlib_is_found_and_restored(level: int) -> None:
    original = zip_of({"a.txt": TEXT, "b.txt": TEXT[:1000] * 3}, level)
    form, data = expanded(original)
    assert form == "tree/1"
    assert b"opaque" not in recipe_of(data)
    assert contents(data) == {"a.txt": TEXT, "b.txt": TEXT[:1000] * 3}
    assert rebuilt(form, data) == original


def test_a_stream_of_another_encoder_stays_as_it_is_and_can_be_read() -> None:
    original = zip_with_stream("odd.txt", TEXT, stream_of_another_encoder(TEXT))
    form, data = expanded(original)
    assert form == "tree/1"
    assert b"opaque" in recipe_of(data)
    assert contents(data) == {"odd.txt": TEXT}
    assert rebuilt(form, data) == original


def test_a_stream_that_differs_only_behind_the_probe_is_found_out() -> None:
    noise = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(40_000))
    original = zip_with_stream("late.bin", noise + TEXT, stream_of_another_encoder(noise + TEXT))
    form, data = expanded(original)
    assert form == "tree/1"
    assert b"opaque" in recipe_of(data)
    assert rebuilt(form, data) == original


def test_derived_fields_are_left_out_of_the_structure() -> None:
    one, two = (expanded(zip_of({"a": body, "b": b"x"}))[1] for body in (TEXT, TEXT[::-1]))
    structures = []
    for data in (one, two):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            member = tar.extractfile("structure")
            assert member is not None
            structures.append(member.read())
    assert structures[0] == structures[1]


def test_prefix_comment_descriptors_and_gaps_are_kept() -> None:
    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(data)  # type: ignore[arg-type]

    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", TEXT)
        archive.writestr("ü/ß.txt", TEXT[:300])
        archive.comment = b"a comment"
    form, data = expanded(out.data)
    assert form == "tree/1"
    assert rebuilt(form, data) == out.data

    shifted = io.BytesIO(b"#!/bin/sh\n")
    with zipfile.ZipFile(shifted, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", TEXT)
    form, data = expanded(shifted.getvalue())
    assert form == "tree/1"
    assert rebuilt(form, data) == shifted.getvalue()


@pytest.mark.parametrize(
    "original",
    [
        b"",
        b"not a zip at all",
        zip_of({"a": TEXT})[:-1],
        zip_of({"a": TEXT}) + b"trailing",
        zip_of({"a": TEXT}, method=zipfile.ZIP_BZIP2),
        zip_of({"a": TEXT}).replace(zlib.crc32(TEXT).to_bytes(4, "little"), b"\1\2\3\4"),
        zip_with_stream("a", TEXT, b"\xff\xff"),
        zip_with_stream("a", TEXT[:-1], stream_of_another_encoder(TEXT)),
    ],
    ids=["empty", "text", "truncated", "trailing", "bzip2", "wrong-crc", "damaged", "longer-than-it-says"],
)
def test_what_is_not_a_plain_zip_stays_raw(original: bytes) -> None:
    assert expanded(original) == ("raw/1", original)


def test_plain_tar_lists_and_extracts_the_files(tmp_path: Path) -> None:
    long = "d/" * 60 + "long.txt"
    files = {"pkg/a.txt": TEXT, long: b"long", "../up.txt": b"up", "pkg": b"in the way", "pkg/a.txt/b": b""}
    form, data = expanded(zip_of(files))
    assert form == "tree/1"
    (tmp_path / "x.tar").write_bytes(data)
    listing = subprocess.run(["tar", "tf", "x.tar"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listing.stdout.split() == [
        "recipe.json",
        "structure",
        "content/pkg/a.txt",
        f"content/{long}",
        "unnamed/2",
        "unnamed/3",
        "unnamed/4",
    ]
    subprocess.run(["tar", "xf", "x.tar"], cwd=tmp_path, check=True)
    assert (tmp_path / "content" / long).read_bytes() == b"long"
    assert contents(data) == files


def test_permission_bits_come_from_the_external_attributes() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("bin/run")
        info.external_attr = 0o100755 << 16
        archive.writestr(info, b"#!/bin/sh\n")
    [member] = TreeForm().members(io.BytesIO(expanded(out.getvalue())[1]))
    assert (member.name, member.size, member.mode) == ("bin/run", 10, 0o755)


def test_memory_does_not_grow_with_a_member(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("big", "w") as big,
    ):
        for number in range(48):
            big.write(TEXT[number:] * 3)
    tracemalloc.start()
    with path.open("rb") as original, (tmp_path / "big.tar").open("w+b") as out:
        assert expand(original, out).form == "tree/1"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "big.tar").stat().st_size > 40_000_000
    assert peak < 12_000_000


names = st.text(min_size=1, max_size=12).filter(lambda name: "\0" not in name and name.isprintable())
members = st.tuples(
    names,
    st.one_of(st.binary(max_size=300), st.integers(0, 5000).map(lambda size: TEXT[:size])),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]),
    st.integers(1, 9),
    st.integers(0, 0xFFFF),
)


@given(
    st.lists(members, max_size=6, unique_by=lambda member: member[0]),
    st.text("PKabc\5\6", max_size=9),
    st.booleans(),
)
def test_any_zip_comes_back_to_the_bit(
    files: list[tuple[str, bytes, int, int, int]], comment: str, zip64: bool
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data, method, level, mode in files:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            info._compresslevel = level  # type: ignore[attr-defined]
            with archive.open(info, "w", force_zip64=zip64) as stream:
                stream.write(data)
        archive.comment = comment.encode()
    form, data = expanded(out.getvalue())
    assert rebuilt(form, data) == out.getvalue()
    if "PK" not in comment and all(method != zipfile.ZIP_BZIP2 for _, _, method, _, _ in files):
        assert form == "tree/1"
        assert len(contents(data)) == len(files)


SAMPLE = expanded(zip_of({"a.txt": TEXT[:2000], "b/c.bin": bytes(range(256)), "d": b""}))[1]
OPAQUE = expanded(zip_with_stream("odd.txt", TEXT[:3000], stream_of_another_encoder(TEXT[:3000])))[1]


@pytest.mark.parametrize("sample", [SAMPLE, OPAQUE], ids=["zlib", "opaque"])
@given(data=st.data())
def test_a_damaged_expanded_form_is_refused_or_harmless(sample: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(sample) - 1))
    damaged = bytearray(sample)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    for use in (lambda: rebuilt("tree/1", bytes(damaged)), lambda: contents(bytes(damaged))):
        try:
            use()
        except AirlockError as error:
            assert isinstance(error, IntegrityError)


@pytest.mark.parametrize("sample", [SAMPLE, OPAQUE], ids=["zlib", "opaque"])
def test_a_truncated_expanded_form_is_refused(sample: bytes) -> None:
    for size in range(0, len(sample), 97):
        with pytest.raises(IntegrityError):
            rebuilt("tree/1", sample[:size])
        with pytest.raises(IntegrityError):
            contents(sample[:size])


def with_recipe(document: object) -> bytes:
    out = io.BytesIO()
    raw = document if isinstance(document, bytes) else dumps(document)
    with tarfile.open(fileobj=io.BytesIO(SAMPLE)) as tar:
        write_file(out, "recipe.json", len(raw), [raw])
        for info in tar.getmembers()[1:]:
            member = tar.extractfile(info)
            assert member is not None
            write_file(out, info.name, info.size, [member.read()])
    out.write(END)
    return out.getvalue()


def recipe(members: object, **changes: object) -> dict[str, object]:
    root: dict[str, object] = {"codec": "zip/1", "recipe": {"members": members}, "structure": 173}
    return {"form": "tree/1", "root": root | changes}


def test_the_recipe_of_the_sample_is_one_run() -> None:
    assert with_recipe(recipe([[3, "zlib/1:6", "twin", 0]])) == SAMPLE


@pytest.mark.parametrize(
    "lie",
    [
        recipe([[10**12, "zlib/1:6", "twin", 0]]),
        recipe([[2, "zlib/1:6", "twin", 0], [1, "zlib/1:6", "twin", 0]]),
        recipe([[3, "zlib/1:0", "twin", 0]]),
        recipe([[3, "zlib/1:6", "sums", 0]]),
        recipe([[3, "zlib/1:6", "twin", False]]),
        recipe([[3, "zlib/1:6", "twin", 1]]),
        recipe([[3, "store", "twin", 0]]),
        recipe([[2, "zlib/1:6", "twin", 0]]),
        recipe([[3, "zlib/1:6", "twin", 0]], structure=172),
        recipe([[3, "zlib/1:6", "twin", 0]], structure=174),
        recipe([[3, "zlib/1:6", "twin", 0]], corrections=0),
        recipe([[3, "zlib/1:6", "twin", 0]], corrections=1),
        recipe([[3, "zlib/1:6", "twin", 0]], inside=[]),
        recipe([[3, "zlib/1:6", "twin", 0]], inside=[[3, {}]]),
        recipe([[3, "zlib/1:6", "twin", 0]], inside=[[0, {}]]),
        recipe([[3, "zlib/1:6", "twin", 0]], record=0),
        recipe([[3, "zlib/1:6", "twin", 0]], codec="zip/2"),
        recipe([[3, "zlib/1:6", "twin", 0]], more=1),
        recipe([[3, "zlib/1:6", "twin", 0]]) | {"form": "tree/2"},
        recipe([[3, "zlib/1:6", "twin", 0]]) | {"more": 1},
        recipe([[3, "zlib/1:6", "twin", 0]], recipe={"members": [[3, "zlib/1:6", "twin", 0]], "prefix": 0}),
        recipe([[3, "zlib/1:6", "twin", 0]], recipe={"members": [[3, "zlib/1:6", "twin", 0]], "prefix": 1}),
        recipe(
            [[3, "zlib/1:6", "twin", 0]], recipe={"members": [[3, "zlib/1:6", "twin", 0]], "corrections": []}
        ),
        recipe(
            [[3, "zlib/1:6", "twin", 0]],
            recipe={"members": [[3, "zlib/1:6", "twin", 0]], "corrections": [0, 0, 0]},
        ),
        b'{"form": "tree/1"}\n',
    ],
)
def test_a_recipe_that_lies_is_refused(lie: object) -> None:
    with pytest.raises(IntegrityError, match="tree/1"):
        rebuilt("tree/1", with_recipe(lie))


def test_a_deflate_bomb_ends_at_the_size_that_was_declared() -> None:
    bomb = zip_with_stream("bomb", TEXT, stream_of_another_encoder(TEXT))
    data = bytearray(expanded(bomb)[1])
    where = data.index(zlib.crc32(TEXT).to_bytes(4, "little")) + 8
    data[where : where + 4] = (1000).to_bytes(4, "little")
    member = next(TreeForm().members(io.BytesIO(bytes(data))))
    passed = 0
    with pytest.raises(IntegrityError, match="not as long as it says"):
        for chunk in member.chunks:
            passed += len(chunk)
    assert passed <= 1000


def test_reading_needs_no_seeking() -> None:
    class Pipe(io.RawIOBase):
        """Gives few bytes at a time and cannot seek."""

        def __init__(self, data: bytes) -> None:
            self._inner = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self._inner.read(min(size, 700))

    pipe: BinaryIO = Pipe(SAMPLE)  # type: ignore[assignment]
    out = io.BytesIO()
    TreeForm().rebuild(pipe, out)
    assert out.getvalue() == rebuilt("tree/1", SAMPLE)


def test_a_member_that_is_damaged_where_nobody_has_looked_yet_leaves_the_zip_closed() -> None:
    """The second member is taken to be from the encoder of the first; what is in it is only looked at afterwards."""
    original = bytearray(zip_of({"a": TEXT[:999], "b": TEXT[:9999]}))
    second = original.rindex(b"PK\3\4") + 31
    for at in range(second, second + 60):
        spoilt = bytes(original[:at]) + bytes([original[at] ^ 0x10]) + bytes(original[at + 1 :])
        form, data = expanded(spoilt)
        assert rebuilt(form, data) == spoilt
