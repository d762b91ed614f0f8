"""`airlock export BUNDLE`: the original files, for pip, uv, or an auditor."""

import argparse
from pathlib import Path

from airlock.cli.arguments import existing
from airlock.cli.session import Session


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bundle", type=existing, nargs="+", metavar="BUNDLE", help="a bundle, or its volumes or their folders"
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--wheels", type=Path, metavar="DIR", help="write every wheel to DIR")
    which.add_argument("--all", type=Path, metavar="DIR", help="write every artifact to DIR")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> int | None:
    from airlock.airgapped.export import export
    from airlock.cli.carried import carried
    from airlock.cli.session import print_json
    from airlock.core.canonical_json import MAX_SIZE
    from airlock.errors import UsageError
    from airlock.formats.delta_index import MEMBER as DELTA
    from airlock.formats.index import parse_index
    from airlock.storage.archive import Archive

    directory: Path = arguments.wheels or arguments.all
    kinds = {"wheel"} if arguments.wheels else None
    with carried(arguments.bundle) as file:
        bundle = Archive(file.stream, file.where)
        if DELTA in bundle.members:
            hint = "restore the bundle with `airlock apply` first"
            raise UsageError(file.where, "not a bundle but a delta", hint=hint)
        index = parse_index(bundle.read("index.json", MAX_SIZE), f"{file.where}: index.json")
        paths = export(
            bundle,
            index,
            directory,
            lambda entry: kinds is None or entry.artifact.kind in kinds,
            session.reporter,
        )
    if arguments.json:
        print_json({"files": [str(path) for path in paths]})
        return None
    for path in paths:
        print(path)
    return None
