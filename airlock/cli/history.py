"""`airlock history`: what was installed, when, and how it went."""

import argparse

from airlock.cli.far_side import add_root
from airlock.cli.plain import plain
from airlock.cli.session import Session, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    add_root(parser)
    parser.add_argument("--json", action="store_true", help="tell it as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from dataclasses import asdict

    from airlock.airgapped.status import history
    from airlock.cli.far_side import opened

    with opened(arguments.root) as site:
        acts = history(site)
    if arguments.json:
        print_json({"acts": [asdict(act) for act in acts]})
        return
    for act in acts:
        print(f"{date(act.time)}  {act.act:<8}  {act.before} → {act.after}  {act.version}  {act.outcome}")
        for line in act.detail.splitlines():
            print(f"    {plain(line)}")


def date(seconds: int) -> str:
    """As RFC 3339 has it, in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
