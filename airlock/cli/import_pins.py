"""`airlock import FILE`."""

import argparse
from pathlib import Path

from airlock.cli.arguments import existing
from airlock.cli.session import Session, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    from airlock.cli.manifest import add_manifest_option

    parser.add_argument(
        "file",
        type=existing,
        metavar="FILE",
        help="pylock.toml, uv.lock, poetry.lock, pdm.lock or a requirements file",
    )
    add_manifest_option(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    import platform

    from airlock.connected.foreign_locks import read_foreign_lock
    from airlock.connected.init import Host
    from airlock.connected.take_over import seeded_lock, take_over
    from airlock.formats.lockfile import parse_lockfile, write_lockfile
    from airlock.formats.manifest import parse_manifest
    from airlock.kinds.registry import sections
    from airlock.storage.atomic import write_atomically

    manifest: Path = arguments.manifest
    foreign = read_foreign_lock(arguments.file)
    before = manifest.read_text("utf-8") if manifest.exists() else None
    host = Host(python=".".join(platform.python_version_tuple()[:2]), machine=platform.machine())
    taken = take_over(foreign, arguments.file.absolute().parent, before, manifest.name, host)
    project = parse_manifest(taken.manifest.encode(), manifest.name, sections()).project
    lockfile = manifest.with_suffix(".lock")
    previous = parse_lockfile(lockfile.read_bytes(), lockfile.name) if lockfile.exists() else None
    if taken.manifest != before:
        write_atomically(manifest.absolute(), taken.manifest.encode())
    write_atomically(lockfile.absolute(), write_lockfile(seeded_lock(foreign, previous, project)))
    for warning in taken.warnings:
        session.reporter.warn(warning)
    if arguments.json:
        print_json(
            {
                "pins": [{"name": seed.name, "version": seed.version} for seed in foreign.seeds],
                "added": list(taken.added),
                "warnings": list(taken.warnings),
            }
        )
    session.reporter.note(f"{len(foreign.seeds)} pins of {arguments.file.name} to start from")
    session.reporter.note("next: run `airlock lock`")
