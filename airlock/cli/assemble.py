"""`airlock export --image`: what several artifacts are parts of, as one file that other tools take."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.core.artifact import Artifact
    from airlock.kinds import Assembles, Locked

KIND, ENDING = "image", "oci.tar"


def assembled(
    arguments: argparse.Namespace, session: Session, chosen: Sequence[str], locked: "Locked"
) -> list[Path]:
    """One file for each target, whose name is in the file's where there are several."""
    from airlock.cli.locked import is_bundle
    from airlock.storage.atomic import replacing

    kind, folder, paths = _kind(locked.where), arguments.output or Path(), []
    folder.mkdir(parents=True, exist_ok=True)
    reading = _in_bundle if is_bundle(arguments.files) else _in_store
    for target in chosen:
        artifacts = [one for one in locked.lockfile.artifacts_for(target) if one.kind == KIND]
        middle = f".{target}" if len(locked.lockfile.targets) > 1 else ""
        path = folder / f"{Path(arguments.image).name}{middle}.{ENDING}"
        with reading(arguments, session, target, locked) as read, replacing(path) as out:
            kind.assemble(arguments.image, artifacts, read, out)
        paths.append(path)
    return paths


def _kind(where: str) -> "Assembles":
    from airlock.kinds import Assembles
    from airlock.kinds.registry import kind_named

    kind = kind_named(KIND, where)
    assert isinstance(kind, Assembles), "it does"
    return kind


@contextmanager
def _in_bundle(
    arguments: argparse.Namespace, session: Session, target: str, locked: "Locked"
) -> "Iterator[Callable[[Artifact], BinaryIO]]":
    from airlock.airgapped.export import original, read_index
    from airlock.cli.carried import carried
    from airlock.storage.archive import Archive

    with carried(arguments.files) as file:
        bundle = Archive(file.stream, file.where)
        entries = {entry.artifact.key: entry for entry in read_index(bundle).entries}
        yield lambda artifact: original(bundle, entries[artifact.key])


@contextmanager
def _in_store(
    arguments: argparse.Namespace, session: Session, target: str, locked: "Locked"
) -> "Iterator[Callable[[Artifact], BinaryIO]]":
    """What is not in the store yet is fetched."""
    from airlock.cli.near import near_store
    from airlock.cli.workshop import fill_store

    fill_store(session, arguments.files[0], locked.lockfile, (target,), None)
    store = near_store(session)
    yield lambda artifact: store.open(artifact.digest, artifact.label)
