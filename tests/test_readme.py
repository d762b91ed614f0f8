"""README tells what the program tells."""

import re
import tomllib
from pathlib import Path

import pytest

from airlock import cli
from airlock.formats.manifest import parse_manifest
from airlock.kinds.registry import sections

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_commands_in_the_readme_are_those_of_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    described = re.search(r"<!-- help -->\n(.*)<!-- /help -->", README, re.DOTALL)
    expected = "".join(f"- `airlock {name}`: {summary}\n" for name, summary in cli.COMMANDS.items())
    assert described is not None
    assert described.group(1) == expected


def test_the_manifest_in_the_readme_is_valid() -> None:
    example = re.search(r"## airlock.toml\n\n```toml\n(.*?)```", README, re.DOTALL)
    assert example is not None
    assert tomllib.loads(example.group(1))
    manifest = parse_manifest(
        example.group(1).encode(), "README.md", sections() | {"python", "file", "config"}
    )
    assert manifest.project.name == "plant-gateway"
