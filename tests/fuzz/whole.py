"""Whole files: what a bundle, a delta or a document says, mutated where it is not yet compressed, summed or signed.

A fuzzer hardly finds the checksum of a tar, the digest of a frame or a signature. So these targets take the pieces that such
are made of, put them together in order, and hand the file to the same readers that a command does. A first piece of zero
bytes hands over the second as it is.
"""

import contextlib
import io
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile, Targets

from airlock.airgapped.host import Interpreter
from airlock.airgapped.stage import Layout, OnlyCounting, Place, lay_out
from airlock.airgapped.verify import verify
from airlock.connected.trust import make_root
from airlock.core.binary_delta import STREAMS
from airlock.core.canonical_json import dumps
from airlock.core.digest import Digest, digest_of, hex_of
from airlock.core.reporter import Silent
from airlock.errors import AirlockError, IntegrityError
from airlock.formats.generation import parse_generation, write_generation
from airlock.formats.index import BundleIndex, frame_name, parse_index, write_index
from airlock.formats.journal import Journal, next_line, parse_act, parse_journal, write_act
from airlock.formats.lockfile import parse_lockfile, write_lockfile
from airlock.formats.trust import (
    check_signatures,
    moment,
    parse_root,
    parse_targets,
    signed_index,
    target_path,
    verified_root,
    write_metadata,
)
from airlock.kinds.registry import kind_named
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.content import Content
from airlock.storage.delta_streams import member_name
from airlock.storage.restore import check_base, read_delta, restored

WHERE = "fuzz"
NOW = 1_790_000_000
RAW = b""
LARGE = 1 << 22
"""Bytes; no piece of a fuzzer's input makes more."""
Documents = dict[str, Any]


@cache
def keys() -> tuple[CryptoSigner, bytes]:
    """A release key, and a root that trusts it."""
    root, release = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    return release, make_root(root, [release.public_key], 1, NOW + 10_000)


def document(data: bytes) -> Documents | None:
    """None for what is not an object of JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(data)
        return found if isinstance(found, dict) else None
    return None


def canonical(value: object) -> bytes | None:
    with contextlib.suppress(ValueError, TypeError, RecursionError, AirlockError):
        return dumps(value)
    return None


def archive_of(members: dict[str, bytes]) -> Archive | None:
    """None where a name is none that a writer takes."""
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    with contextlib.suppress(ValueError):
        for name, data in members.items():
            writer.add_bytes(name, data)
        writer.close()
        return Archive(io.BytesIO(out.getvalue()), WHERE)
    return None


def frame_of(content: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compress(content)


def rows_of(index: Documents) -> list[Documents]:
    """The artifacts that have an expanded form to fill in."""
    rows = index.get("artifacts")
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [row for row in found if isinstance(row.get("expanded"), dict)]


def statement(index: bytes) -> bytes:
    """The release key's signature over any bytes."""
    path = "nothing/index.json"
    with contextlib.suppress(AirlockError):
        path = target_path(parse_index(index, WHERE))
    targets = {path: TargetFile.from_data(path, index, ["sha256"])}
    metadata = Metadata(Targets(version=1, expires=moment(NOW + 5000), targets=targets))
    metadata.sign(keys()[0])
    return write_metadata(metadata)


def bundle(pieces: list[bytes]) -> None:
    """The index, then the expanded form of each artifact: verified, and laid out."""
    if len(pieces) < 2:
        return
    if pieces[0] == RAW:
        verify(Archive(io.BytesIO(pieces[1]), WHERE), keys()[1], NOW)
        return
    if (index := document(pieces[0])) is None:
        return
    contents = {digest_of(content): content for content in pieces[1:]}
    for row, content in zip(rows_of(index), pieces[1:], strict=False):
        row["expanded"] |= {"sha256": hex_of(digest_of(content)), "size": len(content)}
        if row["expanded"].get("form") == "raw/1":
            row |= {"sha256": hex_of(digest_of(content)), "size": len(content)}
    if (data := canonical(index)) is None:
        return
    members = {"index.json": data, "trust/targets.json": statement(data)}
    frames = {frame_name(digest): frame_of(content) for digest, content in contents.items()}
    if (archive := archive_of(members | dict(sorted(frames.items())))) is None:
        return
    install(verify(archive, keys()[1], NOW).index, contents)


def install(index: BundleIndex, contents: dict[Digest, bytes]) -> None:
    base = Interpreter(path="/usr/bin/python3", version="3.11.2", implementation="cpython")
    place = Place(python="/opt/app/generations/1/bin/python", interpreter=base)
    forms = {entry.expanded.digest: entry.expanded for entry in index.entries}
    held = [Content(expanded=form, where=WHERE, held=contents[form.digest]) for form in forms.values()]
    lay_out(held, index, place, Layout(writer=OnlyCounting()), kind_named, Silent())


class Base:
    """The contents of a base, in memory."""

    where = "base"
    index = digest_of(b"base")

    def __init__(self, contents: list[bytes]) -> None:
        self._contents = {digest_of(content): content for content in contents}

    def open(self, expanded: Digest) -> BinaryIO:
        if expanded not in self._contents:
            raise IntegrityError("base", "missing")
        return io.BytesIO(frame_of(self._contents[expanded]))


def delta(pieces: list[bytes]) -> None:
    """`delta.json`, the index, two contents of the base, two whole contents, and the streams as they are before they are
    compressed: read, its base checked, and restored."""
    if len(pieces) < 2:
        return
    if pieces[0] == RAW:
        archive: Archive | None = Archive(io.BytesIO(pieces[1]), WHERE)
    else:
        archive = _delta(pieces)
    if archive is None:
        return
    found = read_delta(archive)
    base = Base(pieces[2:4])
    check_base(base, found)
    if any(form.size > LARGE for form in found.expanded.values()):
        return
    for _, chunks in restored(base, found, Path(tempfile.gettempdir())):
        for _ in chunks:
            pass


def _delta(pieces: list[bytes]) -> Archive | None:
    rows, index = document(pieces[0]), document(pieces[1])
    if rows is None or index is None or (data := canonical(index)) is None:
        return None
    for end, digest in (("new", digest_of(data)), ("base", Base.index)):
        if isinstance(rows.get(end), dict):
            rows[end]["index"] = digest
    if (spelled := canonical(rows)) is None:
        return None
    members = {"delta.json": spelled, "index.json": data}
    members |= {frame_name(digest_of(content)): frame_of(content) for content in pieces[4:6] if content}
    for name, stream in zip(STREAMS, pieces[6:], strict=False):
        if stream:
            members[member_name(name)] = _xz(stream)
    return archive_of(members)


def _xz(data: bytes) -> bytes:
    import lzma

    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=0)


def _spelled(data: bytes) -> bytes:
    """In the one spelling, if it is JSON at all."""
    found = document(data)
    return (canonical(found) if found is not None else None) or data


def index(data: bytes) -> None:
    """What is taken has one spelling."""
    data = _spelled(data)
    if write_index(parse_index(data, WHERE)) != data:
        raise AssertionError("another spelling was taken")


def generation(data: bytes) -> None:
    found = parse_generation(_spelled(data), WHERE)
    if parse_generation(write_generation(found), WHERE) != found:
        raise AssertionError("not read as it was written")


def journal(data: bytes) -> None:
    """A chain as it comes; and each line as an act outside of any chain, put into one."""
    with contextlib.suppress(AirlockError):
        parse_journal(data, WHERE)
    chain, written = Journal(), b""
    for line in data.splitlines():
        with contextlib.suppress(AirlockError):
            act = parse_act(_spelled(line), WHERE)
            if parse_act(write_act(act), WHERE) != act:
                raise AssertionError("not read as it was written")
            if not act.outcome:
                continue
            written += next_line(chain, act)
            chain = parse_journal(written, WHERE)
            if chain.acts[-1] != act:
                raise AssertionError("not read as it was chained")


def lockfile(data: bytes) -> None:
    found = parse_lockfile(data, WHERE)
    written = write_lockfile(found)
    if write_lockfile(parse_lockfile(written, WHERE)) != written:
        raise AssertionError("not read as it was written")


def trust(data: bytes) -> None:
    """A trust root, and the statement of a release under a good one."""
    root = verified_root(keys()[1], WHERE)
    with contextlib.suppress(AirlockError):
        found = parse_root(data, WHERE)
        check_signatures(found, root.signed, "root", WHERE)
        check_signatures(found, found.signed, "root", WHERE)
    metadata = parse_targets(data, WHERE)
    with contextlib.suppress(AirlockError):
        signed_index(metadata, WHERE)
    check_signatures(metadata, root.signed, "targets", WHERE)
