"""What the commands that edit `airlock.toml` have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.session import Session, print_json
from airlock.errors import UsageError

if TYPE_CHECKING:
    from airlock.connected.edit import Edited


def add_manifest_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifest", type=Path, default=Path("airlock.toml"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON on stdout")


def edit_manifest(
    arguments: argparse.Namespace, session: Session, edit: Callable[[str, str], "Edited"]
) -> None:
    """Apply `edit(text, name)`; the file is replaced whole, or not at all, and only where something changed."""
    from airlock.storage.atomic import write_atomically

    path: Path = arguments.manifest
    try:
        before = path.read_bytes()
        edited = edit(before.decode(), path.name)
    except FileNotFoundError as error:
        raise UsageError(str(path), "no such file", hint="start with `airlock init`") from error
    except UnicodeDecodeError as error:
        raise UsageError(str(path), f"not UTF-8 text, {error.reason} at byte {error.start}") from error
    changed = edited.text.encode() != before
    if changed:
        write_atomically(path.resolve(), edited.text.encode(), path.stat().st_mode & 0o777)
    if arguments.json:
        print_json({"edits": [{"before": edit.before, "after": edit.after} for edit in edited.edits]})
    for done in edited.edits:
        session.reporter.note(str(done))
    if changed:
        session.reporter.note("next: run `airlock lock`")
