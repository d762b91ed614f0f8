"""How each tool is asked for a lock, and what it locked."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.index_server import Index
from tests.locking import Workplace

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
HERE = ("here", PYTHON, "manylinux_2_17_x86_64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command and what was there after it."""

    place: Path
    code: int
    output: str
    pins: Mapping[str, list[str]]
    lock: str
    """The lock's text, empty where there is none."""

    def has(self, name: str, version: str) -> bool:
        return self.code == 0 and self.pins.get(name) == [version]


@dataclass(slots=True, kw_only=True)
class Project:
    """What a row asks of every tool. In texts and arguments `{index}`, `{other}` and `{place}` are filled in."""

    requirements: Sequence[str]
    text: Mapping[str, str] = field(default_factory=dict)
    """Added to each tool's manifest, by the tool's name."""
    arguments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Added to each tool's command that locks."""
    files: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[tuple[str, str, str], ...] = (HERE,)


class Tool:
    """One tool, in a folder of its own with a home of its own."""

    name = ""
    lockfile = ""
    manifest = "pyproject.toml"

    def __init__(self, program: Sequence[str], place: Path, index: Index, other: Index) -> None:
        self.program, self.place, self.index, self.other = list(program), place, index, other
        place.mkdir(parents=True, exist_ok=True)

    def prepare(self, project: Project) -> None:
        for name, text in project.files.items():
            (self.place / name).write_text(self._filled(text))
        self.write(project, self._filled(project.text.get(self.name, "")))

    def write(self, project: Project, text: str) -> None:
        """The manifest."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What locks."""
        raise NotImplementedError

    def read(self) -> dict[str, list[str]]:
        raise NotImplementedError

    def lock(self, project: Project, *more: str) -> Run:
        self.prepare(project)
        return self.again(project, *more)

    def again(self, project: Project, *more: str) -> Run:
        arguments = [self._filled(one) for one in project.arguments.get(self.name, ())]
        return self.run(*self.command(), *arguments, *more)

    def run(self, *arguments: str) -> Run:
        done = subprocess.run(
            [*self.program, *arguments],
            cwd=self.place,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=170,
        )
        path = self.place / self.lockfile
        lock = path.read_text() if path.exists() else ""
        try:
            pins = self.read() if lock else {}
        except (KeyError, ValueError):
            pins = {}
        output = done.stdout + done.stderr
        return Run(place=self.place, code=done.returncode, output=output, pins=pins, lock=lock)

    def environment(self) -> dict[str, str]:
        home = self.place.parent / f"home-{self.place.name}"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = str(Path(sys.executable).parent)
        return {
            **kept,
            "PATH": f"{own}{os.pathsep}{kept.get('PATH', '')}",
            "HOME": str(home),
            "AIRLOCK_CACHE": str(home / "airlock"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_CONFIG": "0",
            "UV_PYTHON_DOWNLOADS": "never",
            "PDM_CHECK_UPDATE": "0",
            "NO_COLOR": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.com",
        }

    def _filled(self, text: str) -> str:
        words = {"index": self.index.simple, "other": self.other.simple, "place": str(self.place)}
        words["files"] = f"{self.index.url}/files"
        for name, value in words.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _project(self, project: Project) -> str:
        return (
            f'[project]\nname = "plant"\nversion = "1.0"\nrequires-python = ">={PYTHON}"\n'
            f"dependencies = {json.dumps([self._filled(one) for one in project.requirements])}\n"
        )

    def _packages(self, key: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        document: dict[str, Any] = tomllib.loads((self.place / self.lockfile).read_text())
        for row in document.get(key, ()):
            if row["name"] != "plant" and row.get("targets", True) and "version" in row:
                found.setdefault(row["name"], []).append(row["version"])
        return {name: sorted(set(versions)) for name, versions in found.items()}


class Airlock(Tool):
    name, lockfile, manifest = "airlock", "airlock.lock", "airlock.toml"

    def write(self, project: Project, text: str) -> None:
        head, mark, tail = text.partition("[[index]]")
        place = Workplace(
            directory=self.place, index=self.index, cache=self.place / "cache", targets=project.targets
        )
        asked = json.dumps([self._filled(one) for one in project.requirements])
        found = place.text(f"requirements = {asked}\n{head}")
        (self.place / self.manifest).write_text(f"{found}\n{mark}{tail}")

    def command(self) -> list[str]:
        return ["lock"]

    def read(self) -> dict[str, list[str]]:
        return self._packages("artifacts")


class Uv(Tool):
    name, lockfile = "uv", "uv.lock"

    def write(self, project: Project, text: str) -> None:
        (self.place / self.manifest).write_text(self._project(project) + text)

    def command(self) -> list[str]:
        return ["lock", "--default-index", self.index.simple]

    def read(self) -> dict[str, list[str]]:
        return self._packages("package")


class PipTools(Tool):
    name, lockfile, manifest = "pip-tools", "requirements.txt", "requirements.in"

    def write(self, project: Project, text: str) -> None:
        lines = [*(self._filled(one) for one in project.requirements), text]
        (self.place / self.manifest).write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        options = ["--no-header", "--strip-extras", "--no-emit-index-url", "--index-url", self.index.simple]
        return [*options, "--output-file", self.lockfile, self.manifest]

    def read(self) -> dict[str, list[str]]:
        text = (self.place / self.lockfile).read_text()
        return {name: [version] for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", text)}


class Poetry(Tool):
    name, lockfile = "poetry", "poetry.lock"

    def write(self, project: Project, text: str) -> None:
        source = f'[[tool.poetry.source]]\nname = "main"\nurl = "{self.index.simple}"\npriority = "primary"\n'
        mode = "[tool.poetry]\npackage-mode = false\n"
        (self.place / self.manifest).write_text(self._project(project) + mode + source + text)

    def command(self) -> list[str]:
        return ["lock", "-n"]

    def read(self) -> dict[str, list[str]]:
        return self._packages("package")


class Pdm(Tool):
    name, lockfile = "pdm", "pdm.lock"

    def write(self, project: Project, text: str) -> None:
        source = f'[[tool.pdm.source]]\nname = "pypi"\nurl = "{self.index.simple}"\n'
        if "# instead" in text:
            source = ""
        (self.place / self.manifest).write_text(self._project(project) + source + text)

    def command(self) -> list[str]:
        return ["lock"]

    def read(self) -> dict[str, list[str]]:
        return self._packages("package")


TOOLS: tuple[type[Tool], ...] = (Airlock, Uv, PipTools, Poetry, Pdm)
