"""What the commands of the far side share: a site opened, a bundle verified, an outcome told."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.airgapped.install import Choices, Outcome
    from airlock.airgapped.site import Site
    from airlock.airgapped.switch import Surroundings
    from airlock.airgapped.verify import SignedBundle
    from airlock.core.tree import Change


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
        "--allow-downgrade", action="store_true", help="accept a bundle that was signed before the last one"
    )
    if dry_run:
        parser.add_argument(
            "-n", "--dry-run", action="store_true", help="say what would change, write nothing"
        )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


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
    """Never more than a byte too much: what is no trust root may be of any size."""
    from airlock.formats.trust import MAX_METADATA

    with path.open("rb") as stream:
        return stream.read(MAX_METADATA + 1)


def world_of(session: Session) -> "Surroundings":
    from airlock.airgapped.switch import Surroundings

    return Surroundings(now=session.now(), environment=session.environment, reporter=session.reporter)


def choices_of(arguments: argparse.Namespace) -> "Choices":
    from airlock.airgapped.install import Choices
    from airlock.kinds.registry import kind_named

    return Choices(kinds=kind_named, python=arguments.python, allow_downgrade=arguments.allow_downgrade)


@contextmanager
def signed(path: Path, root: bytes, session: Session) -> "Iterator[SignedBundle]":
    """The bundle at `path`, whose warnings were told. Its frames are checked when they are read."""
    from airlock.airgapped.verify import verify_signatures
    from airlock.storage.archive import Archive

    with path.open("rb") as stream:
        archive = Archive(stream, str(path))
        bundle = verify_signatures(archive, root, session.now())
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
            }
        )
    elif outcome.before == outcome.after:
        print(f"generation {outcome.after} holds version {outcome.version} already; nothing to do")
    else:
        before = f", before: {outcome.before}" if outcome.before else ""
        print(f"{verb} version {outcome.version} as generation {outcome.after}{before}")
        print(f"index {short_form(outcome.index)}")


def tell_plan(plan: "tuple[Change, ...]", as_json: bool) -> None:
    rows = [(_sign(change), change.path) for change in plan]
    if as_json:
        print_json({"changes": [{"change": sign, "path": path} for sign, path in rows]})
        return
    for sign, path in rows:
        print(f"{sign} {path}")
    print(f"{len(rows)} paths would change; nothing was written")


def _sign(change: "Change") -> str:
    if change.before is None:
        return "+"
    return "-" if change.after is None else "~"
