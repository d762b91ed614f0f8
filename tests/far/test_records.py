"""What a site remembers: generation records and the journal."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.core.digest import digest_of
from airlock.errors import IntegrityError
from airlock.formats.generation import parse_generation, write_generation
from airlock.formats.journal import ACTS, OUTCOMES, Act, parse_act, parse_journal, write_act, write_journal

HERE = Path(__file__).parents[2]
SCHEMA = json.loads((HERE / "schema/generation.json").read_text())
FIXTURES = HERE / "fixtures/generation"


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


ACT = st.builds(
    Act,
    act=st.sampled_from(ACTS),
    time=st.integers(0, 1 << 40),
    before=st.integers(0, 1000),
    after=st.integers(0, 1000),
    version=st.text(st.characters(codec="utf-8"), max_size=9),
    index=st.binary().map(digest_of),
    release=st.integers(0, 1 << 40),
    outcome=st.sampled_from((*OUTCOMES, "")),
    detail=st.text(st.characters(codec="utf-8")),
)


@given(st.lists(ACT, max_size=4))
def test_a_journal_is_read_as_it_was_written(acts: list[Act]) -> None:
    assert parse_journal(write_journal(acts), "journal") == tuple(acts)


@given(ACT, st.data())
def test_an_act_that_was_cut_is_refused(act: Act, data: st.DataObject) -> None:
    line = write_act(act)
    with pytest.raises(IntegrityError):
        parse_act(line[: data.draw(st.integers(0, len(line) - 1))], "journal")


def test_a_bad_line_of_the_journal_is_named() -> None:
    with pytest.raises(IntegrityError, match="journal: line 1"):
        parse_journal(b"{}\n", "journal")
