"""`tar/1`: every tar comes back to the bit or is refused."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.forms.tar_container import TarCodec
from airlock.errors import IntegrityError
from tests.core.forms.containers import TEXT, builds_or_refuses, case, parsed, refused, run

LONG = "folder-" * 20 + "/" + "name-" * 30
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def tar_of(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT, mtime: float = 1) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files, an empty one, links, a folder, a long name, and one that is not ASCII."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "text").write_bytes(TEXT)
    (tmp_path / "folder" / "empty").touch()
    (tmp_path / "hardlink").hardlink_to(tmp_path / "folder" / "text")
    (tmp_path / "symlink").symlink_to("folder/text")
    (tmp_path / "straße").write_bytes(b"x" * 512)
    (tmp_path / ("long" * 25)).mkdir()
    (tmp_path / ("long" * 25) / ("name" * 20)).write_bytes(b"y" * 513)
    return tmp_path


@pytest.mark.parametrize("form", ["ustar", "gnu", "pax", "oldgnu", "v7"])
def test_what_gnu_tar_writes_comes_back(tree: Path, form: str) -> None:
    arguments = ["--exclude", "long*"] if form in ("v7", "ustar") else []
    original = run("tar", "-cf", "-", f"--format={form}", *arguments, ".", cwd=tree)
    found = case(TarCodec(), original)
    assert found.built() == original
    assert TEXT in found.contents
    assert found.opened.recipe["end"] >= 1024


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="libarchive-tools is not installed")
@pytest.mark.parametrize("form", ["ustar", "pax", "gnutar", "v7"])
def test_what_bsdtar_writes_comes_back(tree: Path, form: str) -> None:
    original = run("bsdtar", "-cf", "-", f"--format={form}", "folder", "hardlink", "symlink", cwd=tree)
    found = case(TarCodec(), original)
    assert found.built() == original
    assert TEXT in found.contents


@pytest.mark.parametrize("form", FORMATS)
def test_what_pythons_tarfile_writes_comes_back(form: int) -> None:
    long = {} if form == tarfile.USTAR_FORMAT else {LONG: b"z"}
    original = tar_of({"a": TEXT, "empty": b"", "./b": b"x" * 512, **long}, form, 1.5 if long else 1)
    found = case(TarCodec(), original)
    assert found.built() == original
    assert [slot.name for slot in found.container.slots] == ["a", "b", *long]


def test_a_layer_with_whiteouts_and_the_shortest_end_comes_back() -> None:
    files = {"etc/.wh.passwd": b"", "etc/.wh..wh..opq": b"", "etc/new": TEXT}
    original = tar_of(files, tarfile.PAX_FORMAT).rstrip(b"\0")
    original += bytes(-len(original) % 512 + 1024)
    found = case(TarCodec(), original)
    assert found.built() == original
    assert found.opened.recipe["end"] == 1024
    assert found.contents == [TEXT]


def test_a_tar_without_an_end_comes_back() -> None:
    original = tar_of({"a": b"x" * 512})[:1024]
    assert case(TarCodec(), original).built() == original


def test_a_very_long_pax_header_comes_back() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.size, info.pax_headers = 5, {"comment": "long " * 300_000}
        archive.addfile(info, io.BytesIO(b"12345"))
    assert case(TarCodec(), out.getvalue()).built() == out.getvalue()


def test_a_checksum_in_another_spelling_is_kept() -> None:
    original = bytearray(tar_of({"a": TEXT, "b": TEXT}))
    original[148:156] = original[148:154] + b" \0"
    assert case(TarCodec(), bytes(original)).built() == original


def test_another_content_of_the_same_size_has_the_same_structure() -> None:
    one, two = (case(TarCodec(), tar_of({"a": body, "b": b"x"})) for body in (TEXT, TEXT[::-1]))
    assert (one.opened.structure, one.opened.recipe) == (two.opened.structure, two.opened.recipe)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(1 << 19)
        stream.write(b"in the middle")
    for form in ("gnu", "pax"):
        assert refused(TarCodec(), run("tar", "-cSf", "-", f"--format={form}", "sparse", cwd=tmp_path))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tar: tar[:514],
        lambda tar: tar + b"behind",
        lambda tar: tar[:520] + b"\1" + tar[521:],
        lambda tar: tar[:100] + b"9" + tar[101:],
        lambda tar: bytes(10240),
    ],
    ids=["truncated", "bytes behind the end", "padding", "checksum", "no header"],
)
def test_what_is_not_restored_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    assert refused(TarCodec(), spoil(tar_of({"a": b"12345"})))


def test_a_part_of_another_size_than_its_header_says_is_an_error() -> None:
    found = case(TarCodec(), tar_of({"a": b"12345"}))
    for wrong in ([b"1234"], [b"123456"]):
        with pytest.raises(IntegrityError):
            list(found.container.build(iter([iter(wrong)])))
    with pytest.raises(IntegrityError):
        list(found.container.build(iter([])))


@pytest.mark.parametrize(
    "change",
    [
        {"end": 1 << 40},
        {"headers": 0},
        {"headers": 1 << 40},
        {"headers": 3},
        {"empty": list(range(16))},
        {"empty": [-1]},
        {"empty": [0, 0]},
        {"empty": "0"},
        {"empty": [99]},
        {"unknown": 1},
    ],
)
def test_a_hostile_recipe_is_refused(change: dict[str, object]) -> None:
    opened = case(TarCodec(), tar_of({"a": b"12345", "b": b"1"})).opened
    with pytest.raises(IntegrityError):
        parsed(TarCodec(), dict(opened.recipe) | change, opened.structure)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300)


@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=1500)), min_size=1, max_size=5),
    st.sampled_from(FORMATS[1:]),
    st.integers(0, 1 << 34),
)
def test_any_tar_comes_back(files: list[tuple[str, bytes]], form: int, mtime: int) -> None:
    original = tar_of(dict(files), form, mtime)
    assert case(TarCodec(), original).built() == original


@given(st.data())
def test_a_changed_structure_is_refused_or_makes_no_more_than_it_holds(data: st.DataObject) -> None:
    found = case(TarCodec(), tar_of({"a": b"12345", LONG: b"1" * 600, "c": b""}, tarfile.PAX_FORMAT))
    structure = bytearray(found.opened.structure)
    for _ in range(data.draw(st.integers(1, 4))):
        structure[data.draw(st.integers(0, len(structure) - 1))] = data.draw(st.integers(0, 255))
    assert builds_or_refuses(TarCodec(), dict(found.opened.recipe), bytes(structure), found.contents) < 40_000
