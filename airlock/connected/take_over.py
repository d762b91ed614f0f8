"""`airlock import`: the pins of another tool's lock, and the manifest that they answer."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airlock.connected.edit import Edited, add_requirements
from airlock.connected.foreign_locks import Foreign
from airlock.connected.init import Found, Host, compose, find
from airlock.connected.poetry import Untold, poetry_requirements
from airlock.core.artifact import Project
from airlock.core.codecs import best_set
from airlock.errors import UsageError
from airlock.formats.lockfile import Lockfile


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    manifest: str
    """The text of airlock.toml."""
    added: tuple[str, ...]
    """Requirements that were not in it."""
    warnings: tuple[str, ...]


def take_over(foreign: Foreign, directory: Path, existing: str | None, where: str, host: Host) -> TakenOver:
    """`existing` is the text of airlock.toml, if there is one, which gets what it lacks. Raises UsageError."""
    found, warnings = _asked(foreign, directory)
    if existing is None:
        return TakenOver(manifest=compose(found, host), added=found.requirements, warnings=warnings)
    edited = _amended(existing, found.requirements, where)
    added = tuple(str(edit.after) for edit in edited.edits)
    return TakenOver(manifest=edited.text, added=added, warnings=warnings)


def _amended(text: str, requirements: tuple[str, ...], where: str) -> Edited:
    """What the manifest says of a project already stays as it is."""
    section = tomllib.loads(text).get("python")
    listed = section.get("requirements", ()) if isinstance(section, dict) else ()
    known = {canonicalize_name(Requirement(one).name) for one in listed}
    fresh = [one for one in requirements if canonicalize_name(Requirement(one).name) not in known]
    return add_requirements(text, fresh, where)


def _asked(foreign: Foreign, directory: Path) -> tuple[Found, tuple[str, ...]]:
    """What was asked for: by the file itself, else by the pyproject.toml beside it, else every pin by its name."""
    pyproject = _pyproject(directory)
    found = find(directory) if "project" in pyproject else Found(name=find(directory).name, version="0.1.0")
    warnings = [*foreign.warnings, *found.warnings]
    if "build-system" not in pyproject:
        found = replace(found, source=False, requirements=found.dependencies)
    if poetry := pyproject.get("tool", {}).get("poetry"):
        found = _with_poetry(found, poetry, warnings)
    told = found.requirements or found.source
    if foreign.tool == "requirements" or (foreign.requirements is not None and not told):
        found = replace(found, requirements=foreign.requirements or ())
    if foreign.tool == "requirements":
        found = replace(found, source=False)
    if "build-system" not in pyproject:
        found = replace(found, source=False)
    if not found.requirements and not found.source:
        names = sorted({seed.name for seed in foreign.seeds})
        warnings.append("nothing says which of these were asked for: airlock.toml asks for each of them")
        found = replace(found, requirements=tuple(names))
    return found, tuple(warnings)


def _pyproject(directory: Path) -> Mapping[str, Any]:
    path = directory / "pyproject.toml"
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(path.name, f"not valid TOML, {error}") from error


def _with_poetry(found: Found, poetry: Mapping[str, Any], warnings: list[str]) -> Found:
    requirements = list(found.requirements)
    for name, told in poetry_requirements(poetry.get("dependencies", {})):
        if isinstance(told, Untold):
            warnings.append(f"pyproject.toml: {name} is left out: {told}")
        elif not any(
            canonicalize_name(Requirement(one).name) == canonicalize_name(name) for one in found.requirements
        ):
            requirements.append(told)
    name = canonicalize_name(str(poetry.get("name", found.name)))
    version = str(poetry.get("version", found.version))
    source = found.source or poetry.get("package-mode", True) is True
    return replace(found, name=name, version=version, requirements=tuple(requirements), source=source)


def seeded_lock(foreign: Foreign, previous: Lockfile | None, project: Project) -> Lockfile:
    """The lock that the next `airlock lock` starts from."""
    if previous is not None:
        return replace(previous, seeds=foreign.seeds)
    from airlock.storage.frames import DEFAULT_LEVEL, this_encoder

    return Lockfile(
        project=project,
        encoder=this_encoder(DEFAULT_LEVEL, best_set()),
        inputs={},
        targets=(),
        health=None,
        artifacts=(),
        seeds=foreign.seeds,
    )
