"""`airlock init`: a commented `airlock.toml` that says what the project's own files already say."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tomlkit
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airlock.connected.requirements import parse_requirement, read_requirements
from airlock.core.fields import Fields
from airlock.errors import UsageError

FIRST_VERSION = "0.1.0"

_TEMPLATE = """\
# What airlock carries across the gap. `airlock lock` pins every byte of it, `airlock build` makes a bundle for each target.

[project]
name = ""
version = ""  # the release; raise it for each one that crosses the gap

# A kind of machine on the far side: one [[target]] for each.
[[target]]
name = "default"
python = ""  # the Python that is there, as 3.11 or 3.11.4
platform = ""  # the oldest C library that is there: manylinux_2_28 is that of RHEL 8 and Debian 11
# prefix = "/opt/app"  # where it will be installed, if that is known
# values = { site = "north" }  # for this target's configuration, as {{ values.site }}

[python]
# What the application needs, as pip would be told (PEP 508). `airlock add` and `airlock remove` edit this list.
requirements = []
# Versions for what the requirements bring with them.
constraints = []
# exclude-newer = 2026-08-01T00:00:00Z  # packages uploaded later do not exist
source = "."  # the project itself, built to a wheel

# Another index, and what comes from it.
# [[index]]
# name = "corp"
# url = "https://index.example/simple/"
# [python.sources]
# acme-core = "corp"

# A file as it is, from here or from a URL with its sha256.
# [[file]]
# path = "files/banner.txt"
# destination = "share/banner.txt"
# mode = "0644"

# Configuration, rendered for each target by Jinja2.
# [[config]]
# template = "config/app.toml.j2"
# destination = "etc/app.toml"
# [config.variables]
# workers = 4

# A container image, handed on to podman after the switch.
# [[image]]
# reference = "registry.example/plant/app:1.0"
# deliver = "podman"

# Run after the switch to a new generation; where it fails, the old one comes back.
# [hooks.health]
# command = ["app", "--self-test"]
# timeout = 30
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine that the command runs on, as a first guess at a target."""

    python: str
    """As `3.11`."""
    machine: str
    """As `x86_64`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the project says already. What its own tree (`source`) needs comes with its wheel, and is not said again."""

    name: str
    version: str
    requirements: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    """Of its own tree, for one that is not to be built."""
    constraints: tuple[str, ...] = ()
    source: bool = False
    taken_from: str | None = None
    warnings: tuple[str, ...] = ()


def find(directory: Path) -> Found:
    """Look into `pyproject.toml`, else `requirements.in`, else `requirements.txt`. Raises UsageError with the place of
    what cannot be taken over."""
    if project := _project_table(directory / "pyproject.toml"):
        return _from_project(project, directory)
    for name in ("requirements.in", "requirements.txt"):
        if (path := directory / name).is_file():
            return _from_requirements(path, directory)
    return Found(name=_name(directory), version=FIRST_VERSION)


def compose(found: Found, host: Host) -> str:
    """The text of `airlock.toml`."""
    document = tomlkit.parse(_TEMPLATE)
    project, python, target = document.item("project"), document.item("python"), document.item("target")
    assert isinstance(project, dict) and isinstance(python, dict) and isinstance(target, list)
    project.update(name=found.name, version=found.version)
    target[0].update(python=host.python, platform=_platform(host.machine))
    python["requirements"] = _array(found.requirements)
    if found.constraints:
        python["constraints"] = _array(found.constraints)
    if not found.source:
        del python["source"]
    return tomlkit.dumps(document)


def _array(items: Sequence[str]) -> tomlkit.items.Array:
    array = tomlkit.array()
    array.extend(items)
    return array.multiline(bool(items))


def _platform(machine: str) -> str:
    return f"manylinux_2_28_{'aarch64' if machine in ('aarch64', 'arm64') else 'x86_64'}"


def _name(directory: Path) -> str:
    name = canonicalize_name(directory.resolve().name)
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in name)
    return canonicalize_name(kept.strip("-")) or "app"


def _project_table(path: Path) -> Fields | None:
    if not path.is_file():
        return None
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(path.name, f"not valid TOML, {error}") from error
    fields = Fields(document, path.name, UsageError)
    return fields.table("project") if "project" in fields else None


def _from_project(project: Fields, directory: Path) -> Found:
    dynamic = project.texts("dynamic", ())
    dependencies = project.texts("dependencies", ())
    for number, text in enumerate(dependencies):
        parse_requirement(text, f"{project.where}: project.dependencies[{number}]")
    version, warnings = project.text("version", FIRST_VERSION), []
    if "version" in dynamic:
        warnings.append(f"{project.where}: the version is dynamic: set [project] version in airlock.toml")
    if "dependencies" in dynamic:
        warnings.append(f"{project.where}: the dependencies are dynamic: they come with the project's wheel")
    return Found(
        name=canonicalize_name(project.text("name", directory.resolve().name)),
        version=_version(version, f"{project.where}: project.version"),
        dependencies=dependencies,
        source=True,
        taken_from=project.where,
        warnings=tuple(warnings),
    )


def _version(text: str, where: str) -> str:
    try:
        return str(Version(text))
    except InvalidVersion as error:
        raise UsageError(where, f"not a PEP 440 version: {text!r}") from error


def _from_requirements(path: Path, directory: Path) -> Found:
    collected = read_requirements(path)
    return Found(
        name=_name(directory),
        version=FIRST_VERSION,
        requirements=tuple(collected.requirements),
        constraints=tuple(collected.constraints),
        taken_from=path.name,
        warnings=tuple(collected.warnings),
    )
