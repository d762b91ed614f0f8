"""`airlock kit`: one file that brings airlock to a machine without it."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json

if TYPE_CHECKING:
    from airlock.connected.kit import KitReport
    from airlock.core.target import Target


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock",
        type=Path,
        default=Path("airlock.lock"),
        metavar="FILE",
        help="whose targets it is for (default: airlock.lock)",
    )
    parser.add_argument("--target", action="append", metavar="NAME", help="only this target; may be repeated")
    add_parts(parser)
    parser.add_argument("--offline", action="store_true", help="use the store alone")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="where kits go (default: dist beside the lock)"
    )
    parser.add_argument("--reproducible", action="store_true", help="make it twice, differently, and compare")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--python",
        type=existing,
        metavar="ARCHIVE",
        help="carry this Python too, a relocatable one in a tar, for machines without a whole one",
    )
    parser.add_argument(
        "--wheel",
        type=existing,
        metavar="FILE",
        help="airlock's own wheel, made elsewhere (default: of the airlock that runs)",
    )
    parser.add_argument(
        "--airlock-lock",
        type=existing,
        metavar="FILE",
        help="the lock of airlock's own dependencies (default: the one that came with it)",
    )


def run(arguments: argparse.Namespace, session: Session) -> None:
    import tempfile

    from airlock.cli.workshop import chosen_targets, read_lock
    from airlock.connected.kit import compare_kits

    lock = arguments.lock.absolute()
    lockfile = read_lock(lock)
    targets = [lockfile.target(name) for name in chosen_targets(lockfile, arguments.target, lock.name)]
    output = arguments.output or lock.parent / "dist"
    reports = make_kits(arguments, session, targets, output, {})
    if arguments.reproducible:
        session.reporter.note("Making it a second time, under other circumstances")
        with tempfile.TemporaryDirectory(prefix="airlock-again-") as name:
            again = _again(arguments, session, lock, Path(name))
            for report in reports:
                compare_kits(report.path, again / report.path.name)
    for report in reports:
        session.record(report.path, "build", detail=f"kit, {report.digest}")
    if arguments.json:
        print_json({"kits": rows_of(reports), "reproducible": arguments.reproducible})
    else:
        tell(reports)
    if arguments.reproducible and not arguments.json:
        print("reproducible: made twice, the same to the bit")


def make_kits(
    arguments: argparse.Namespace,
    session: Session,
    targets: "Sequence[Target]",
    output: Path,
    bundles: Mapping[str, Path],
) -> "list[KitReport]":
    """A kit for each target, with the bundle of that name if there is one."""
    from airlock import __version__
    from airlock.cli.workshop import fill_store, read_lock
    from airlock.connected.kit import Request, make_kit, own_target
    from airlock.storage.store import Store

    path = _own_lock(arguments.airlock_lock)
    own = read_lock(path)
    if not arguments.offline:
        fill_store(session, path, own, tuple({own_target(own, one, path.name).name for one in targets}), None)
    reports = []
    for target in targets:
        bundle = bundles.get(target.name)
        name = f"{bundle.stem}.run" if bundle else f"airlock-{__version__}-{target.name}.kit"
        request = Request(
            target=target,
            own=own,
            store=Store(session.cache / "store"),
            itself=arguments.wheel,
            python=arguments.python,
            bundle=bundle,
        )
        report = make_kit(request, output / name)
        if report.absent:
            session.reporter.warn(
                f"{name} is without airlock's native crate, {report.absent}: it installs what rests on Python's own codecs; "
                "a wheel with the crate, built on an older system, is given with --wheel"
            )
        reports.append(report)
    return reports


def _own_lock(given: Path | None) -> Path:
    """airlock's own: beside its sources, or where its wheel put it."""
    import airlock
    from airlock.errors import UsageError

    beside = Path(airlock.__file__).parent.parent / "airlock.lock"
    shared = Path(sys.prefix) / "share" / "airlock" / "airlock.lock"
    for path in (given,) if given else (beside, shared):
        if path is not None and path.is_file():
            return path.absolute()
    raise UsageError(
        "airlock.lock", "airlock's own lock is not here", hint="name it with --airlock-lock FILE"
    )


def _again(arguments: argparse.Namespace, session: Session, lock: Path, directory: Path) -> Path:
    """Another process, directory, locale, clock, umask and hash seed. Returns the folder with the kits."""
    import airlock
    from airlock.connected.reproduce import elsewhere, run_elsewhere

    source = str(Path(airlock.__file__).parent.parent)
    environment = dict(session.environment) | {
        "AIRLOCK_CACHE": str(session.cache),
        "PYTHONPATH": os.pathsep.join(filter(None, [source, session.environment.get("PYTHONPATH", "")])),
    }
    command = [sys.executable, "-m", "airlock", "kit", "--quiet", "--offline"]
    command += ["--lock", str(lock), "--output", str(directory / "out")]
    for option in ("python", "wheel", "airlock_lock"):
        if path := getattr(arguments, option):
            command += [f"--{option.replace('_', '-')}", str(path.absolute())]
    for name in arguments.target or ():
        command += ["--target", name]
    run_elsewhere(command, elsewhere(directory, environment))
    return directory / "out"


def rows_of(reports: "list[KitReport]") -> list[dict[str, object]]:
    return [
        {
            "path": str(one.path),
            "size": one.size,
            "digest": one.digest,
            "parts": one.parts,
            "native": not one.absent,
        }
        for one in reports
    ]


def tell(reports: "list[KitReport]") -> None:
    from airlock.cli.progress import human_size
    from airlock.formats.trust import short_form

    for one in reports:
        print(one.path)
        print(f"  airlock and {one.parts - 1} parts that it needs, {human_size(one.size)}")
        print(f"  file   {one.digest}")
        print(f"  aloud  {short_form(one.digest)}")
