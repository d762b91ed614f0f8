"""Make `fixtures/foreign/` again with the real tools, against an index on the loopback:

    python -m tests.foreign --poetry PATH --pdm PATH

uv and pip are those of this environment. Nothing of the machine or of the index's address stays in the files.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.index_server import Index, serving
from tests.wheel_factory import Wheel, make_wheel

FOREIGN = Path(__file__).parents[1] / "fixtures" / "foreign"
DEPENDENCIES = ["app>=1", "site[fast]<3", "wincolor; sys_platform == 'win32'"]
PINS = {"app": "1.0", "http": "1.0", "site": "2.0", "speed": "1.0"}
"""What every fixture pins for Linux."""

PROJECT = f"""\
[project]
name = "plant-tools"
version = "1.0"
requires-python = ">=3.11"
dependencies = {DEPENDENCIES}
"""
POETRY = """\
[tool.poetry]
name = "plant-tools"
version = "1.0"
description = ""
authors = []
package-mode = false

[tool.poetry.dependencies]
python = "^3.11"
app = "^1"
site = { version = "<3", extras = ["fast"] }
wincolor = { version = "*", markers = "sys_platform == 'win32'" }
"""


def old_world() -> list[Wheel]:
    """What there was when the other tools locked."""
    return [
        make_wheel("app", "1.0", requires=["http>=1"], stored=True),
        make_wheel("http", "1.0", stored=True),
        make_wheel("site", "2.0", requires=["http", "speed; extra == 'fast'"], extras=["fast"], stored=True),
        make_wheel("speed", "1.0", stored=True),
        make_wheel("wincolor", "1.0", stored=True),
    ]


def new_world() -> list[Wheel]:
    """What was published since."""
    return [
        make_wheel(name, version, stored=True)
        for name, version in (("app", "1.5"), ("http", "2.0"), ("site", "2.5"), ("speed", "3.0"))
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--poetry", required=True)
    parser.add_argument("--pdm", required=True)
    arguments = parser.parse_args()
    index = Index(metadata="advertised")
    index.add(*old_world(), upload_time="2026-01-01T00:00:00Z")
    with serving(index), tempfile.TemporaryDirectory() as folder:
        for name in ("uv", "poetry", "pdm", "pip-lock", "pip-compile", "uv-export"):
            place = Path(folder, name)
            place.mkdir()
            _MAKERS[name](place, index, arguments)
            _keep(place, FOREIGN / name, index)


def _run(place: Path, *command: str) -> None:
    clean = {"PATH": os.environ["PATH"], "HOME": str(place.parent), "UV_NO_CONFIG": "1"}
    clean |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(command, cwd=place, check=True, env=clean)


def _uv(place: Path, index: Index, _: argparse.Namespace) -> None:
    (place / "pyproject.toml").write_text(PROJECT)
    _run(place, "uv", "lock", "--default-index", index.simple)


def _uv_export(place: Path, index: Index, arguments: argparse.Namespace) -> None:
    _uv(place, index, arguments)
    _run(place, "uv", "export", "-q", "--format", "pylock.toml", "-o", "pylock.toml")
    _run(place, "uv", "export", "-q", "--format", "requirements.txt", "-o", "requirements.txt")
    (place / "uv.lock").unlink()


def _poetry(place: Path, index: Index, arguments: argparse.Namespace) -> None:
    source = f'\n[[tool.poetry.source]]\nname = "corp"\nurl = "{index.simple}"\npriority = "primary"\n'
    (place / "pyproject.toml").write_text(POETRY + source)
    _run(place, arguments.poetry, "lock")
    (place / "pyproject.toml").write_text(POETRY)


def _pdm(place: Path, index: Index, arguments: argparse.Namespace) -> None:
    source = f'\n[[tool.pdm.source]]\nname = "pypi"\nurl = "{index.simple}"\n'
    (place / "pyproject.toml").write_text(PROJECT + source)
    _run(place, arguments.pdm, "lock")
    (place / "pyproject.toml").write_text(PROJECT)


def _pip_lock(place: Path, index: Index, _: argparse.Namespace) -> None:
    (place / "requirements.in").write_text("\n".join(DEPENDENCIES) + "\n")
    options = ("--index-url", index.simple, "-r", "requirements.in", "-o", "pylock.toml")
    _run(place, sys.executable, "-m", "pip", "lock", "-q", *options)
    (place / "requirements.in").unlink()


def _pip_compile(place: Path, index: Index, _: argparse.Namespace) -> None:
    (place / "requirements.in").write_text("\n".join(DEPENDENCIES) + "\n")
    options = ("--no-emit-index-url", "--strip-extras", "--no-header", "--index-url", index.simple)
    _run(place, sys.executable, "-m", "piptools", "compile", "-q", *options, "requirements.in")


_MAKERS = {
    "uv": _uv,
    "uv-export": _uv_export,
    "poetry": _poetry,
    "pdm": _pdm,
    "pip-lock": _pip_lock,
    "pip-compile": _pip_compile,
}


def _keep(place: Path, fixture: Path, index: Index) -> None:
    shutil.rmtree(fixture, ignore_errors=True)
    fixture.mkdir(parents=True)
    for path in sorted(place.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            text = (
                path.read_text().replace(index.url, "https://index.example").replace(str(place), "/project")
            )
            (fixture / path.name).write_text(re.sub(r"(?m)^--(find-links|trusted-host).*\n", "", text))


if __name__ == "__main__":
    main()
