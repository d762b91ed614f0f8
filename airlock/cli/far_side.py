"""What the commands of the far side share: a site opened, a bundle verified, an outcome told."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.airgapped.approvals import Approvals
    from airlock.airgapped.install import Choices, Outcome
    from airlock.airgapped.record import Known
    from airlock.airgapped.site import Site
    from airlock.airgapped.switch import Surroundings
    from airlock.airgapped.verify import SignedBundle
    from airlock.cli.carried import Carried
    from airlock.core.tree import Change
    from airlock.storage.archive import Archive


DELTA = "delta.json"
"""The member that makes an archive a delta."""


def add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="where generations are installed"
    )


def add_choices(parser: argparse.ArgumentParser, *, dry_run: bool = True) -> None:
    parser.add_argument(
        "--trust", type=existing, metavar="ROOT.JSON", help="the trust root (needed once: the site pins it)"
    )
    parser.add_argument(
        "--python", metavar="PATH", help="the base interpreter (default: pythonX.Y on PATH, or airlock's own)"
    )
    parser.add_argument(
        "--require-approval",
        type=existing,
        action="append",
        default=[],
        metavar="ROOT.JSON",
        help="an approval root that is demanded beside the trust root (needed once); may be repeated",
    )
    add_approval(parser)
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="accept a bundle that was signed before the last one"
    )
    if dry_run:
        parser.add_argument(
            "-n", "--dry-run", action="store_true", help="say what would change, write nothing"
        )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def add_approval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--approval",
        type=existing,
        action="append",
        default=[],
        metavar="FILE",
        help="a file that `airlock approve --detached` wrote; may be repeated",
    )


@contextmanager
def opened(root: Path) -> "Iterator[Site]":
    from airlock.airgapped.site import Site
    from airlock.storage.disk import RealDisk

    path = _real(root)
    disk = RealDisk(path)
    try:
        yield Site(root=path, disk=disk)
    finally:
        disk.close()


def _real(root: Path) -> Path:
    """The site's root, links resolved. It stands in the first line of scripts and in records, so it must be text."""
    from airlock.core.paths import safe_path
    from airlock.errors import IntegrityError, UsageError

    try:
        path = root.resolve()
        safe_path(str(path).lstrip("/") or "root", "--root")
    except RuntimeError as error:
        raise UsageError("--root", "a link that leads to itself", found=repr(str(root))) from error
    except IntegrityError as error:
        raise UsageError("--root", "not a path that scripts can name", found=error.found) from error
    return path


def read_trust_root(path: Path) -> bytes:
    """Never more than a byte too much: what is no trust root may be of any size. Raises UsageError for a folder, and
    IntegrityError that names the file."""
    from airlock.errors import UsageError
    from airlock.formats.trust import parse_root
    from airlock.storage.root_chain import read_root

    if path.is_dir():
        raise UsageError(str(path), "a folder", expected="a trust root")
    data = read_root(path)
    parse_root(data, str(path))
    return data


def world_of(session: Session, carried: Sequence[Path] = ()) -> "Surroundings":
    """`carried` is the file that a command is about, or its volumes."""
    from airlock.airgapped.switch import Surroundings
    from airlock.cli.carried import names_of

    file, volumes = names_of(carried) if carried else ("", "")
    return Surroundings(
        now=session.now(),
        environment=session.environment,
        reporter=session.reporter,
        user=session.user(),
        file=file,
        volumes=volumes,
    )


def choices_of(arguments: argparse.Namespace, approvals: "Approvals") -> "Choices":
    from airlock.airgapped.install import Choices
    from airlock.kinds.registry import kind_named

    return Choices(
        kinds=kind_named,
        python=arguments.python,
        allow_downgrade=arguments.allow_downgrade,
        approvals=approvals,
    )


@contextmanager
def approvals_for(arguments: argparse.Namespace, site: "Site | None" = None) -> "Iterator[Approvals]":
    """What `--require-approval`, `--approval` and the site demand and give."""
    from airlock.airgapped.approvals import Approvals, approval_root
    from airlock.airgapped.preflight import required_approvals
    from airlock.storage.archive import Archive

    given = {str(path): read_trust_root(path) for path in arguments.require_approval}
    with ExitStack() as stack:
        detached = tuple(
            Archive(stack.enter_context(path.open("rb")), str(path)) for path in arguments.approval
        )
        roots = {approval_root(data, where).policy.approver: data for where, data in given.items()}
        yield Approvals(required=required_approvals(site, given) if site else roots, detached=detached)


def opened_archive(file: "Carried", *, delta: bool) -> "Archive":
    """A bundle, or a delta, where the command takes only that. Raises IntegrityError for the other one."""
    from airlock.errors import IntegrityError
    from airlock.storage.archive import Archive

    where = file.where
    archive = Archive(file.stream, where)
    if delta is (DELTA in archive.members):
        return archive
    if delta:
        raise IntegrityError(where, "a bundle, not a delta", hint=f"`airlock install {where}` takes it")
    hint = f"`airlock update {where}` installs it; `airlock apply` makes the bundle"
    raise IntegrityError(where, "a delta, not a bundle", hint=hint)


@contextmanager
def signed(
    paths: Sequence[Path], root: bytes, session: Session, approvals: "Approvals", known: "Known"
) -> "Iterator[SignedBundle]":
    """The bundle at `paths`, a file or the volumes of one, whose warnings were told. Its frames are checked when they are read."""
    from airlock.airgapped.verify import verify_signatures
    from airlock.cli.carried import carried

    with carried(paths, session.reporter) as file:
        archive = opened_archive(file, delta=False)
        known.look_at(archive)
        bundle = verify_signatures(archive, root, session.now(), approvals)
        known.signed = bundle.signed
        for warning in bundle.signed.warnings:
            session.reporter.warn(warning)
        yield bundle


def root_for(site: "Site", given: Path | None) -> bytes:
    from airlock.airgapped.preflight import trusted_root

    return trusted_root(site, read_trust_root(given) if given else None, str(given))


def tell_outcome(outcome: "Outcome", verb: str, as_json: bool) -> None:
    from airlock.formats.trust import short_form

    if as_json:
        print_json(
            {
                "generation": outcome.after,
                "before": outcome.before,
                "version": outcome.version,
                "index": outcome.index,
                "changed": outcome.before != outcome.after,
                "downgrade": outcome.downgrade,
            }
        )
    elif outcome.before == outcome.after:
        print(f"generation {outcome.after} holds version {outcome.version} already; nothing to do")
    else:
        before = f", before: {outcome.before}" if outcome.before else ""
        downgrade = " (a downgrade, as --allow-downgrade asked for)" if outcome.downgrade else ""
        print(f"{verb} version {outcome.version} as generation {outcome.after}{before}{downgrade}")
        print(f"aloud {short_form(outcome.index)}")


def tell_plan(
    artifacts: tuple[tuple[str, str, str], ...],
    plan: "tuple[Change, ...]",
    runs: "tuple[tuple[str, ...], ...]",
    as_json: bool,
) -> None:
    """Artifacts first, which are what people know by name; then every path; then the commands that would be run."""
    import shlex

    rows = [(_sign(change), change.path) for change in plan]
    if as_json:
        keys = ("name", "before", "after")
        print_json(
            {
                "artifacts": [dict(zip(keys, artifact, strict=True)) for artifact in artifacts],
                "changes": [{"change": sign, "path": path} for sign, path in rows],
                "runs": [list(command) for command in runs],
            }
        )
        return
    for name, before, after in artifacts:
        print(f"{name}: {before or 'nothing'} → {after or 'nothing'}")
    for sign, path in rows:
        print(f"{sign} {path}")
    for command in runs:
        print(f"$ {shlex.join(command)}")
    print(f"{len(rows)} path{'s' * (len(rows) != 1)} would change; nothing was written")


def _sign(change: "Change") -> str:
    if change.before is None:
        return "+"
    return "-" if change.after is None else "~"
