"""`airlock import`: other tools' locks, made with these tools (tests/foreign.py), keep their pins."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from airlock.connected.poetry import Untold, poetry_requirements, specifier
from tests.commands import Shell
from tests.foreign import FOREIGN, PINS, new_world, old_world
from tests.index_server import Index
from tests.lock_shell import index, lock_text, place, shell
from tests.locking import Workplace
from tests.wheel_factory import make_wheel

__all__ = ["index", "place", "shell"]

ASKED = {"app>=1", "site[fast]<3", 'wincolor; sys_platform == "win32"'}
FILES = {
    "uv/uv.lock": ASKED,
    "poetry/poetry.lock": {"app>=1,<2", "site[fast]<3", "wincolor; sys_platform == 'win32'"},
    "pdm/pdm.lock": ASKED,
    "pip-compile/requirements.txt": ASKED,
    "uv-export/pylock.toml": ASKED,
    "pip-lock/pylock.toml": {"app", "http", "site", "speed"},
    "uv-export/requirements.txt": {
        "app==1.0",
        "http==1.0",
        "site==2.0",
        "speed==1.0",
        "wincolor==1.0 ; sys_platform == 'win32'",
    },
}


def project(shell: Shell, index: Index, fixture: str, directory: Path) -> Shell:
    """A copy of the fixture's folder, with pip configured for the index, as users have it."""
    shutil.copytree((FOREIGN / fixture).parent, directory, dirs_exist_ok=True)
    environment = {**shell.environment, "PIP_INDEX_URL": index.simple}
    return Shell(directory=directory, environment=environment)


def pins(place: Workplace) -> dict[str, str]:
    return {row["name"]: row["version"] for row in tomllib.loads(lock_text(place))["artifacts"]}


@pytest.mark.parametrize("fixture", FILES)
def test_pins_are_kept_though_there_is_something_newer(
    shell: Shell, place: Workplace, index: Index, fixture: str
) -> None:
    index.add(*old_world(), *new_world())
    shell = project(shell, index, fixture, place.directory)
    shell.airlock("import", Path(fixture).name)
    manifest = tomllib.loads((place.directory / "airlock.toml").read_text())
    asked = {one.replace("'", '"') for one in manifest["python"]["requirements"]}
    assert asked == {one.replace("'", '"') for one in FILES[fixture]}
    assert "source" not in manifest["python"]
    shell.airlock("lock", "-q")
    assert pins(place) == PINS
    assert "seeds" not in lock_text(place)


@pytest.mark.parametrize(
    "fixture",
    ["pdm/pdm.lock", "uv-export/requirements.txt", "pip-lock/pylock.toml"],
)
def test_a_file_with_other_bytes_than_the_other_tool_locked_is_refused_by_name(
    shell: Shell, place: Workplace, index: Index, fixture: str
) -> None:
    index.add(*(wheel for wheel in old_world() if wheel.name != "http"))
    index.add(make_wheel("http", "1.0", files={"http.py": b"print('owned')\n"}))
    shell = project(shell, index, fixture, place.directory)
    shell.airlock("import", Path(fixture).name, "-q")
    refused = shell.airlock("lock", code=5)
    assert refused.stderr.startswith(
        f"error: {Path(fixture).name}: http 1.0: the index offers another http-1.0-py3-none-any.whl than it has"
    )
    assert "-P http" in refused.stderr
    shell.airlock("lock", "-q", "-P", "http")


def test_a_manifest_that_is_there_gets_what_it_lacks_and_keeps_the_rest(
    shell: Shell, place: Workplace, index: Index
) -> None:
    index.add(*old_world(), *new_world())
    shell = project(shell, index, "uv/uv.lock", place.directory)
    (place.directory / "airlock.toml").write_text(place.text('requirements = [\n  "app>=1,<9",  # ours\n]\n'))
    told = json.loads(shell.airlock("import", "uv.lock", "--json").stdout)
    assert [one.split("[")[0].split(";")[0].strip() for one in told["added"]] == ["site", "wincolor"]
    assert '"app>=1,<9",  # ours' in (place.directory / "airlock.toml").read_text()
    shell.airlock("lock", "-q")
    assert pins(place) == PINS


def test_a_lock_with_nothing_but_pins_to_start_from_is_not_built(
    shell: Shell, place: Workplace, index: Index
) -> None:
    shell = project(shell, index, "uv/uv.lock", place.directory)
    shell.airlock("import", "-q", "uv.lock")
    assert "not locked yet" in shell.airlock("build", code=2).stderr
    assert "seeds" in shell.airlock("lock", "--check", code=3).stderr


def test_what_comes_from_no_index_is_left_out_by_name(shell: Shell, place: Workplace, index: Index) -> None:
    (place.directory / "uv.lock").write_text(
        'version = 1\n[[package]]\nname = "lib"\nversion = "1.0"\nsource = { git = "https://git.example/lib" }\n'
        '[[package]]\nname = "app"\nversion = "1.0"\nsource = { registry = "https://index.example" }\n'
    )
    outcome = shell.airlock("import", "uv.lock")
    assert "uv.lock: lib is left out: it comes from git, not from an index" in outcome.stderr
    assert "nothing says which of these were asked for" in outcome.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Pipfile.lock", "{}", "not a lock that can be told by its name"),
        ("uv.lock", "[[package]\n", "uv.lock: not valid TOML"),
        ("uv.lock", "[[package]]\nversion = '1'\n", r"uv.lock: package\[0\].name: missing"),
        ("pylock.toml", "lock-version = '1.0'\n", "pylock.toml: not a lock file of PEP 751"),
        ("pdm.lock", "package = 7\n", "pdm.lock: package: expected an array"),
    ],
)
def test_a_file_that_is_no_lock_is_told_with_its_place(
    shell: Shell, place: Workplace, name: str, text: str, message: str
) -> None:
    import re

    (place.directory / name).write_text(text)
    assert re.search(message, shell.airlock("import", name, code=2).stderr)
    assert not (place.directory / "airlock.toml").exists()


@pytest.mark.parametrize(
    ("poetry", "expected"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^1", ">=1,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("*", ""),
        ("1.2.*", "==1.2.*"),
        ("1.2.3", "==1.2.3"),
        (">= 1.2, < 2", ">=1.2,<2"),
        ("~=1.2", "~=1.2"),
    ],
)
def test_poetrys_versions_in_the_terms_of_pep_440(poetry: str, expected: str) -> None:
    assert specifier(poetry) == expected


def test_what_pep_508_cannot_say_is_told() -> None:
    table = {
        "python": "^3.11",
        "a": {"git": "https://git.example/a"},
        "b": {"version": "^1", "optional": True},
        "c": [{"version": "1.*", "python": "<3.12"}, {"version": "^2", "python": ">=3.12"}],
        "d": "1 || 2",
    }
    found = [(name, told if isinstance(told, str) else "") for name, told in poetry_requirements(table)]
    assert found == [
        ("a", ""),
        ("c", "c==1.*; python_version < '3.12'"),
        ("c", "c>=2,<3; python_version >= '3.12'"),
        ("d", ""),
    ]
    assert any(isinstance(told, Untold) for _, told in poetry_requirements(table))
