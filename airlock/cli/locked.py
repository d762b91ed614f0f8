"""A lock or a bundle, opened for commands that ask who needs what."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.session import Session
from airlock.errors import FetchError

if TYPE_CHECKING:
    from airlock.formats.manifest import Manifest
    from airlock.kinds import Library, Locked, NearSide


def add_files(parser: argparse.ArgumentParser) -> None:
    from airlock.cli.arguments import existing

    parser.add_argument(
        "files",
        type=existing,
        nargs="*",
        default=[Path("airlock.lock")],
        metavar="FILE",
        help="a lock, a bundle, or its volumes or their folders (default: airlock.lock)",
    )


def add_targets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", action="append", metavar="NAME", help="of this target alone (may be repeated)"
    )


@contextmanager
def opened(paths: Sequence[Path], session: Session) -> "Iterator[tuple[Locked, Library]]":
    """A lock with the manifest beside it, and a library that opens the network when it has to; or a bundle, which has
    everything in it."""
    if is_bundle(paths):
        with _bundle(paths) as found:
            yield found
        return
    path = paths[0]
    from airlock.cli.workshop import read_lock
    from airlock.kinds import Locked

    lockfile = read_lock(path)
    name = path.with_suffix(".toml")
    locked = Locked(
        lockfile=lockfile, where=path.name, manifest=manifest_beside(path), manifest_name=name.name
    )
    indexes = locked.manifest.indexes if locked.manifest else None
    with library(session, path.absolute().parent, indexes) as shelves:
        yield locked, shelves


def is_bundle(paths: Sequence[Path]) -> bool:
    from airlock.cli.carried import is_set

    if is_set(paths):
        return True
    if not paths[0].is_file():
        return False
    from airlock.storage.kit import is_kit

    with paths[0].open("rb") as stream:
        return is_kit(stream) or stream.read(262)[257:] == b"ustar"


def manifest_beside(lock: Path) -> "Manifest | None":
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds.registry import sections

    path = lock.with_suffix(".toml")
    return (
        parse_manifest(path.read_bytes(), path.name, sections(), path.absolute().parent)
        if path.is_file()
        else None
    )


@contextmanager
def library(
    session: Session, directory: Path, indexes: Mapping[str, str] | None = None
) -> "Iterator[Library]":
    from airlock.kinds import Library
    from airlock.storage.store import Store

    with ExitStack() as stack:
        found: list[NearSide] = []

        def near() -> "NearSide":
            if not found:
                from airlock.cli.near import near_side

                found.append(stack.enter_context(near_side(session, directory, indexes)))
            return found[0]

        yield Library(cache=session.cache, store=Store(session.cache / "store"), near=near)


@contextmanager
def _bundle(paths: Sequence[Path]) -> "Iterator[tuple[Locked, Library]]":
    from airlock.airgapped.export import members_of, read_index
    from airlock.cli.carried import carried
    from airlock.formats.lockfile import as_lock
    from airlock.kinds import Library, Locked
    from airlock.storage.archive import Archive
    from airlock.storage.store import Store

    def no_network() -> "NearSide":
        raise FetchError(str(paths[0]), "a bundle is read without a network")

    with carried(paths) as file, tempfile.TemporaryDirectory() as scratch:
        archive = Archive(file.stream, file.where)
        index = read_index(archive)
        entries = {entry.artifact.digest: entry for entry in index.entries}
        yield (
            Locked(lockfile=as_lock(index), where=Path(file.where).name),
            Library(
                cache=Path(scratch),
                store=Store(Path(scratch)),
                near=no_network,
                contents=lambda artifact: members_of(archive, entries[artifact.digest]),
            ),
        )
