"""`airlock verify`: check signatures and every byte of a bundle; of a delta, with its base, every content; of volumes, each."""

import argparse
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.far_side import DELTA, add_approval
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airlock.airgapped.site import Site
    from airlock.airgapped.verify import SignedIndex
    from airlock.storage.archive import Archive


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=existing,
        nargs="+",
        metavar="FILE",
        help="a bundle or a delta, or its volumes or their folders",
    )
    parser.add_argument("--trust", type=existing, metavar="ROOT.JSON", help="the trust root")
    parser.add_argument(
        "--root", type=existing, metavar="DIR", help="in its place: a site, for what it trusts and demands"
    )
    parser.add_argument(
        "--base", type=existing, metavar="BUNDLE", help="for a delta: the bundle that it starts from"
    )
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
    from airlock.cli.carried import carried, is_set
    from airlock.cli.far_side import approvals_for
    from airlock.storage.archive import Archive

    with _site(arguments) as site, approvals_for(arguments, site) as approvals:
        root = _trusted(arguments, site)
        if is_set(arguments.file):
            from airlock.cli.volumes import verify_volumes

            verify_volumes(arguments, root, approvals, session)
        with carried(arguments.file) as file:
            archive = Archive(file.stream, file.where)
            if DELTA in archive.members:
                signed = verify_index(archive, root, session.now(), approvals)
                contents = _contents(arguments.base, site, signed, archive, session)
                checked: tuple[str, ...] = (*signed.checked, contents)
            else:
                bundle = verify(archive, root, session.now(), file.reopen, approvals)
                signed, checked = bundle.signed, bundle.checked
    for warning in (*signed.warnings, *_absent(signed)):
        session.reporter.warn(warning)
    _tell(file.where, signed, checked, arguments.json)


def _contents(
    base: "Path | None", site: "Site | None", signed: "SignedIndex", delta: "Archive", session: Session
) -> str:
    """What was checked of the contents of a delta. Raises IntegrityError."""
    from airlock.airgapped.delta_check import UNCHECKED, base_at, check_alone, check_contents
    from airlock.cli.carried import carried
    from airlock.storage.archive import Archive
    from airlock.storage.restore import BundleFrames

    if base is not None:
        with carried([base]) as file:
            return check_contents(signed, BundleFrames(Archive(file.stream, file.where)), delta)
    if site is not None and (frames := base_at(site, delta)) is not None:
        return check_contents(signed, frames, delta)
    checked = check_alone(delta)
    session.reporter.warn(UNCHECKED)
    return checked


@contextmanager
def _site(arguments: argparse.Namespace) -> "Iterator[Site | None]":
    from airlock.cli.far_side import opened

    if arguments.root is None:
        yield None
        return
    with opened(arguments.root) as site:
        yield site


def _trusted(arguments: argparse.Namespace, site: "Site | None") -> bytes:
    from airlock.cli.far_side import read_trust_root, root_for
    from airlock.errors import UsageError

    if site is not None:
        return root_for(site, arguments.trust)
    if arguments.trust is None:
        hint = "give the trust root with --trust, or a site with --root"
        raise UsageError("--trust", "needed, for nothing in the file says whom to trust", hint=hint)
    return read_trust_root(arguments.trust)


def _absent(signed: "SignedIndex") -> "Iterator[str]":
    """What keeps this machine from installing it, which is not what `verify` is asked."""
    from airlock.core.forms.registry import missing

    needed = {name for entry in signed.index.entries for name in entry.expanded.file_codecs}
    if absent := missing(needed):
        yield f"this machine cannot install it for want of {', '.join(absent)}: see README, the far side"


def _tell(where: str, signed: "SignedIndex", checked: tuple[str, ...], as_json: bool) -> None:
    from airlock.formats.trust import short_form

    project = signed.index.project
    if as_json:
        print_json(
            {
                "file": where,
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
    print(f"{where}: {project.name} {project.version} for {signed.index.target.name}")
    for line in checked:
        print(f"  checked  {line}")
    print(f"  release  {signed.release}")
    print(f"  index    {signed.digest}")
    print(f"  aloud    {short_form(signed.digest)}")
