"""`airlock export FILE`: a lock in the words of pip and uv, and the original files of a bundle or lock."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.locked import add_files, add_targets
from airlock.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlock.core.artifact import Artifact
    from airlock.formats.lockfile import Lockfile
    from airlock.kinds import Library, Locked

NAMES = {"pylock": ("pylock", ".toml"), "requirements": ("requirements", ".txt")}


def configure(parser: argparse.ArgumentParser) -> None:
    add_files(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--wheels", type=Path, metavar="DIR", help="write every wheel to DIR")
    which.add_argument("--all", type=Path, metavar="DIR", help="write every artifact to DIR")
    which.add_argument(
        "--image",
        metavar="NAME",
        help="write one image as NAME.oci.tar, an OCI archive that skopeo and podman load",
    )
    parser.add_argument(
        "--format",
        choices=tuple(NAMES),
        help="write pylock.toml (PEP 751) or requirements.txt (with hashes), one for each target; "
        "beside the wheels it names them by their paths, and needs no network to be installed",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="where that file goes, or an image (default: beside the wheels, or here)",
    )
    add_targets(parser)
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.locked import is_bundle, opened
    from airlock.cli.session import print_json
    from airlock.cli.workshop import chosen_targets
    from airlock.errors import UsageError

    if not (arguments.wheels or arguments.all or arguments.format or arguments.image):
        hint = "--wheels DIR, --all DIR, --image NAME, --format pylock or --format requirements"
        raise UsageError("airlock export", "nothing to write is named", hint=hint)
    paths: list[Path] = []
    with opened(arguments.files, session) as (locked, library):
        chosen = chosen_targets(locked.lockfile, arguments.target, locked.where)
        if arguments.wheels or arguments.all:
            write = _from_bundle if is_bundle(arguments.files) else _from_store
            paths += write(arguments, session, chosen, locked)
        if arguments.image:
            from airlock.cli.assemble import assembled

            paths += assembled(arguments, session, chosen, locked)
        if arguments.format:
            paths += _written(arguments, chosen, locked, library)
    if arguments.json:
        print_json({"files": [str(path) for path in paths]})
        return
    for path in paths:
        print(path)


def _wanted(arguments: argparse.Namespace, artifact: "Artifact") -> bool:
    return arguments.wheels is None or artifact.kind == "wheel"


def _from_bundle(
    arguments: argparse.Namespace, session: Session, chosen: tuple[str, ...], locked: "Locked"
) -> list[Path]:
    from airlock.airgapped.export import export, read_index
    from airlock.cli.carried import carried
    from airlock.storage.archive import Archive

    with carried(arguments.files) as file:
        bundle = Archive(file.stream, file.where)
        return export(
            bundle,
            read_index(bundle),
            arguments.wheels or arguments.all,
            lambda entry: _wanted(arguments, entry.artifact),
            session.reporter,
        )


def _from_store(
    arguments: argparse.Namespace, session: Session, chosen: tuple[str, ...], locked: "Locked"
) -> list[Path]:
    """What is not in the store yet is fetched."""
    from airlock.cli.near import near_store
    from airlock.cli.workshop import fill_store
    from airlock.core.digest import chunks_of
    from airlock.core.paths import safe_path
    from airlock.storage.atomic import replacing

    fill_store(session, arguments.files[0], locked.lockfile, chosen, None)
    store, paths = near_store(session), []
    for artifact in _distinct(locked.lockfile, chosen):
        if _wanted(arguments, artifact):
            path = (arguments.wheels or arguments.all) / safe_path(artifact.file, artifact.label)
            with store.open(artifact.digest, artifact.label) as stream, replacing(path) as out:
                for chunk in chunks_of(stream):
                    out.write(chunk)
            paths.append(path)
    return paths


def _distinct(lockfile: "Lockfile", chosen: tuple[str, ...]) -> "Iterator[Artifact]":
    from airlock.errors import UsageError

    files: dict[str, Artifact] = {}
    for target in chosen:
        for artifact in lockfile.artifacts_for(target):
            other = files.setdefault(artifact.file, artifact)
            if other.digest != artifact.digest:
                hint = "export one --target at a time"
                raise UsageError(artifact.label, f"two files are called {artifact.file}", hint=hint)
    yield from files.values()


def _written(
    arguments: argparse.Namespace, chosen: tuple[str, ...], locked: "Locked", library: "Library"
) -> list[Path]:
    import os

    from airlock.connected.relations import exported
    from airlock.kinds import Export
    from airlock.storage.atomic import write_atomically

    wheels: Path | None = arguments.wheels or arguments.all
    place: Path = arguments.output or wheels or Path()
    folder = None
    if wheels is not None:
        relative = Path(os.path.relpath(wheels, place)).as_posix()
        folder = "" if relative == "." else relative
    paths = []
    for name in chosen:
        target = locked.lockfile.target(name)
        data = exported(locked, target, Export(form=arguments.format, folder=folder), library)
        stem, suffix = NAMES[arguments.format]
        middle = f".{name}" if len(locked.lockfile.targets) > 1 else ""
        paths.append(place / f"{stem}{middle}{suffix}")
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(paths[-1], data)
    return paths
