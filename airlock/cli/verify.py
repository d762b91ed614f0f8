"""`airlock verify`: check signatures and every byte of a bundle, or the signatures and index of a delta."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.far_side import DELTA, add_approval
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlock.airgapped.verify import SignedIndex


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=existing, metavar="FILE", help="a bundle or a delta")
    parser.add_argument("--trust", type=existing, required=True, metavar="ROOT.JSON", help="the trust root")
    parser.add_argument(
        "--require-approval",
        type=existing,
        action="append",
        default=[],
        metavar="ROOT.JSON",
        help="an approval root that is demanded beside it; may be repeated",
    )
    add_approval(parser)
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.verify import verify, verify_index
    from airlock.cli.far_side import approvals_for, read_trust_root
    from airlock.storage.archive import Archive

    path: Path = arguments.file
    root = read_trust_root(arguments.trust)
    with path.open("rb") as stream, approvals_for(arguments) as approvals:
        archive = Archive(stream, str(path))
        if DELTA in archive.members:
            signed = verify_index(archive, root, session.now(), approvals)
            delta = "a delta: what it restores is checked after `airlock apply`, or by `airlock update`"
            checked: tuple[str, ...] = (*signed.checked, delta)
        else:
            bundle = verify(archive, root, session.now(), lambda: path.open("rb"), approvals)
            signed, checked = bundle.signed, bundle.checked
    for warning in (*signed.warnings, *_absent(signed)):
        session.reporter.warn(warning)
    _tell(signed, checked, arguments)


def _absent(signed: "SignedIndex") -> "Iterator[str]":
    """What keeps this machine from installing it, which is not what `verify` is asked."""
    from airlock.core.forms.registry import missing

    needed = {name for entry in signed.index.entries for name in entry.expanded.file_codecs}
    if absent := missing(needed):
        yield f"this machine cannot install it for want of {', '.join(absent)}: see README, the far side"


def _tell(signed: "SignedIndex", checked: tuple[str, ...], arguments: argparse.Namespace) -> None:
    from airlock.formats.trust import short_form

    project = signed.index.project
    if arguments.json:
        print_json(
            {
                "file": str(arguments.file),
                "project": project.name,
                "version": project.version,
                "target": signed.index.target.name,
                "release": signed.release,
                "index": signed.digest,
                "short": short_form(signed.digest),
                "checked": list(checked),
                "warnings": list(signed.warnings),
            }
        )
        return
    print(f"{arguments.file}: {project.name} {project.version} for {signed.index.target.name}")
    for line in checked:
        print(f"  checked  {line}")
    print(f"  release  {signed.release}")
    print(f"  index    {signed.digest}")
    print(f"  aloud    {short_form(signed.digest)}")
