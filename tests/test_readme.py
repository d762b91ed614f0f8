"""README tells what the program tells."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from airlock import cli
from airlock.formats.manifest import parse_manifest
from airlock.kinds.registry import sections
from airlock.kinds.wheel.section import read_section
from tests.test_schema import as_json

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MANIFEST = (ROOT / "docs" / "manifest.md").read_text()


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


def test_the_examples_of_the_manifest_page_are_one_valid_manifest() -> None:
    examples = "\n".join(re.findall(r"```toml\n(.*?)```", MANIFEST, re.DOTALL))
    manifest = parse_manifest(examples.encode(), "manifest.md", sections())
    section = read_section(manifest, "manifest.md")
    assert [declared.target.name for declared in manifest.targets] == ["plant", "ship"]
    assert len(section.references()) == 3
    schema = json.loads((ROOT / "schema" / "manifest.json").read_text())
    assert Draft202012Validator(schema).is_valid(as_json(tomllib.loads(examples)))


def test_the_manifest_page_names_every_key() -> None:
    """Those of the schema, two levels deep."""
    schema = json.loads((ROOT / "schema" / "manifest.json").read_text())
    for name, table in schema["properties"].items():
        inner = table.get("items", table)
        inner = schema["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        for key in (name, *inner.get("properties", {})):
            assert re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", MANIFEST), f"{name}.{key}"


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
