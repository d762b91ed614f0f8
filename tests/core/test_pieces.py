"""Pieces of the old side are found by content, path, and similarity."""

import hashlib
import io

import pytest

from airlock.core.native import native
from airlock.core.pieces import Base, Piece, Sketches, normalised, pieces_of
from airlock.core.plain_tar import END, write_file
from tests.native import needs_native

NOISE = hashlib.shake_256(b"noise").digest(60_000)
OTHER = hashlib.shake_256(b"other").digest(60_000)


def form(**files: bytes) -> bytes:
    out = io.BytesIO()
    for name, data in {"recipe.json": b"{}", "structure": b"s"}.items():
        write_file(out, name, len(data), [data])
    for name, data in files.items():
        write_file(out, f"content/{name}", len(data), [data])
    out.write(END)
    return out.getvalue()


def piece_of(data: bytes, name: str) -> tuple[io.BytesIO, Piece]:
    stream = io.BytesIO(data)
    return stream, next(piece for piece in pieces_of(stream, 0, len(data)) if piece.name == f"content/{name}")


def base(*forms: bytes) -> Base:
    return Base(io.BytesIO(b"".join(forms)), [len(one) for one in forms])


def found(old: Base, piece: Piece | None) -> bytes:
    assert old.stream is not None
    assert piece is not None
    old.stream.seek(piece.start)
    return old.stream.read(piece.size)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("content/data.tar.xz/usr/lib/libx.so.1.2.3", "content/usr/lib/libx.so.1.2.4"),
        (
            "content/data.tar.zst/boot/vmlinuz-6.1.0-25-amd64",
            "content/data.tar.xz/boot/vmlinuz-6.1.0-26-amd64",
        ),
        ("content/a-1.0.dist-info/METADATA", "content/a-1.1.dist-info/METADATA"),
    ],
)
def test_paths_are_compared_without_what_changes_from_release_to_release(old: str, new: str) -> None:
    assert normalised(old) == normalised(new)


def test_all_of_a_stream_is_in_pieces_and_forms_behind_each_other_are_told_apart() -> None:
    one, two = form(a=NOISE, b=b"b"), form(a=OTHER)
    stream = io.BytesIO(one + two)
    pieces = [*pieces_of(stream, 0, len(one)), *pieces_of(stream, len(one), len(two))]
    assert [piece.start for piece in pieces[1:]] == [piece.stop for piece in pieces[:-1]]
    assert pieces[-1].stop == len(one + two)
    assert [piece.name for piece in pieces if piece.is_of_artifact] == ["content/a", "content/b", "content/a"]


def test_a_piece_with_the_same_content_is_found_whatever_its_name_and_place() -> None:
    old = base(form(a=OTHER, last=NOISE), form(b=b"b"))
    stream, piece = piece_of(form(first=NOISE, other=b"o"), "first")
    assert found(old, old.same(stream, piece)).startswith(NOISE)


def test_of_forms_with_the_same_path_the_first_is_preferred() -> None:
    old = base(form(a=OTHER), form(a=NOISE))
    stream, piece = piece_of(form(a=NOISE[1:]), "a")
    assert found(old, old.alike(stream, piece)).startswith(OTHER)


@needs_native
def test_a_piece_that_changed_under_another_name_is_found_by_what_it_kept() -> None:
    old = base(form(x=OTHER, y=NOISE))
    stream, piece = piece_of(form(z=b"grown" * 99 + NOISE[:20_000] + b"!" + NOISE[20_001:55_000]), "z")
    assert found(old, old.alike(stream, piece)).startswith(NOISE)


@needs_native
def test_a_piece_that_has_nothing_in_common_is_alike_to_none() -> None:
    old = base(form(x=OTHER))
    stream, piece = piece_of(form(z=NOISE), "z")
    assert old.alike(stream, piece) is None


@needs_native
def test_a_sketch_has_the_smallest_hashes_once_in_order() -> None:
    crate = native()
    assert crate is not None
    marks = crate.sketch(NOISE + NOISE, 50)
    assert marks == sorted(set(marks))
    assert crate.sketch(NOISE, 10) == marks[:10]
    assert [crate.sketch(data, 10) for data in (b"", b"short", bytes(70_000), NOISE[:15])] == [[], [], [], []]
    assert crate.sketch(NOISE, 0) == []


def test_sketches_know_nothing_of_what_was_not_added() -> None:
    stream, piece = piece_of(form(z=NOISE), "z")
    assert Sketches().alike(stream, piece) == []
