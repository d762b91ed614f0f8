"""airlock's own lock says what airlock needs."""

import tomllib
from pathlib import Path

from airlock.connected.lock import differing, inputs
from airlock.formats.lockfile import parse_lockfile
from airlock.formats.manifest import parse_manifest
from airlock.kinds.registry import sections

ROOT = Path(__file__).parents[2]


def test_the_manifest_asks_for_the_dependencies_of_the_package() -> None:
    asked = tomllib.loads((ROOT / "airlock.toml").read_text())["python"]["requirements"]
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert sorted(asked) == sorted(needed), "then `airlock lock` and `just golden --write`"


def test_the_lock_answers_the_manifest() -> None:
    manifest = parse_manifest((ROOT / "airlock.toml").read_bytes(), "airlock.toml", sections(), ROOT)
    lockfile = parse_lockfile((ROOT / "airlock.lock").read_bytes(), "airlock.lock")
    assert differing(inputs(manifest, "airlock.toml", ROOT), lockfile) == (), "run `airlock lock`"
