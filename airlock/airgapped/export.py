"""Take originals out of a bundle, bit-exact."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import chunks_of, digest_of_stream
from airlock.core.expanded import Member, form_named, rebuild_whole
from airlock.core.forms.registry import check_codecs
from airlock.core.paths import safe_path
from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError, UsageError
from airlock.formats.delta_index import MEMBER as DELTA
from airlock.formats.index import INDEX, BundleIndex, IndexEntry, parse_index
from airlock.storage.archive import Archive
from airlock.storage.atomic import replacing
from airlock.storage.frames import opened


def read_index(bundle: Archive) -> BundleIndex:
    """Raises UsageError for a delta, IntegrityError for what is no bundle."""
    if DELTA in bundle.members:
        hint = "restore the bundle with `airlock apply` first"
        raise UsageError(bundle.where, "not a bundle but a delta", hint=hint)
    return parse_index(bundle.read(INDEX, MAX_SIZE), f"{bundle.where}: index.json")


def members_of(bundle: Archive, entry: IndexEntry) -> Iterator[Member]:
    """The files inside one artifact, its expanded form checked before. Raises IntegrityError."""
    expanded = entry.expanded
    form = form_named(expanded.form, f"{bundle.where}: {entry.artifact.label}")
    with bundle.open(entry.frame) as frame, tempfile.TemporaryFile() as scratch:
        for chunk in chunks_of(
            opened(frame, expanded.digest, expanded.size, f"{bundle.where}: {entry.frame}")
        ):
            scratch.write(chunk)
        scratch.seek(0)
        yield from form.members(scratch)


def export(
    bundle: Archive,
    index: BundleIndex,
    directory: Path,
    wanted: Callable[[IndexEntry], bool],
    reporter: Reporter,
) -> list[Path]:
    """Write the original of each wanted artifact below `directory` under its file name, each atomically and only if its
    digest is what the index says. Raises IntegrityError, or, before anything is written, TargetError where a codec is not
    at hand."""
    entries = [entry for entry in index.entries if wanted(entry)]
    paths = _paths(entries, directory, bundle.where)
    for entry in entries:
        check_codecs(entry.artifact, entry.expanded.codecs)
    task = "Exporting"
    reporter.start(task, sum(entry.artifact.size for entry in entries))
    for entry, path in zip(entries, paths, strict=True):
        _export(bundle, entry, path)
        reporter.advance(task, entry.artifact.size)
    reporter.finish(task)
    return paths


def _paths(entries: list[IndexEntry], directory: Path, where: str) -> list[Path]:
    """Where each goes; file names are checked before the first is written."""
    names = [safe_path(entry.artifact.file, f"{where}: {entry.artifact.label}: file") for entry in entries]
    for name, entry in zip(names, entries, strict=True):
        if "/" in name or names.count(name) > 1:
            raise IntegrityError(
                f"{where}: {entry.artifact.label}: file", "not a file name of its own", found=repr(name)
            )
    return [directory / name for name in names]


def original(bundle: Archive, entry: IndexEntry) -> BinaryIO:
    """The original of one artifact, at its start, in a file without a name. Raises as `export` does."""
    check_codecs(entry.artifact, entry.expanded.codecs)
    out = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
    try:
        _rebuild(bundle, entry, out)
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return out


def _export(bundle: Archive, entry: IndexEntry, path: Path) -> None:
    with replacing(path) as out:
        _rebuild(bundle, entry, out)


def _rebuild(bundle: Archive, entry: IndexEntry, out: BinaryIO) -> None:
    artifact, expanded = entry.artifact, entry.expanded
    where = f"{bundle.where}: {artifact.label}"
    form = form_named(expanded.form, where)
    with bundle.open(entry.frame) as frame:
        content = opened(frame, expanded.digest, expanded.size, f"{bundle.where}: {entry.frame}")
        rebuild_whole(form, content, out, artifact.size, where)
        if content.read(1):
            raise IntegrityError(where, "bytes behind the end of its expanded form")
        out.seek(0)
        found, _ = digest_of_stream(out)
        if found != artifact.digest:
            raise IntegrityError(
                where,
                f"the original rebuilt from {expanded.form} is another",
                expected=artifact.digest,
                found=found,
                hint="verify the bundle; if it is whole, this Python's zlib writes other bytes",
            )
