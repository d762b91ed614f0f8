"""Take originals out of a bundle, bit-exact."""

from collections.abc import Callable
from pathlib import Path

from airlock.core.digest import digest_of_stream
from airlock.core.expanded import form_named, rebuild_whole
from airlock.core.forms.registry import check_codecs
from airlock.core.paths import safe_path
from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError
from airlock.formats.index import BundleIndex, IndexEntry
from airlock.storage.archive import Archive
from airlock.storage.atomic import replacing
from airlock.storage.frames import opened


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


def _export(bundle: Archive, entry: IndexEntry, path: Path) -> None:
    artifact, expanded = entry.artifact, entry.expanded
    where = f"{bundle.where}: {artifact.label}"
    form = form_named(expanded.form, where)
    with bundle.open(entry.frame) as frame, replacing(path) as out:
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
