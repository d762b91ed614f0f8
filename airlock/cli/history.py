"""`airlock history`: what was done at a site, or with what was made here, when, by whom and how it went."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.cli.session import Session, print_json
from airlock.core.plain import plain

if TYPE_CHECKING:
    from airlock.errors import IntegrityError
    from airlock.formats.journal import Act, Journal, Line


def configure(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--root", type=Path, metavar="DIR", help="the site whose journal it is")
    which.add_argument("--journal", type=Path, metavar="FILE", help="a journal of the near side")
    parser.add_argument(
        "--check", action="store_true", help="prove that no line was changed, and say no more"
    )
    parser.add_argument(
        "--head",
        metavar="DIGEST",
        help="with --check: a head that was written down earlier, of which the journal must still have the line",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="in an emergency: set a broken journal of a site aside, and begin another that names it",
    )
    parser.add_argument("--reason", metavar="TEXT", help="with --restart: why, for the new journal")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.errors import UsageError

    if arguments.head and not arguments.check:
        raise UsageError("--head", "it is compared by --check", hint="give --check as well")
    if arguments.restart:
        _restart(arguments, session)
        return
    journal, where, fault = _journal(arguments)
    if fault:
        _tell_sound_part(journal, fault, arguments)
        raise fault
    held = _held(journal, arguments.head, where) if arguments.head else None
    if journal.torn:
        session.reporter.warn(f"the last line was cut off ({len(journal.torn)} bytes): it was never finished")
    if arguments.json:
        acts = [] if arguments.check else [_row(line) for line in journal.lines]
        print_json({"acts": acts, **_head(journal), "checked": True, "held": held.number if held else None})
    elif arguments.check:
        _tell_check(journal, held, where)
    else:
        _tell(journal)


def _restart(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.airgapped.restart import restart
    from airlock.cli.far_side import opened, world_of
    from airlock.errors import UsageError

    if arguments.root is None or not (arguments.reason or "").strip():
        raise UsageError(
            "--restart", "it needs a site and a reason", hint="give --root DIR and --reason TEXT"
        )
    with opened(arguments.root) as site:
        aside = restart(site, arguments.reason, world_of(session))
    if arguments.json:
        print_json({"aside": aside})
    else:
        print(
            f"a new journal was begun; {f'the old one lies in {aside}' if aside else 'there was no old one'}"
        )


def _tell_sound_part(journal: "Journal", fault: "IntegrityError", arguments: argparse.Namespace) -> None:
    if arguments.json:
        acts = [] if arguments.check else [_row(line) for line in journal.lines]
        print_json({"acts": acts, **_head(journal), "checked": False, "held": None, "fault": str(fault)})
    elif not arguments.check:
        _tell(journal)
        print(f"BROKEN HERE: {fault}")


def _journal(arguments: argparse.Namespace) -> "tuple[Journal, str, IntegrityError | None]":
    """Reading it is checking it."""
    if arguments.root is None:
        from airlock.storage.journal import read_sound

        journal, fault = read_sound(existing(arguments.journal))
        return journal, str(arguments.journal), fault
    from airlock.airgapped.site import JOURNAL
    from airlock.airgapped.status import transfers
    from airlock.cli.far_side import opened

    with opened(arguments.root) as site:
        journal, fault = transfers(site)
        return journal, str(site.path(JOURNAL)), fault


def existing(path: Path) -> Path:
    from airlock.errors import UsageError

    if not path.is_file():
        raise UsageError("--journal", f"no such file: {str(path)!r}")
    return path


def _held(journal: "Journal", digest: str, where: str) -> "Line":
    from airlock.errors import IntegrityError, UsageError

    try:
        line = journal.holding(digest)
    except ValueError as error:
        raise UsageError("--head", str(error), found=repr(digest)) from error
    if line is None:
        raise IntegrityError(
            where,
            "has no line with that digest: lines were cut off, or it is another journal",
            expected=digest,
            found=f"{len(journal.lines)} lines, none of them",
        )
    return line


def _head(journal: "Journal") -> dict[str, Any]:
    from airlock.formats.trust import short_form

    return {"lines": len(journal.lines), "head": journal.head, "short": short_form(journal.head)}


def _row(line: "Line") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(line.act) | {"number": line.number, "previous": line.previous, "digest": line.digest}


def _tell_check(journal: "Journal", held: "Line | None", where: str) -> None:
    head = _head(journal)
    print(f"{where}: {_lines(journal)}, each as it was written")
    if held:
        print(
            f"  held  line {held.number}, {date(held.act.time)}; {head['lines'] - held.number} came after it"
        )
    print(f"  head  {head['head']}")
    print(f"  aloud {head['short']}")


def _tell(journal: "Journal") -> None:
    for line in journal.lines:
        act = line.act
        print(f"{date(act.time)}  {act.act:<8}  {'  '.join(_about(act))}")
        for text in act.detail.splitlines():
            print(f"    {plain(text)}")
    print(f"head of {_lines(journal)}: {_head(journal)['short']}")


def _lines(journal: "Journal") -> str:
    return "1 line" if len(journal.lines) == 1 else f"{len(journal.lines)} lines"


def _about(act: "Act") -> list[str]:
    from airlock.formats.trust import short_form

    words = [f"{act.before} → {act.after}" if act.after else act.file, act.version]
    if act.removed:
        words.append(_gone(act.removed))
    if act.index:
        words.append(short_form(act.index))
    if act.keys:
        words.append(f"signed by {', '.join(key[:8] for key in act.keys)}")
    return [*filter(None, words), act.outcome, *filter(None, [act.user])]


def _gone(numbers: tuple[int, ...]) -> str:
    names = ", ".join(map(str, numbers))
    return f"generation {names} is gone" if len(numbers) == 1 else f"generations {names} are gone"


def date(seconds: int) -> str:
    """As RFC 3339 has it, in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
