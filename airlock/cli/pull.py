"""`airlock pull`: a bundle or delta out of a registry."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.registries import Place, add_place, place_of
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.oci.carried import Carried
    from airlock.oci.registry import Registry


def configure(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "what `airlock push` put there; REPOSITORY@DIGEST takes exactly that")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where it goes (default: here, under the name that it was pushed with)",
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.near import network
    from airlock.cli.progress import human_size
    from airlock.connected.pull import pull
    from airlock.oci.registry import Registry

    place = place_of(arguments)
    with network(session) as web:
        registry = Registry(web=web, location=place.location, name=place.name)
        digest, carried = _found(registry, place)
        destination = _destination(arguments.output, carried, place)
        pulled = pull(carried, registry, destination, session.reporter)
    session.record(destination, "pull", detail=f"{place.name}@{digest}")
    if arguments.json:
        print_json(
            {
                "path": str(destination),
                "digest": digest,
                "received": pulled.received,
                "kept": pulled.kept,
            }
        )
        return
    print(destination)
    kept = f"; {human_size(pulled.kept)} were there" if pulled.kept else ""
    print(f"  received {human_size(pulled.received)}{kept}")
    print(f"  digest   {digest}")


def _found(registry: "Registry", place: Place) -> "tuple[str, Carried]":
    from airlock.errors import IntegrityError
    from airlock.oci.carried import read_carried
    from airlock.oci.documents import Manifest

    reference = place.reference.digest or place.reference.tag
    document = registry.manifest(reference)
    if not isinstance(document.content, Manifest):
        raise IntegrityError(place.name, "an index of images, not a bundle or delta")
    return document.digest, read_carried(document.content, place.name)


def _destination(given: Path | None, carried: "Carried", place: Place) -> Path:
    """The name that a registry gives is nobody's path. Raises IntegrityError or UsageError."""
    from airlock.core.paths import safe_path
    from airlock.errors import IntegrityError, UsageError

    if given is not None:
        if given.is_dir():
            raise UsageError("--output", "a folder", expected="the name of a file", found=str(given))
        return given.absolute()
    name = safe_path(carried.file, f"{place.name}: the name of the file")
    if "/" in name or name.startswith("."):
        hint = "say with -o where it goes"
        raise IntegrityError(place.name, "not the name of a file", found=repr(name), hint=hint)
    path = Path.cwd() / name
    if path.exists():
        raise UsageError(str(path), "is there already", hint="say with -o where it goes")
    return path
