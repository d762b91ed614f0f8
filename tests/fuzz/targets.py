"""One function a decoder: any bytes in, and nothing but a family of AirlockError may come out of it.

A target that takes several byte strings cuts its input with `parts`. Output is counted and thrown away; more than LIMIT
bytes of it ends the run, for that much may be asked for honestly.
"""

import contextlib
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from airlock.core.binary_delta import STREAMS, apply_patch
from airlock.core.canonical_json import dumps
from airlock.core.codecs import SETS, best_set
from airlock.core.deflate_encoders import deflated
from airlock.core.digest import digest_of
from airlock.core.expanded import expand, form_named
from airlock.core.fields import Fields
from airlock.core.forms.codec import MAX_CONTENT, Chunks, Codec, Room
from airlock.core.forms.registry import codecs
from airlock.core.forms.tree import TreeForm
from airlock.errors import AirlockError, IntegrityError
from airlock.formats.delta_index import parse_delta_index
from airlock.formats.generation import parse_generation
from airlock.formats.index import parse_index
from airlock.formats.journal import parse_act, parse_journal
from airlock.formats.lockfile import parse_lockfile
from airlock.formats.volume import parse_header
from airlock.oci.documents import INDEXES, MANIFESTS, Manifest, check_layers, parse_document
from airlock.oci.layout import images_at
from airlock.storage.archive import Archive
from airlock.storage.delta_streams import StreamReader
from airlock.storage.frames import decompress
from airlock.storage.volume_set import VolumeStream, open_set
from tests.fuzz import whole

LIMIT = 64 << 20
"""Bytes."""
_WHERE = "fuzz"
_OF_GO = ("go/1:1", "go/1:4", "go/1:6", "go/1:9", "pgzip/1:5:16385", "pgzip/2:5:65535", "pgzip/2:5:1048576")

Target = Callable[[bytes], None]


class Enough(Exception):
    """More was written than is worth fuzzing on."""


class Counter(io.RawIOBase):
    """A sink that counts."""

    def __init__(self) -> None:
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        length = len(memoryview(data))  # type: ignore[arg-type]
        self.size += length
        if self.size > LIMIT:
            raise Enough
        return length


def exhaust(chunks: Iterable[bytes]) -> None:
    sink = Counter()
    for chunk in chunks:
        sink.write(chunk)


def parts(data: bytes) -> list[bytes]:
    """Byte strings, each behind its length in three bytes; the last is what is left."""
    found = []
    while len(data) >= 3:
        length = int.from_bytes(data[:3], "big")
        found.append(data[3 : 3 + length])
        data = data[3 + length :]
    return found


def joined(*pieces: bytes) -> bytes:
    """What `parts` takes apart."""
    return b"".join(len(piece).to_bytes(3, "big") + piece for piece in pieces)


def rebuild(data: bytes) -> None:
    TreeForm().rebuild(io.BytesIO(data), Counter())  # type: ignore[arg-type]


def members(data: bytes) -> None:
    for member in TreeForm().members(io.BytesIO(data)):
        exhaust(member.chunks)


def costs(data: bytes) -> None:
    TreeForm().costs(io.BytesIO(data))


def tree(data: bytes) -> None:
    """An expanded form whose tar is sound: recipe, structure, corrections, then names and contents in turn."""
    from airlock.core.plain_tar import END, write_file

    pieces = parts(data)
    if len(pieces) < 3 or (recipe := _canonical(pieces[0])) is None:
        return
    pieces[0] = recipe
    names = ["recipe.json", "structure", *(["corrections"] if pieces[2] else [])]
    out = io.BytesIO()
    for name, piece in zip(names, pieces, strict=False):
        write_file(out, name, len(piece), [piece])
    rest = pieces[3:]
    for name_bytes, piece in zip(rest[::2], rest[1::2], strict=False):
        try:
            write_file(out, name_bytes.decode(), len(piece), [piece])
        except UnicodeDecodeError:
            return
    out.write(END)
    for target in (rebuild, members, costs):
        with contextlib.suppress(AirlockError):
            target(out.getvalue())


def _canonical(data: bytes) -> bytes | None:
    """The one spelling of a JSON document, so that a change of a byte is not the end of it."""
    try:
        return dumps(json.loads(data))
    except (ValueError, TypeError, RecursionError, AirlockError):
        return None


def round_trip(data: bytes) -> None:
    """Whatever it is, it comes back."""
    out, back = io.BytesIO(), io.BytesIO()
    found = expand(io.BytesIO(data), out, SETS[best_set()])
    form_named(found.form, _WHERE).rebuild(io.BytesIO(out.getvalue()), back)
    if back.getvalue() != data:
        raise AssertionError("rebuilt to other bytes")


def encoders(data: bytes) -> None:
    """What an encoder of Go makes of anything, cut anywhere, holds just that. The first byte chooses the encoder."""
    content, cut = data[2:], max(1, data[1] if len(data) > 1 else 1)
    encoder = _OF_GO[data[0] % len(_OF_GO)] if data else _OF_GO[0]
    pieces = (content[start : start + 97 * cut] for start in range(0, len(content), 97 * cut))
    made = b"".join(deflated(encoder, pieces, b"", _WHERE))
    if zlib.decompress(made, -15) != content:
        raise AssertionError(f"{encoder} makes another stream than of its content")


def opening(codec: Codec) -> Target:
    """What a codec opens, its parser takes; what is built of it is the original, or is caught as not proven."""

    def target(data: bytes) -> None:
        codec.matches(data[:512])
        opened = codec.open(io.BytesIO(data), SETS[best_set()], thorough=True, room=Room(MAX_CONTENT))
        if opened is None:
            return
        recipe = Fields(json.loads(dumps(dict(opened.recipe))), _WHERE, IntegrityError)
        container = codec.parse(recipe, opened.structure, opened.corrections, _WHERE)
        if len(container.slots) != len(opened.parts):
            raise AssertionError("another number of parts than was opened")
        exhaust(container.build(part.read() for part in opened.parts))

    return target


def building(codec: Codec) -> Target:
    """Recipe, structure, corrections and contents that nobody opened."""

    def target(data: bytes) -> None:
        pieces = parts(data)
        if len(pieces) < 3:
            return
        try:
            document = json.loads(pieces[0])
        except (ValueError, RecursionError):
            return
        if not isinstance(document, dict):
            return
        container = codec.parse(Fields(document, _WHERE, IntegrityError), pieces[1], pieces[2], _WHERE)
        contents = iter(pieces[3:])

        def chunks() -> Iterator[Chunks]:
            for _ in container.slots:
                yield iter((next(contents, b""),))

        exhaust(container.build(chunks()))

    return target


def patch(data: bytes) -> None:
    """A base, and the streams of a patch as they are after decompression."""
    pieces = parts(data)
    if len(pieces) <= len(STREAMS):
        return
    base = pieces[0]
    sources = {
        name: StreamReader(io.BytesIO(_xz(piece)), name)
        for name, piece in zip(STREAMS, pieces[1:], strict=False)
    }
    exhaust(apply_patch(io.BytesIO(base), len(base), sources, 1 << 20, _WHERE))


def _xz(data: bytes) -> bytes:
    import lzma

    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=0)


def stream(data: bytes) -> None:
    reader = StreamReader(io.BytesIO(data), _WHERE)
    for _ in range(1000):
        reader.take(4096)


def frame(data: bytes) -> None:
    exhaust(decompress(io.BytesIO(data), digest_of(b""), 1 << 20, _WHERE))


def archive(data: bytes) -> None:
    opened = Archive(io.BytesIO(data), _WHERE)
    for name in opened.members:
        opened.read(name, 1 << 20)


def header(data: bytes) -> None:
    """A volume's header, and what follows from it."""
    document = _canonical(data)
    found = parse_header(data if document is None else document, _WHERE)
    table = found.table
    table.label(found.number)
    if sum(table.share(number) for number in range(1, table.data + 1)) != table.size:
        raise AssertionError("shares do not make the file")


def volume(data: bytes) -> None:
    """A volume alone, and the file as far as it carries it."""
    file = os.memfd_create("volume")
    try:
        os.write(file, data)
        with contextlib.closing(open_set([Path(f"/proc/self/fd/{file}")])) as found:
            stream = VolumeStream(found)
            exhaust(iter(lambda: stream.read(1 << 16), b""))
    finally:
        os.close(file)


def formats(data: bytes) -> None:
    for parse in (parse_index, parse_delta_index, parse_generation, parse_lockfile, parse_act, parse_journal):
        with contextlib.suppress(AirlockError):
            parse(data, _WHERE)


def roots(data: bytes) -> None:
    """TUF metadata, as it comes and in the spelling that is read on."""
    from airlock.formats.trust import parse_root, parse_targets, signed_index
    from airlock.formats.trust_chain import quorums
    from airlock.formats.trust_fields import read_particulars, read_policy

    try:
        spelled = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode() + b"\n"
    except (ValueError, RecursionError):
        spelled = b""
    for spelling in (data, spelled):
        with contextlib.suppress(AirlockError):
            root = parse_root(spelling, _WHERE)
            quorums(root, root.signed)
            read_policy(root.signed, _WHERE)
        with contextlib.suppress(AirlockError):
            metadata = parse_targets(spelling, _WHERE)
            read_particulars(metadata.signed, _WHERE)
            signed_index(metadata, _WHERE)


def image_document(data: bytes) -> None:
    """A manifest or an index, as a registry sends it."""
    for media_type in ("", *INDEXES, *MANIFESTS):
        with contextlib.suppress(AirlockError):
            content = parse_document(data, media_type, _WHERE).content
            if isinstance(content, Manifest):
                check_layers(content, _WHERE)


def image_archive(data: bytes) -> None:
    """A layout or saved images, and all that is read of them when they are locked."""
    file = os.memfd_create("images")
    try:
        os.write(file, data)
        with images_at(Path(f"/proc/self/fd/{file}"), _WHERE) as images:
            document = images.document("")
            exhaust(beside.data for _, beside in images.beside(document.digest))
            if isinstance(document.content, Manifest):
                for part in (document.content.config, *document.content.layers):
                    stream, _ = images.open(part.digest)
                    with stream:
                        exhaust(iter(lambda: stream.read(1 << 16), b""))  # noqa: B023
    finally:
        os.close(file)


def targets() -> Mapping[str, Target]:
    """By the name of their folder in `fixtures/fuzz`."""
    plain = (
        rebuild,
        members,
        costs,
        tree,
        round_trip,
        encoders,
        patch,
        stream,
        frame,
        archive,
        formats,
        header,
        volume,
        roots,
        image_document,
        image_archive,
    )
    found: dict[str, Target] = {target.__name__: target for target in plain}
    found |= {
        "bundle": lambda data: whole.bundle(parts(data)),
        "delta": lambda data: whole.delta(parts(data)),
    }
    for document in (whole.index, whole.generation, whole.journal, whole.lockfile, whole.trust):
        found[document.__name__] = document
    for codec in codecs():
        name = codec.name.partition("/")[0]
        found[f"open-{name}"] = opening(codec)
        found[f"build-{name}"] = building(codec)
    return found


def run(target: Target, data: bytes) -> None:
    """Anything but a refusal is a find."""
    with contextlib.suppress(AirlockError, Enough):
        target(data)
