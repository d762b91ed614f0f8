"""Small valid inputs to begin with: what a fuzzer would hardly find by itself, such as a tar's checksum."""

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from airlock.core.binary_delta import STREAMS
from airlock.core.binary_diff import Streams, make_patch
from airlock.core.codecs import PORTABLE, SETS, best_set
from airlock.core.deflate_encoders import deflated
from airlock.core.expanded import expand
from airlock.core.forms.codec import MAX_CONTENT, Room
from airlock.core.pieces import Base
from airlock.storage.archive import ArchiveWriter
from tests.elf import shared_object
from tests.fuzz.targets import joined
from tests.wheel_factory import make_wheel

TEXT = b"some text that deflates, and deflates again\n" * 40


def originals() -> Iterator[bytes]:
    nested = gzip.compress(TEXT, 6, mtime=0)
    yield b""
    yield TEXT
    yield nested
    yield nested + gzip.compress(b"another member", 9, mtime=7) + bytes(5)
    yield make_wheel("seed", "1.0", files={"seed/__init__.py": TEXT, "seed/data.json.gz": nested}).data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("inner.gz", nested)
        archive.comment = b"a comment"
    yield out.getvalue()
    yield from _of_go()
    yield from _others()


def _of_go() -> Iterator[bytes]:
    """gzip files as Go's programs write them: such whose encoder is known, and almost."""
    if best_set() == PORTABLE:
        return
    for encoder in ("go/1:6", "pgzip/1:5:17000", "go/1:7"):
        stream = b"".join(deflated(encoder, [TEXT * 4], b"", "seed"))
        yield b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + stream + gzip.compress(TEXT * 4)[-8:]


def _others() -> Iterator[bytes]:
    """Containers that the standard library writes."""
    import lzma
    import tarfile
    import zlib

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("one", TEXT), ("folder/two", b"2"), ("é" * 60, b"")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    yield out.getvalue()
    yield lzma.compress(out.getvalue(), check=lzma.CHECK_CRC64)
    yield zlib.compress(TEXT)
    head = b"debian-binary   0           0     0     100644  4         `\n2.0\n"
    control = lzma.compress(out.getvalue(), check=lzma.CHECK_CRC64)
    yield (
        b"!<arch>\n"
        + head
        + b"control.tar.xz  0           0     0     100644  %-10d`\n" % len(control)
        + control
    )
    import zstandard

    yield zstandard.ZstdCompressor(level=3, write_content_size=True).compress(TEXT)


def expanded_forms() -> Iterator[bytes]:
    for original in originals():
        out = io.BytesIO()
        if expand(io.BytesIO(original), out, SETS[best_set()]).form != "raw/1":
            yield out.getvalue()


def trees() -> Iterator[bytes]:
    import tarfile

    for form in expanded_forms():
        with tarfile.open(fileobj=io.BytesIO(form)) as tar:
            files = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
        heads = [files.pop("recipe.json"), files.pop("structure"), files.pop("corrections", b"")]
        yield joined(*heads, *(piece for name, data in files.items() for piece in (name.encode(), data)))


def patches() -> Iterator[bytes]:
    pairs = [(b"", TEXT), (TEXT, TEXT + b"more"), (TEXT * 9, TEXT[7:] * 5 + b"x" * 50 + TEXT)]
    for old, new in [*pairs, *_executables()]:
        files = {name: io.BytesIO() for name in STREAMS}
        make_patch(Base(io.BytesIO(old), [len(old)]), io.BytesIO(new), len(new), Streams(dict(files)))
        yield joined(old, *(files[name].getvalue() for name in STREAMS))


def _executables() -> Iterator[tuple[bytes, bytes]]:
    functions = range(12)
    yield shared_object(functions), shared_object([*functions, 99])


def archives() -> Iterator[bytes]:
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    writer.add_bytes("index.json", b"{}")
    writer.add_bytes("frames/" + "0" * 64 + ".zst", TEXT)
    writer.close()
    yield out.getvalue()


def volumes() -> Iterator[bytes]:
    import tempfile
    from pathlib import Path

    from tests.media.sets import any_bundle, split_into

    for parity in (0, 1):
        with tempfile.TemporaryDirectory() as folder:
            for path in split_into(Path(folder), any_bundle(9000), 12_000, parity):
                yield path.read_bytes()


def headers() -> Iterator[bytes]:
    from pathlib import Path

    fixtures = Path(__file__).parents[2] / "fixtures" / "volume" / "valid"
    yield from (path.read_bytes() for path in sorted(fixtures.iterdir()))


def frames() -> Iterator[bytes]:
    import zstandard

    yield zstandard.ZstdCompressor(level=3).compress(b"")
    yield zstandard.ZstdCompressor(level=19).compress(TEXT)


def streams() -> Iterator[bytes]:
    import lzma

    yield lzma.compress(TEXT, check=lzma.CHECK_CRC32)


def builds(codec_name: str) -> Iterator[bytes]:
    """What a codec's own `open` gives."""
    from airlock.core.canonical_json import dumps
    from airlock.core.forms.registry import codecs

    codec = next(codec for codec in codecs() if codec.name.startswith(f"{codec_name}/"))
    for original in originals():
        if codec.matches(original[:512]):
            opened = codec.open(io.BytesIO(original), SETS[best_set()], thorough=True, room=Room(MAX_CONTENT))
            if opened is not None:
                contents = (b"".join(part.read()) for part in opened.parts)
                yield joined(dumps(dict(opened.recipe)), opened.structure, opened.corrections, *contents)


def bundles() -> Iterator[bytes]:
    """A wheel, a file and configuration; a wheel of many kinds of names; and a file that was taken apart."""
    from tests.far.bundles import bundle, file_item, wheel, wheel_item

    nested = gzip.compress(TEXT, 6, mtime=0)
    files = {
        "seed/__init__.py": TEXT,
        "seed/data.json.gz": nested,
        "seed-1.0.data/scripts/run": b"#!python\n",
    }
    full = wheel_item("seed", "1.0", wheel("seed", "1.0", files, "[console_scripts]\nseed = seed:main\n"))
    plain = file_item("share/text", TEXT)
    config = replace(plain, artifact=replace(plain.artifact, kind="config"))
    for contents in ([full, plain], [config], [file_item("share/packed", nested)]):
        yield _pieces_of(bundle(contents))


def _pieces_of(data: bytes) -> bytes:
    from airlock.formats.index import parse_index
    from tests.attacks.ground import contents_in
    from tests.far.bundles import members_in

    members = members_in(data)
    contents = contents_in(members)
    entries = parse_index(members["index.json"], "seed").entries
    return joined(members["index.json"], *(contents[entry.expanded.digest] for entry in entries))


def deltas() -> Iterator[bytes]:
    from tests.attacks.ground import contents_in, delta_of, patches_between
    from tests.far.bundles import bundle, file_item, members_in

    pairs = [(TEXT, TEXT.replace(b"again", b"once")), (TEXT[:99], TEXT[:99]), (b"", TEXT[:50])]
    for before, after in [*pairs, *_executables()]:
        old, new = (bundle([file_item("share/a", data)]) for data in (before, after))
        rows, streams = patches_between(old, new)
        members = members_in(delta_of(new, old, rows, streams))
        contents = list(contents_in(members_in(old)).values())
        heads = (members["delta.json"], members["index.json"], *contents, b"", b"", b"")
        yield joined(*heads, *(streams.get(name, b"") for name in STREAMS))
    yield _of_two_bases()


def _of_two_bases() -> bytes:
    """A delta whose patch copies from one expanded form and then from another behind it."""
    from airlock.core.digest import digest_of
    from airlock.formats.delta_index import Origin, Patch
    from tests.attacks.ground import delta_of
    from tests.far.bundles import bundle, file_item, members_in

    contents = TEXT[:500], TEXT[7:900]
    old = bundle([file_item(f"share/{number}", data) for number, data in enumerate(contents)])
    new = bundle([file_item("share/both", b"".join(contents))])
    files = {name: io.BytesIO() for name in STREAMS}
    whole = b"".join(contents)
    make_patch(Base(io.BytesIO(whole), [len(whole)]), io.BytesIO(whole), len(whole), Streams(dict(files)))
    streams = {name: file.getvalue() for name, file in files.items()}
    first, second = (Origin(digest=digest_of(data), size=len(data), label="seed") for data in contents)
    row = Patch(digest=digest_of(whole), base=first, more=(second,))
    members = members_in(delta_of(new, old, [row], streams))
    heads = (members["delta.json"], members["index.json"], *contents, b"", b"")
    return joined(*heads, *(streams[name] for name in STREAMS))


def _valid(name: str) -> Callable[[], Iterator[bytes]]:
    def found() -> Iterator[bytes]:
        for path in sorted((Path(__file__).parents[2] / "fixtures" / name / "valid").glob("*")):
            yield path.read_bytes()

    return found


def journals() -> Iterator[bytes]:
    from airlock.core.digest import digest_of
    from airlock.formats.journal import Act, write_act

    one = Act(
        act="install",
        time=1_790_000_000,
        before=0,
        after=1,
        version="1.0",
        index=digest_of(b""),
        release=7,
        outcome="done",
        detail="",
    )
    yield write_act(one) + write_act(replace(one, act="rollback", before=1, after=2, detail="a\nb"))
    yield from _valid("journal")()


def statements() -> Iterator[bytes]:
    from tests.fuzz.whole import keys, statement

    yield keys()[1]
    yield statement(b"{}\n")


def image_documents() -> Iterator[bytes]:
    from tests.images.factory import image, index, signature

    one = image({"a": b"b"}, {"c": b"d"})
    yield from (thing.data for thing in (one, index(one), signature(one), image({"a": b"b"}, docker=True)))


def image_archives() -> Iterator[bytes]:
    from tests.images.factory import image, index, layout_files, saved_files, signature, tar

    one = image({"a": b"b"})
    yield tar(layout_files({"1.0": one}, [signature(one)]))
    yield tar(layout_files({"1.0": index(one)}))
    yield tar(saved_files(one, "plc:1.0"))


def seeds(target: str) -> list[bytes]:
    if target.startswith("build-"):
        return list(builds(target.removeprefix("build-")))
    if target.startswith("open-") or target in {"round_trip", "encoders"}:
        return list(originals())
    table = {
        "rebuild": expanded_forms,
        "members": expanded_forms,
        "costs": expanded_forms,
        "tree": trees,
        "patch": patches,
        "stream": streams,
        "frame": frames,
        "archive": archives,
        "volume": volumes,
        "header": headers,
        "bundle": bundles,
        "delta": deltas,
        "journal": journals,
        "trust": statements,
        "image_document": image_documents,
        "image_archive": image_archives,
        **{name: _valid(name) for name in ("index", "generation", "lockfile")},
    }
    return list(table[target]()) if target in table else _documents()


def _documents() -> list[bytes]:
    fixtures = Path(__file__).parents[2] / "fixtures"
    return [path.read_bytes() for path in sorted(fixtures.glob("*/valid/*"))]
