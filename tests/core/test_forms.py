"""Containers inside containers: whatever they hold, they come back to the bit, and nothing hostile comes through."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airlock.core.artifact import Artifact
from airlock.core.canonical_json import dumps
from airlock.core.digest import digest_of
from airlock.core.expanded import Costs, Expansion, expand, form_named
from airlock.core.forms.nodes import MAX_DEPTH
from airlock.core.forms.registry import check_codecs
from airlock.core.plain_tar import END, write_file
from airlock.errors import IntegrityError, TargetError
from tests.far.bundles import wheel

TEXT = b"".join(b"valve %d is %d\n" % (number, number * number % 977) for number in range(6000))


def taken_apart(original: bytes) -> tuple[Expansion, bytes]:
    out = io.BytesIO()
    return expand(io.BytesIO(original), out), out.getvalue()


def rebuilt(data: bytes) -> bytes:
    out = io.BytesIO()
    form_named("tree/1", "test").rebuild(io.BytesIO(data), out)
    return out.getvalue()


def contents(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for member in form_named("tree/1", "test").members(io.BytesIO(data)):
        found[member.name] = b"".join(member.chunks)
        assert member.size in (-1, len(found[member.name]))
        if member.offset is not None:
            assert data[member.offset :].startswith(found[member.name])
    return found


def costs(data: bytes) -> Costs:
    return form_named("tree/1", "test").costs(io.BytesIO(data))


def leaves(data: bytes) -> dict[str, bytes]:
    """By another implementation."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {info.name: tar.extractfile(info) for info in tar.getmembers()}
    return {name: file.read() for name, file in files.items() if file is not None}


def zipped(files: dict[str, bytes], level: int = 6) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, level)
    return out.getvalue()


def gzipped(data: bytes, level: int = 6) -> bytes:
    return gzip.compress(data, level, mtime=0)


def by_gnu_gzip(data: bytes) -> bytes:
    return subprocess.run(["gzip", "-n"], input=data, capture_output=True, check=True).stdout


def test_a_gzip_in_a_zip_in_a_zip_is_opened() -> None:
    inner = zipped({"table.csv.gz": gzipped(TEXT), "note": b"hello"})
    original = zipped({"data/inner.zip": inner, "a.py": TEXT[:500]})
    made, data = taken_apart(original)
    assert made.codecs == ("gzip/1", "zip/1", "zlib/1")
    assert made.file_codecs == ("gzip/1", "zip/1", "zlib/1")
    assert list(leaves(data)) == [
        "recipe.json",
        "structure",
        "content/data/inner.zip/table.csv.gz",
        "content/data/inner.zip/note",
        "content/a.py",
    ]
    assert leaves(data)["content/data/inner.zip/table.csv.gz"] == TEXT
    assert contents(data) == {"data/inner.zip": inner, "a.py": TEXT[:500]}
    assert rebuilt(data) == original


def test_what_the_files_need_is_less_than_what_the_original_needs() -> None:
    made, _ = taken_apart(zipped({"a": TEXT}))
    assert (made.codecs, made.file_codecs) == (("zip/1", "zlib/1"), ())


def test_a_gzip_of_its_own_is_opened() -> None:
    original = gzipped(TEXT)
    made, data = taken_apart(original)
    assert made.form == "tree/1"
    assert leaves(data)["content/content"] == TEXT
    assert contents(data) == {"": TEXT}
    assert rebuilt(data) == original


@pytest.mark.parametrize("trailing", [b"", bytes(512), b"odd bytes", b"\x1f\x8b"])
@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_members_of_a_gzip_and_what_stands_behind_them_are_kept(pieces: int, trailing: bytes) -> None:
    size = len(TEXT) // pieces
    parts = [TEXT[start : start + size] for start in range(0, len(TEXT), size)]
    original = b"".join(map(gzipped, parts)) + trailing
    made, data = taken_apart(original)
    assert made.form == "tree/1"
    assert b"".join(contents(data).values()) == TEXT
    assert rebuilt(data) == original


def test_every_field_of_a_gzip_header_is_kept() -> None:
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = raw.compress(TEXT) + raw.flush()
    header = b"\x1f\x8b\x08\x1e\1\2\3\4\2\3" + b"\4\0abcd" + b"a name\0" + b"a comment\0" + b"\xab\xcd"
    trailer = zlib.crc32(TEXT).to_bytes(4, "little") + len(TEXT).to_bytes(4, "little")
    made, data = taken_apart(header + stream + trailer)
    assert made.form == "tree/1"
    assert leaves(data)["structure"] == header
    assert rebuilt(data) == header + stream + trailer


@pytest.mark.parametrize("change", ["crc", "size", "truncated", "flags"])
def test_a_damaged_gzip_stays_closed(change: str) -> None:
    data = bytearray(gzipped(TEXT))
    match change:
        case "crc":
            data[-8] ^= 1
        case "size":
            data[-1] ^= 1
        case "truncated":
            del data[-9:]
        case "flags":
            data[3] |= 0x80
    made, expanded = taken_apart(bytes(data))
    assert (made.form, expanded) == ("raw/1", bytes(data))
    made, expanded = taken_apart(zipped({"x.gz": bytes(data)}))
    assert leaves(expanded)["content/x.gz"] == data


def test_a_gzip_of_another_encoder_is_opaque_and_named() -> None:
    noisy = b"".join(hashlib.sha256(TEXT[n : n + 9]).hexdigest().encode() for n in range(9000)) + TEXT
    foreign = by_gnu_gzip(noisy)
    original = zipped({"ours.gz": gzipped(TEXT), "theirs.gz": foreign})
    _, data = taken_apart(original)
    assert list(costs(data).opaque) == ["opaque/theirs.gz"]
    assert contents(data) == {"ours.gz": gzipped(TEXT), "theirs.gz": foreign}
    assert rebuilt(data) == original


def test_a_wheel_with_one_odd_small_file_is_opened_all_the_same() -> None:
    files = {f"{number}.txt": TEXT[number * 40 :] for number in range(4)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, (name, body) in enumerate(files.items()):
            level = 1 if number == 2 else 6
            archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED, level)
    _, data = taken_apart(out.getvalue())
    assert not costs(data).opaque
    assert b'"zlib/1:1"' in leaves(data)["recipe.json"]
    assert rebuilt(data) == out.getvalue()


def test_containers_are_opened_so_deep_and_no_deeper() -> None:
    original = TEXT
    for _ in range(MAX_DEPTH + 2):
        original = gzipped(original)
    _, data = taken_apart(original)
    recipe = json.loads(leaves(data)["recipe.json"])
    depth, node = 1, recipe["root"]
    while "inside" in node:
        depth, node = depth + 1, node["inside"][0][1]
    assert depth == MAX_DEPTH
    assert rebuilt(data) == original
    node["inside"] = [[0, {"codec": "gzip/1", "recipe": {"encoders": ["zlib/1:6"]}, "structure": 0}]]
    with pytest.raises(IntegrityError):
        rebuilt(with_recipe(data, recipe))


def test_an_expanded_form_does_not_depend_on_how_it_is_read() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size, 1000) if size is not None and size > 1000 else size)

    original = zipped({"a": TEXT, "b.gz": gzipped(TEXT)})
    _, data = taken_apart(original)
    out = io.BytesIO()
    form_named("tree/1", "test").rebuild(Slow(data), out)
    assert out.getvalue() == original


# --- RECORD ---------------------------------------------------------------------------------------------------------


RECORD = "demo-1.0.dist-info/RECORD"


def template_of(data: bytes) -> list[bytes]:
    return leaves(data)[f"content/{RECORD}"].split(b"\n")


def test_what_follows_from_the_files_is_left_out_of_record() -> None:
    original = wheel("demo", "1.0", {"demo/a.py": TEXT, "demo/b.json.gz": gzipped(TEXT)})
    _, data = taken_apart(original)
    assert template_of(data) == [b"lf", *[b"+"] * 4, b" demo-1.0.dist-info/RECORD,,", b" "]
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        assert contents(data) == {name: archive.read(name) for name in archive.namelist()}
    assert rebuilt(data) == original


def test_what_is_not_read_of_the_files_is_skipped() -> None:
    original = wheel("demo", "1.0", {"demo/a.py": TEXT, "demo/b.json.gz": gzipped(TEXT), "demo/c": b"3"})
    _, data = taken_apart(original)
    members = form_named("tree/1", "test").members(io.BytesIO(data))
    read = {one.name: next(one.chunks) for one in members if one.name in ("demo/c", "demo/b.json.gz")}
    assert read["demo/c"] == b"3"
    assert gzipped(TEXT).startswith(read["demo/b.json.gz"])


def test_what_a_record_says_is_known_without_reading_it() -> None:
    original = wheel("demo", "1.0", {"a": b"1", "b": b"2", "c": b"3"}, change_record=spoil)
    _, data = taken_apart(original)
    [record] = [one.record for one in form_named("tree/1", "test").members(io.BytesIO(data)) if one.record]
    info = "demo-1.0.dist-info"
    assert record.names == {"c", f"{info}/METADATA", f"{info}/WHEEL"}
    assert [line.split(b",")[0].decode() for line in record.rest.splitlines()] == [
        "a",
        "b",
        RECORD,
        "not/there.py",
    ]


def test_rows_in_another_order_name_their_file() -> None:
    original = wheel("demo", "1.0", {"a": b"1", "b": b"2"}, change_record=lambda rows: rows.reverse())
    _, data = taken_apart(original)
    assert template_of(data)[2] == b"=demo-1.0.dist-info/WHEEL"
    assert rebuilt(data) == original


def spoil(rows: list[list[str]]) -> None:
    rows[0][1] = "sha256=AAAA"
    rows[1][2] = ""
    rows.append(["not/there.py", "sha256=BBBB", "3"])


def test_rows_that_do_not_follow_are_kept() -> None:
    original = wheel("demo", "1.0", {"a": b"1", "b": b"2", "c,d": b"3"}, change_record=spoil)
    _, data = taken_apart(original)
    assert template_of(data)[1:4] == [
        b" a,sha256=AAAA,1",
        b" b,sha256=1HNeOiZeFu7gP1lxi5tdAwGcB9i2xR-Q2jpmbuwTqzU,",
        template_of(data)[3],
    ]
    assert template_of(data)[3].startswith(b' "c,d",sha256=')
    assert rebuilt(data) == original


def test_a_record_in_front_of_its_files_is_kept_as_it_is() -> None:
    files = {RECORD: b"a,sha256=AAAA,1\r\n", "a": b"1"}
    _, data = taken_apart(zipped(files))
    assert template_of(data) == [b"crlf", b" a,sha256=AAAA,1", b" "]
    assert contents(data) == files


@pytest.mark.parametrize(
    "template",
    [b"", b"lf", b"cr\n+", b"lf\n+\n+\n+\n+\n+", b"lf\n=nowhere", b"lf\nx", b"lf\n=demo/a.py", b"crlf\n+"],
)
def test_a_template_that_no_record_has_is_refused(template: bytes) -> None:
    _, data = taken_apart(wheel("demo", "1.0", {"demo/a.py": TEXT}))
    hostile = with_files(data, {f"content/{RECORD}": template})
    for use in (rebuilt, contents):
        with pytest.raises(IntegrityError):
            use(hostile)


def test_a_row_spelt_out_that_follows_is_refused() -> None:
    original = wheel("demo", "1.0", {"demo/a.py": TEXT})
    _, data = taken_apart(original)
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        literal = b"lf" + b"".join(b"\n " + line for line in archive.read(RECORD).split(b"\n"))
    with pytest.raises(IntegrityError, match="not the one template"):
        rebuilt(with_files(data, {f"content/{RECORD}": literal}))


# --- What is not at hand --------------------------------------------------------------------------------------------


def test_a_codec_that_is_not_here_is_named() -> None:
    one = Artifact(kind="wheel", name="demo", version="1.0", file="f", size=1, digest=digest_of(b""))
    check_codecs(one, ("gzip/1", "zip/1", "zlib/1"))
    with pytest.raises(TargetError, match=r"wheel demo 1\.0: needs codecs .* no cab/7, lha/2"):
        check_codecs(one, ("lha/2", "cab/7", "zip/1"))


# --- Properties -----------------------------------------------------------------------------------------------------


def with_files(data: bytes, change: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    for name, body in (leaves(data) | change).items():
        write_file(out, name, len(body), [body])
    out.write(END)
    return out.getvalue()


def with_recipe(data: bytes, recipe: object) -> bytes:
    return with_files(data, {"recipe.json": dumps(recipe)})


raw = st.binary(max_size=200) | st.integers(0, 3000).map(lambda size: TEXT[:size])
names = st.text("abc/.é", min_size=1, max_size=6)


def containers(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    levels = st.integers(1, 9)
    return st.one_of(
        st.builds(gzipped, inner, levels),
        st.builds(
            lambda one, two, rest: gzipped(one) + gzipped(two) + rest, inner, raw, st.binary(max_size=3)
        ),
        st.builds(by_gnu_gzip, inner),
        st.builds(zipped, st.dictionaries(names, inner, max_size=4), levels),
    )


trees = st.recursive(raw, containers, max_leaves=8)


@settings(deadline=None)
@given(trees)
def test_any_tree_comes_back_to_the_bit(original: bytes) -> None:
    made, data = taken_apart(original)
    assert taken_apart(original) == (made, data), "the same bytes every time"
    out = io.BytesIO()
    form_named(made.form, "test").rebuild(io.BytesIO(data), out)
    assert out.getvalue() == original
    if made.form == "tree/1" and original.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(original)) as archive:
            assert contents(data) == {name: archive.read(name) for name in archive.namelist()}


SAMPLES = {
    "nested": zipped({"a.gz": gzipped(TEXT[:3000]), "in.zip": zipped({"b": TEXT[:900]}), "c": b"1"}),
    "opaque": zipped({"a": TEXT[:300], "b.gz": by_gnu_gzip(TEXT)}),
    "members": gzipped(TEXT[:2000]) + gzipped(TEXT[2000:5000]) + bytes(7),
    "wheel": wheel("demo", "1.0", {"demo/a.py": TEXT[:700], "demo/b.py": b"x = 1\n"}),
}
EXPANDED = {name: taken_apart(original)[1] for name, original in SAMPLES.items()}


def without_levels(data: bytes | bytearray) -> bytes:
    """Two levels may write the same stream: which of them is named is the one freedom that a recipe has."""
    return re.sub(rb"zlib/1:[1-9]", b"zlib/1", data)


def refused_or_another(use: Callable[[], bytes], original: bytes) -> None:
    """An original has one spelling: whatever else decodes is another original, and its digest tells."""
    with suppress(IntegrityError):
        assert use() != original


@pytest.mark.parametrize("name", SAMPLES)
@settings(deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_refused_or_makes_another_original(name: str, data: st.DataObject) -> None:
    sample = EXPANDED[name]
    damaged = bytearray(sample)
    damaged[data.draw(st.integers(0, len(sample) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assume(without_levels(damaged) != without_levels(sample))
    refused_or_another(lambda: rebuilt(bytes(damaged)), SAMPLES[name])
    with suppress(IntegrityError):
        contents(bytes(damaged))


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


junk = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 1 << 62), st.text(max_size=4), st.just([]), st.just({}),
    st.sampled_from(["store", "opaque", "twin", "kept", "sums", "zip/1", "gzip/1", "zlib/1:1"]),
)  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
@settings(deadline=None)
@given(data=st.data())
def test_a_recipe_changed_anywhere_is_refused_or_makes_another_original(
    name: str, data: st.DataObject
) -> None:
    recipe = json.loads(leaves(EXPANDED[name])["recipe.json"])
    before = dumps(recipe)
    *path, last = data.draw(st.sampled_from(list(places(recipe))))
    parent = recipe
    for key in path:
        parent = parent[key]
    act = data.draw(st.sampled_from(["set", "remove", "add"]))
    if act == "set":
        parent[last] = data.draw(junk)
    elif act == "remove":
        del parent[last]
    elif isinstance(parent, dict):
        parent[data.draw(st.sampled_from(["corrections", "record", "inside", "prefix", "sizes"]))] = (
            data.draw(junk)
        )
    else:
        parent.insert(last, data.draw(junk))
    if without_levels(dumps(recipe)) != without_levels(before):
        refused_or_another(lambda: rebuilt(with_recipe(EXPANDED[name], recipe)), SAMPLES[name])
