"""`airlock fetch`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.session import Session, print_json
from airlock.errors import UsageError

if TYPE_CHECKING:
    from airlock.connected.fetch import FetchResult
    from airlock.formats.manifest import Manifest


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock", type=Path, default=Path("airlock.lock"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME",
        help="only for this target (may be repeated); default: all",
    )
    parser.add_argument(
        "--jobs", type=_jobs, default=8, metavar="N", help="how many downloads at once; default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 64, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.near import near_side
    from airlock.cli.workshop import workshop
    from airlock.connected.build import expand_all
    from airlock.connected.fetch import fetch
    from airlock.core.codecs import SETS, missing
    from airlock.formats.lockfile import parse_lockfile

    path: Path = arguments.lock
    try:
        lockfile = parse_lockfile(path.read_bytes(), path.name)
    except FileNotFoundError as error:
        raise UsageError(str(path), "no such file", hint="write it with `airlock lock`") from error
    manifest = _manifest(path)
    with near_side(session, path.absolute().parent, manifest.indexes if manifest else None) as near:
        result = fetch(lockfile, manifest, near, targets=tuple(arguments.target), jobs=arguments.jobs)
    codecs = lockfile.encoder.codecs
    if not missing(SETS[codecs]):
        expand_all((*result.present, *result.fetched), codecs, workshop(session, None))
    _tell(result, session, as_json=arguments.json)


def _manifest(lock: Path) -> "Manifest | None":
    """The manifest beside the lock, which knows where the named indexes are; a lock alone has the default index."""
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds.registry import sections

    path = lock.with_suffix(".toml")
    return (
        parse_manifest(path.read_bytes(), path.name, sections(), path.absolute().parent)
        if path.is_file()
        else None
    )


def _tell(result: "FetchResult", session: Session, *, as_json: bool) -> None:
    from airlock.cli.progress import human_size

    if as_json:
        print_json(
            {
                "present": len(result.present),
                "fetched": [
                    {
                        "kind": artifact.kind,
                        "name": artifact.name,
                        "version": artifact.version,
                        "size": artifact.size,
                        "digest": artifact.digest,
                    }
                    for artifact in result.fetched
                ],
                "fetched_size": result.fetched_size,
            }
        )
    session.reporter.note(
        f"fetched {len(result.fetched)} artifacts, {human_size(result.fetched_size)}; "
        f"{len(result.present)} were in the store"
    )
