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


@pytest.mark.parametrize(
    "command",
    [
        ("verify", "no.airlock", "--trust", "README.md"),
        ("verify", "README.md", "--trust", "no.json"),
        ("install", "no.airlock", "--root", "site"),
        ("update", "no.airdelta", "--root", "site"),
        ("apply", "no.airlock", "README.md", "-o", "new"),
        ("inspect", "no.lock"),
        ("diff", "README.md", "no.lock"),
        ("export", "no.airlock", "--wheels", "w"),
        ("sign", "no.airlock", "--key", "README.md"),
        ("build", "--check", "no.airlock"),
    ],
)
def test_a_file_that_is_not_there_is_a_mistake_of_the_command_line(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command) == 2
    assert "no such file: 'no." in capsys.readouterr().err
