"""`docs/threat-model.md` points to tests that exist, and lists every attack."""

import re
from pathlib import Path

import pytest

from tests.attacks.__main__ import listed
from tests.attacks.ground import ATTACKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
POINTED = sorted(set(re.findall(r"`attack ([\w-]+)`", PAGE)))


def test_it_lists_every_attack() -> None:
    """`python -m tests.attacks` writes the list."""
    between = PAGE.partition("<!-- attacks -->\n")[2].partition("<!-- /attacks -->")[0]
    assert between.strip() == listed().strip()


def test_the_number_of_attacks_is_told() -> None:
    assert f"{len(ATTACKS)} attacks" in PAGE


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_it_points_to_exists(file: str, name: str) -> None:
    assert f"\ndef {name}(" in (ROOT / file).read_text()


@pytest.mark.parametrize("name", POINTED)
def test_an_attack_that_it_points_to_exists(name: str) -> None:
    assert name in ATTACKS


def test_every_guarantee_points_to_something() -> None:
    guarantees = PAGE.partition("## What is guaranteed")[2].partition("\n## ")[0]
    rows = [line for line in guarantees.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) > 10
    assert [row for row in rows if "`tests/" not in row and "`attack " not in row] == []
