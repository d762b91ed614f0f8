"""`airlock diff A B`: what changed between two bundles, deltas or locks."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.airgapped.inspect import Changed, Line, Summary


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=existing, metavar="A", help="a bundle, delta or lock")
    parser.add_argument("after", type=existing, metavar="B", help="another of the same sort")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> int | None:
    from airlock.airgapped.inspect import differences
    from airlock.cli.inspect import line_document
    from airlock.cli.session import print_json
    from airlock.errors import UsageError

    before, after = _read(arguments.before), _read(arguments.after)
    if "lock" in (before.what, after.what) and before.what != after.what:
        raise UsageError(
            "diff",
            f"a {before.what} and a {after.what} cannot be compared",
            hint="give two locks, or two bundles",
        )
    changes = differences(before, after)
    if arguments.json:
        rows = [
            {
                "kind": change.kind,
                "name": change.name,
                "change": _change(change),
                "targets": list(change.targets),
                "before": line_document(change.before) if change.before else None,
                "after": line_document(change.after) if change.after else None,
            }
            for change in changes
        ]
        print_json({"changes": rows})
        return None
    print(f"{_title(before)} -> {_title(after)}: {len(changes)} differ")
    for change in changes:
        targets = f" ({', '.join(change.targets)})" if change.targets else ""
        print(
            f"  {_change(change):<8} {change.kind} {change.name}: {_side(change.before)} -> {_side(change.after)}{targets}"
        )
    return None


def _read(path: Path) -> "Summary":
    from airlock.airgapped.inspect import inspect
    from airlock.storage.kit import open_carried

    with open_carried(path) as stream:
        return inspect(stream, str(path), sizes=False)


def _title(summary: "Summary") -> str:
    return f"{summary.project.name} {summary.project.version}"


def _change(change: "Changed") -> str:
    if change.before and change.after:
        return "changed"
    return "added" if change.after else "removed"


def _side(line: "Line | None") -> str:
    from airlock.cli.progress import human_size

    if line is None:
        return "nothing"
    return f"{line.artifact.version} {human_size(line.artifact.size)}".lstrip()
