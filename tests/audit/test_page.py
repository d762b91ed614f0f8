"""docs/audit.md names what there is."""

import re
from pathlib import Path

from airlock.formats.rules import CLASSES, RULES

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()


def test_it_has_every_rule_with_its_severity() -> None:
    told = re.findall(r"^\| `([a-z]+/[a-z-]+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert told == [(rule.name, rule.severity, rule.summary) for rule in RULES.values()]


def test_it_has_every_exit_code() -> None:
    told = re.findall(r"^\| (\d+) \| `([a-z]+)` \|$", PAGE, re.MULTILINE)
    assert {name: int(code) for code, name in told} == dict(CLASSES)
