"""The transfer log: lines that were changed, taken out or added, and what was put in the place of the file."""

import os
from collections.abc import Callable

from airlock.core.digest import digest_of, hex_of
from airlock.formats.journal import Act, next_line, parse_journal
from tests.attacks.ground import COUNTER, Command, Ground, attack, run

_FAMILY = "The transfer log"
_JOURNAL = "state/journal.jsonl"


def _lines(ground: Ground) -> list[bytes]:
    return (ground.site / _JOURNAL).read_bytes().splitlines(keepends=True)


def _write(ground: Ground, lines: list[bytes]) -> None:
    (ground.site / _JOURNAL).write_bytes(b"".join(lines))


def _changes(ground: Ground) -> list[Command]:
    """Whatever would write to the journal, or decide by it."""
    return [
        *ground.install(ground.next),
        *ground.update(ground.delta),
        *ground.at_site("rollback"),
        *ground.at_site("gc", "--keep", "0"),
        ("trust", "accept", "--root", str(ground.site)),
    ]


def _told(ground: Ground) -> list[Command]:
    return [*_changes(ground), *ground.at_site("history", "--check")]


def _appended(ground: Ground, *acts: Act) -> None:
    """Lines that follow from those before, as anybody can make them."""
    path = ground.site / _JOURNAL
    for act in acts:
        data = path.read_bytes()
        path.write_bytes(data + next_line(parse_journal(data, "journal"), act))


def _second(ground: Ground) -> None:
    """One more generation, so that there is more to lose."""
    code, said = run(ground.install(ground.next)[0])
    assert code == 0, said


@attack(_FAMILY, "was changed")
def journal_line_edited(ground: Ground) -> list[Command]:
    """the release counter in a line was made smaller"""
    lines = _lines(ground)
    edited = lines[0].replace(f'"release":{COUNTER}'.encode(), b'"release":1')
    assert edited != lines[0]
    _write(ground, [edited, *lines[1:]])
    return _told(ground)


@attack(_FAMILY, "journal.jsonl: line")
def journal_line_removed(ground: Ground) -> list[Command]:
    """the first line was taken out"""
    _write(ground, _lines(ground)[1:])
    return _told(ground)


@attack(_FAMILY, "journal.jsonl: line")
def journal_lines_reordered(ground: Ground) -> list[Command]:
    """two lines change places"""
    _write(ground, _lines(ground)[::-1])
    return _told(ground)


@attack(_FAMILY, "journal.jsonl: line")
def journal_line_twice(ground: Ground) -> list[Command]:
    """the last line stands twice"""
    lines = _lines(ground)
    _write(ground, [*lines, lines[-1]])
    return _told(ground)


@attack(_FAMILY, "it was removed")
def journal_removed(ground: Ground) -> list[Command]:
    """the journal is gone, so that an older release would be new and generations would be of nobody"""
    _second(ground)
    (ground.site / _JOURNAL).unlink()
    return _changes(ground)


@attack(_FAMILY, "does not know of generation")
def journal_emptied(ground: Ground) -> list[Command]:
    """every line of the journal is gone"""
    _second(ground)
    _write(ground, [])
    return _changes(ground)


@attack(_FAMILY, "does not know of generation")
def journal_cut_back(ground: Ground) -> list[Command]:
    """the journal ends before the install of what is in use"""
    lines = _lines(ground)
    _second(ground)
    _write(ground, lines)
    return _changes(ground)


@attack(_FAMILY, "does not know of generation")
def journal_line_torn_by_hand(ground: Ground) -> list[Command]:
    """several lines are gone, and the last one looks as if a power cut had torn it, so that it would be set aside"""
    lines = _lines(ground)
    _second(ground)
    code, said = run(ground.at_site("rollback")[0])
    assert code == 0, said
    _write(ground, [*lines, _lines(ground)[-1][:-20] + bytes(19) + b"\n"])
    return _changes(ground)


@attack(_FAMILY, "has no line with that digest")
def journal_cut_back_behind_a_head(ground: Ground) -> list[Command]:
    """the journal ends before the line whose digest the operator wrote down"""
    lines = _lines(ground)
    head = hex_of(digest_of(lines[-1]))
    _write(ground, lines[:-1])
    return [
        ("history", "--root", str(ground.site), "--check", "--head", head[: 16 * long or None])
        for long in (0, 1)
    ]


def _forged(ground: Ground, make: Callable[[Act], Act]) -> list[Command]:
    """A line that follows from the others, and cannot be."""
    _second(ground)
    acts = parse_journal((ground.site / _JOURNAL).read_bytes(), "journal").acts
    _appended(ground, make(acts[-1]))
    install, *_, gc, _ = _changes(ground)
    return [install, gc, *ground.at_site("history", "--check")]


@attack(_FAMILY, "cannot be")
def journal_that_lets_go_of_what_is_in_use(ground: Ground) -> list[Command]:
    """a line, in its place in the chain, says that the generation in use was let go, which would be finished"""
    return _forged(ground, lambda last: Act(act="gc", time=last.time, outcome="done", removed=(2,)))[:2]


@attack(_FAMILY, "cannot be")
def journal_that_lets_go_of_what_never_was(ground: Ground) -> list[Command]:
    """a line says that a generation was let go that will only come"""
    return _forged(ground, lambda last: Act(act="gc", time=last.time, outcome="done", removed=(3,)))


@attack(_FAMILY, "cannot be")
def journal_with_a_switch_to_an_older_number(ground: Ground) -> list[Command]:
    """a line says that a generation was switched to which was there before"""
    return _forged(
        ground,
        lambda last: Act(
            act="install", time=last.time, outcome="done", index=last.index, release=1, before=2, after=1
        ),
    )


@attack(_FAMILY, "cannot be")
def journal_with_a_switch_by_another_act(ground: Ground) -> list[Command]:
    """a line says that verifying switched to a generation"""
    return _forged(
        ground,
        lambda last: Act(
            act="verify", time=last.time, outcome="done", index=last.index, release=1, before=2, after=3
        ),
    )


@attack(_FAMILY, "cannot be")
def journal_with_a_switch_to_nothing(ground: Ground) -> list[Command]:
    """a line says that a generation was switched to, and not which index it has"""
    return _forged(ground, lambda last: Act(act="install", time=last.time, outcome="done", before=2, after=3))


@attack(_FAMILY, "cannot be")
def journal_with_a_generation_beyond_all_numbers(ground: Ground) -> list[Command]:
    """a line leaves no number for the next generation"""
    return _forged(
        ground,
        lambda last: Act(
            act="install",
            time=last.time,
            outcome="reverted",
            index=last.index,
            release=1,
            before=2,
            after=(1 << 53) - 1,
        ),
    )


@attack(_FAMILY, "a link, or not a regular file")
def journal_becomes_a_link(ground: Ground) -> list[Command]:
    """a link to what belongs to others, to which lines would be appended"""
    path = ground.site / _JOURNAL
    path.rename(ground.outside / "journal.jsonl")
    path.symlink_to(ground.outside / "journal.jsonl")
    return _told(ground)


@attack(_FAMILY, "a link, or not a regular file")
def journal_becomes_a_pipe(ground: Ground) -> list[Command]:
    """a named pipe in the place of the journal"""
    path = ground.site / _JOURNAL
    path.unlink()
    os.mkfifo(path)
    return _told(ground)


@attack(_FAMILY, "a link, or not a regular file")
def journal_becomes_a_folder(ground: Ground) -> list[Command]:
    """a folder in the place of the journal"""
    path = ground.site / _JOURNAL
    path.unlink()
    path.mkdir()
    return _told(ground)


@attack(_FAMILY, "too long")
def journal_with_a_huge_line(ground: Ground) -> list[Command]:
    """a line of a megabyte, at its place in the chain"""
    _write(ground, [*_lines(ground), b'{"act":"' + b"x" * (1 << 20) + b'"}\n'])
    return _told(ground)


@attack(_FAMILY, "too large")
def journal_without_end(ground: Ground) -> list[Command]:
    """a sparse journal of a terabyte"""
    with (ground.site / _JOURNAL).open("r+b") as stream:
        stream.truncate((64 << 20) + 1)
    return ground.at_site("rollback")


@attack(_FAMILY, "line 3", confined=True)
def journal_of_empty_lines(ground: Ground) -> list[Command]:
    """thirty million empty lines, each of which would take more room in memory"""
    path = ground.site / _JOURNAL
    path.write_bytes(path.read_bytes() + b"\n" * (60 << 20))
    return ground.at_site("history")


@attack(_FAMILY, "not canonical JSON")
def journal_with_garbage_in_front_of_its_end(ground: Ground) -> list[Command]:
    """a torn line that is not the last one"""
    *lines, last = _lines(ground)
    _write(ground, [*lines, last[:40] + bytes(30) + b"\n", last])
    return _told(ground)
