"""`airlock build`: make a bundle for each target, and prove that it can be made again."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.arguments import add_level, at_level, existing
from airlock.cli.kit import add_parts
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.connected.build import BuildReport, Workshop
    from airlock.connected.kit import KitReport
    from airlock.core.digest import Digest
    from airlock.formats.journal import Facts
    from airlock.formats.lockfile import Lockfile


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock",
        type=Path,
        default=Path("airlock.lock"),
        metavar="FILE",
        help="the lock (default: airlock.lock)",
    )
    parser.add_argument("--target", action="append", metavar="NAME", help="only this target; may be repeated")
    parser.add_argument("--offline", action="store_true", help="use the store alone")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="where bundles go (default: dist beside the lock)"
    )
    parser.add_argument("--reproducible", action="store_true", help="build twice, differently, and compare")
    parser.add_argument(
        "--check", type=existing, metavar="BUNDLE", help="build, and compare with a bundle made elsewhere"
    )
    parser.add_argument(
        "--self-extracting", action="store_true", help="make of bundle and kit one file beside it, NAME.run"
    )
    add_parts(parser)
    add_level(parser, "in place of the lock's; deltas from such a bundle need the same option")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="artifacts at a time (default: one a processor)"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")
    parser.add_argument("--frame-cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--shuffle", default="", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, session: Session) -> int | None:
    from airlock.cli.workshop import chosen_targets, fill_store, note_what_moved, read_lock, workshop

    lock = arguments.lock.absolute()
    lockfile = at_level(read_lock(lock), arguments.level)
    targets = chosen_targets(lockfile, arguments.target, lock.name)
    note_what_moved(session, lock, lockfile)
    if not arguments.offline:
        fill_store(session, lock, lockfile, targets, arguments.jobs)
    tools = workshop(session, arguments.jobs, arguments.frame_cache, arguments.shuffle)
    if arguments.check:
        return _check(arguments, lockfile, targets, tools)
    output = arguments.output or lock.parent / "dist"
    signed = [path for path in (_place(lockfile, target, output) for target in targets) if _signed(path)]
    reports = [_build(lockfile, target, tools, output) for target in targets]
    if arguments.reproducible:
        _build_again(session, lock, reports, arguments.level)
    for report in reports:
        session.record(report.path, "build", **_facts(lockfile, report.index))
    kits = _kits(arguments, session, lockfile, reports, output)
    for path in signed:
        session.reporter.note(f"warning: {path.name} was signed and is not any more: `airlock sign` it again")
    _tell(reports, kits, arguments)
    for path in [kit.path for kit in kits] or [report.path for report in reports]:
        session.reporter.note(f"next: airlock sign {path} --key KEY")
    return None


def _kits(
    arguments: argparse.Namespace,
    session: Session,
    lockfile: "Lockfile",
    reports: "list[BuildReport]",
    output: Path,
) -> "list[KitReport]":
    """Bundle and kit in one, where that is asked for."""
    if not arguments.self_extracting:
        return []
    from airlock.cli.kit import make_kits

    targets = [lockfile.target(report.target) for report in reports]
    return make_kits(arguments, session, targets, output, {report.target: report.path for report in reports})


def _facts(lockfile: "Lockfile", index: "Digest") -> "Facts":
    return {"project": lockfile.project.name, "version": lockfile.project.version, "index": index}


def _build(lockfile: "Lockfile", target: str, tools: "Workshop", output: Path) -> "BuildReport":
    from airlock.connected.build import build

    return build(lockfile, target, tools, _place(lockfile, target, output))


def _place(lockfile: "Lockfile", target: str, output: Path) -> Path:
    from airlock.connected.build import bundle_stem

    return output / f"{bundle_stem(lockfile, target)}.airlock"


def _signed(path: Path) -> bool:
    """Whether there is a bundle with signatures, which a build over it does away with."""
    from airlock.errors import IntegrityError
    from airlock.storage.archive import Archive

    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            return any(name.startswith("trust/") for name in Archive(stream, str(path)).members)
    except IntegrityError:
        return False


def _build_again(session: Session, lock: Path, reports: "list[BuildReport]", level: int | None) -> None:
    """The second build: another process, empty caches, another order of work, and other circumstances altogether."""
    import tempfile

    import airlock
    from airlock.connected.reproduce import compare_bundles, elsewhere, run_elsewhere

    session.reporter.note("Building a second time, under other circumstances")
    source = str(Path(airlock.__file__).parent.parent)
    environment = dict(session.environment) | {
        "AIRLOCK_CACHE": str(session.cache),
        "PYTHONPATH": os.pathsep.join(filter(None, [source, session.environment.get("PYTHONPATH", "")])),
    }
    with tempfile.TemporaryDirectory(prefix="airlock-again-") as name:
        directory = Path(name)
        command = [sys.executable, "-m", "airlock", "build", "--quiet", "--offline", "--jobs", "1"]
        command += ["--lock", str(lock), "--output", str(directory / "out")]
        command += ["--frame-cache", str(directory / "frames"), "--shuffle", "again"]
        command += ["--level", str(level)] if level else []
        for report in reports:
            command += ["--target", report.target]
        run_elsewhere(command, elsewhere(directory, environment))
        for report in reports:
            compare_bundles(report.path, directory / "out" / report.path.name)


def _check(
    arguments: argparse.Namespace, lockfile: "Lockfile", targets: tuple[str, ...], tools: "Workshop"
) -> int | None:
    import tempfile

    from airlock.cli.session import print_json
    from airlock.connected.reproduce import compare_bundles
    from airlock.core.canonical_json import MAX_SIZE
    from airlock.errors import UsageError
    from airlock.formats.index import INDEX, parse_index
    from airlock.storage.archive import Archive

    bundle: Path = arguments.check
    with bundle.open("rb") as stream:
        index = parse_index(Archive(stream, str(bundle)).read(INDEX, MAX_SIZE), f"{bundle}: index.json")
    if index.target.name not in targets:
        raise UsageError(
            str(bundle), "made for a target that is not asked for", found=repr(index.target.name)
        )
    with tempfile.TemporaryDirectory(prefix="airlock-check-") as directory:
        report = _build(lockfile, index.target.name, tools, Path(directory))
        compare_bundles(report.path, bundle)
    if arguments.json:
        print_json({"bundle": str(bundle), "same": True, "index": report.index})
    else:
        print(f"{bundle} is what {arguments.lock} builds: index {report.index}")
    return None


def _tell(reports: "list[BuildReport]", kits: "list[KitReport]", arguments: argparse.Namespace) -> None:
    from airlock.cli import kit
    from airlock.cli.progress import human_size
    from airlock.cli.session import print_json
    from airlock.formats.trust import short_form

    if arguments.json:
        fields = ("target", "artifacts", "size", "originals", "expanded", "digest", "index")
        rows = [
            {"path": str(report.path)} | {name: getattr(report, name) for name in fields}
            for report in reports
        ]
        document = {"bundles": rows, "reproducible": arguments.reproducible}
        print_json(document | ({"kits": kit.rows_of(kits)} if kits else {}))
        return
    for report in reports:
        share = f", {100 * report.size / report.originals:.0f} % of its originals" if report.originals else ""
        print(report.path)
        print(f"  {report.artifacts} artifacts, {human_size(report.size)}{share}")
        print(f"  file   {report.digest}")
        print(f"  index  {report.index}")
        print(f"  aloud  {short_form(report.index)}")
        if arguments.level:
            print(f"  level {arguments.level}: make deltas from and to it with --level {arguments.level} too")
        if arguments.reproducible:
            print("  reproducible: built twice, the same to the bit")
    kit.tell(kits)
