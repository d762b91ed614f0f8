"""How `airlock lock` tells what changed."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.connected.changes import changes, settings

if TYPE_CHECKING:
    from airlock.cli.session import Session
    from airlock.connected.changes import Change
    from airlock.formats.lockfile import Lockfile

SIGNS = {"added": "+", "removed": "-", "up": "↑", "down": "↓", "file": "~", "changed": "~"}


def tell(previous: "Lockfile | None", result: "Lockfile", session: "Session", *, dry_run: bool) -> None:
    """Notes; for a dry run the change itself is the answer, with sizes."""
    if dry_run:
        for text in _difference(previous, result):
            print(text)
        return
    for change in changes(previous, result):
        session.reporter.note(line(change))


def line(change: "Change") -> str:
    before, after = ", ".join(change.before), ", ".join(change.after)
    sign = SIGNS[change.how]
    match change.how:
        case "added":
            return f"{sign} {change.name} {after}"
        case "removed":
            return f"{sign} {change.name} {before}"
        case "file":
            return f"{sign} {change.name} {after}: another file"
    return f"{sign} {change.name} {before} → {after}"


def _difference(previous: "Lockfile | None", result: "Lockfile") -> Iterator[str]:
    from airlock.cli.progress import human_size

    found = changes(previous, result)
    several = len(result.targets) > 1
    for change in found:
        sizes = [human_size(size) for size in (change.size_before, change.size_after) if size]
        where = f" [{', '.join(change.targets)}]" if several else ""
        yield f"{line(change)} ({' → '.join(sizes)}){where}"
    for setting in settings(previous, result):
        yield f"~ {setting.name}: {setting.before or 'none'} → {setting.after or 'none'}"
    if found:
        grown = sum(change.size_after - change.size_before for change in found)
        yield f"{len(found)} changed, {'+' if grown >= 0 else '-'}{human_size(abs(grown))}"


def report(previous: "Lockfile | None", result: "Lockfile", lockfile: Path, differs: bool) -> dict[str, Any]:
    return {
        "lockfile": lockfile.name,
        "changed": differs,
        "changes": [_row(change) for change in changes(previous, result)],
        "settings": [asdict(setting) for setting in settings(previous, result)],
        "versions_apart": [
            {
                "kind": kind,
                "name": name,
                "versions": {one: list(targets) for one, targets in versions.items()},
            }
            for (kind, name), versions in result.versions_apart().items()
        ],
    }


def apart(result: "Lockfile") -> Iterator[str]:
    """A line for each package that is not the same for all targets."""
    for (_, name), versions in result.versions_apart().items():
        parts = (f"{version} on {', '.join(targets)}" for version, targets in versions.items())
        yield f"{name} differs: {'; '.join(parts)}"


def _row(change: "Change") -> dict[str, Any]:
    row = asdict(change)
    return row | {name: list(row[name]) for name in ("before", "after", "targets")}
