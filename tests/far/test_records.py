"""What a site remembers: generation records and the journal."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.digest import digest_of
from airlock.errors import IntegrityError
from airlock.formats.generation import parse_generation, write_generation
from airlock.formats.journal import (
    ACTS,
    LAST,
    MAX_DETAIL,
    OUTCOMES,
    START,
    Act,
    next_line,
    parse_act,
    parse_journal,
    write_act,
)

HERE = Path(__file__).parents[2]
SCHEMA = json.loads((HERE / "schema/generation.json").read_text())
LINE = json.loads((HERE / "schema/journal.json").read_text())
FIXTURES = HERE / "fixtures/generation"
JOURNALS = HERE / "fixtures/journal"


@pytest.mark.parametrize("path", sorted((FIXTURES / "valid").iterdir()), ids=lambda path: path.stem)
def test_parser_and_schema_take_a_good_record(path: Path) -> None:
    data = path.read_bytes()
    jsonschema.validate(json.loads(data), SCHEMA)
    assert write_generation(parse_generation(data, path.name)) == data


@pytest.mark.parametrize("path", sorted((FIXTURES / "invalid").iterdir()), ids=lambda path: path.stem)
def test_parser_and_schema_refuse_a_bad_record(path: Path) -> None:
    data = path.read_bytes()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(data), SCHEMA)
    with pytest.raises(IntegrityError, match=path.name):
        parse_generation(data, path.name)


def rows_of(path: Path) -> list[Any]:
    return [json.loads(row) for row in path.read_bytes().splitlines()]


@pytest.mark.parametrize("path", sorted((JOURNALS / "valid").iterdir()), ids=lambda path: path.stem)
def test_parser_and_schema_take_a_good_journal(path: Path) -> None:
    for row in rows_of(path):
        jsonschema.validate(row, LINE)
    journal = parse_journal(path.read_bytes(), path.name)
    assert journal_of(*journal.acts) == path.read_bytes()


@pytest.mark.parametrize("path", sorted((JOURNALS / "invalid").iterdir()), ids=lambda path: path.stem)
def test_parser_and_schema_refuse_a_bad_line(path: Path) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(rows_of(path)[0], LINE)
    with pytest.raises(IntegrityError, match=f"{path.name}: line 1"):
        parse_journal(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    "path", sorted((JOURNALS / "invalid-beyond-schema").iterdir()), ids=lambda path: path.stem
)
def test_the_chain_is_what_a_schema_cannot_say(path: Path) -> None:
    for row in rows_of(path):
        jsonschema.validate(row, LINE)
    with pytest.raises(IntegrityError, match=path.name):
        parse_journal(path.read_bytes(), path.name)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=9)
NUMBERS = st.integers(0, 1 << 40)
ACT = st.builds(
    Act,
    act=st.sampled_from(ACTS),
    time=st.integers(0, LAST),
    outcome=st.sampled_from(OUTCOMES),
    user=NAMES,
    keys=st.sets(NAMES.filter(bool), max_size=3).map(lambda keys: tuple(sorted(keys))),
    file=NAMES,
    project=NAMES,
    version=NAMES,
    index=st.none() | st.binary().map(digest_of),
    release=NUMBERS,
    before=NUMBERS,
    after=NUMBERS,
    removed=st.sets(st.integers(1, 99), max_size=3).map(lambda numbers: tuple(sorted(numbers))),
    detail=st.text(st.characters(codec="utf-8"), max_size=30),
)


def journal_of(*acts: Act) -> bytes:
    data = b""
    for act in acts:
        data += next_line(parse_journal(data, "journal"), act)
    return data


@given(st.lists(ACT, max_size=4))
def test_a_journal_is_read_as_it_was_written(acts: list[Act]) -> None:
    data = journal_of(*acts)
    journal = parse_journal(data, "journal")
    assert journal.acts == tuple(acts)
    assert [line.number for line in journal.lines] == list(range(1, len(acts) + 1))
    assert journal.head == (digest_of(data.splitlines(keepends=True)[-1]) if acts else START)
    assert (journal.size, journal.torn) == (len(data), b"")
    for row in data.splitlines():
        jsonschema.validate(json.loads(row), LINE)


@given(st.lists(ACT, min_size=1, max_size=4), st.data())
def test_any_change_of_a_byte_breaks_the_chain_or_is_a_torn_end(acts: list[Act], data: st.DataObject) -> None:
    """And then the head is another one."""
    good = journal_of(*acts)
    place = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != good[place]))
    try:
        found = parse_journal(good[:place] + bytes([byte]) + good[place + 1 :], "journal")
    except IntegrityError:
        return
    assert found.head != parse_journal(good, "journal").head
    assert len(found.lines) >= len(acts) - 1, "only the last line may be taken for a torn one"


@given(st.lists(ACT, min_size=1, max_size=3), ACT, st.data())
def test_what_a_power_cut_leaves_of_a_line_is_set_aside(
    acts: list[Act], last: Act, data: st.DataObject
) -> None:
    whole = journal_of(*acts)
    line = next_line(parse_journal(whole, "journal"), last)
    cut = data.draw(st.integers(0, len(line) - 1))
    hole = data.draw(st.sampled_from([b"", bytes(len(line) - cut), bytes(9)]))
    found = parse_journal(whole + line[:cut] + hole, "journal")
    assert (found.acts, found.size, found.torn) == (tuple(acts), len(whole), line[:cut] + hole)
    early = max(cut, 1)
    found = parse_journal(whole + bytes(early) + line[early:], "journal")
    assert found.acts == tuple(acts), "a first block that was not written"


@given(ACT, st.sampled_from(("", *OUTCOMES)), st.data())
def test_an_act_that_is_under_way_is_read_as_it_was_written(
    act: Act, outcome: str, data: st.DataObject
) -> None:
    line = write_act(act)
    assert parse_act(line, "switch") == act
    with pytest.raises(IntegrityError):
        parse_act(line[: data.draw(st.integers(0, len(line) - 1))], "switch")


def test_a_bad_line_of_the_journal_is_named() -> None:
    with pytest.raises(IntegrityError, match="journal: line 1"):
        parse_journal(b"{}\n", "journal")


def test_hostile_names_and_long_details_are_written_so_that_they_can_be_read() -> None:
    act = Act(act="verify", time=1, outcome="refused", file="a\x1b[2J\udcff", detail="\udcff" * 9000)
    found = parse_journal(journal_of(act), "journal").acts[0]
    assert found.file == "a\\x1b[2J\\udcff"
    assert len(found.detail) == MAX_DETAIL


def test_a_line_is_found_by_its_digest_however_it_is_read_out() -> None:
    journal = parse_journal(
        journal_of(*(Act(act="build", time=time, outcome="done") for time in range(3))), "journal"
    )
    second = journal.lines[1]
    digits = second.digest.removeprefix("sha256:")
    for spelling in (
        second.digest,
        digits[:16],
        " ".join(digits[n : n + 4] for n in range(0, 16, 4)).upper(),
    ):
        assert journal.holding(spelling) == second
    assert journal.holding("0" * 16) is None
    for wrong in ("", digits[:15], "x" * 16):
        with pytest.raises(ValueError, match="at least 16 hex digits"):
            journal.holding(wrong)
