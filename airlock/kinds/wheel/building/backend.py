"""What a source tree says of its build (`[build-system]`, PEP 517 and 518)."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from airlock.errors import ResolutionError

_LEGACY = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...]
    dynamic: bool
    """Whether no version stands in the project's metadata, so that the backend has to find one."""


def read_build_system(tree: Path, label: str) -> BuildSystem:
    """Raises ResolutionError where the tree is no project, or says what cannot be meant."""
    try:
        document = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = {}
        if not (tree / "setup.py").is_file():
            hint = "a project has a pyproject.toml or a setup.py at its top"
            raise ResolutionError(label, "is no Python project", hint=hint) from None
    except (ValueError, OSError, RecursionError) as error:
        raise ResolutionError(f"{label}: pyproject.toml", f"cannot be read, {error}") from error
    project = document.get("project")
    dynamic = not (isinstance(project, dict) and "version" in project)
    where = f"{label}: pyproject.toml: build-system"
    return _build_system(document.get("build-system", _LEGACY), dynamic, where)


def _build_system(table: Any, dynamic: bool, where: str) -> BuildSystem:
    if not isinstance(table, dict):
        raise ResolutionError(where, "expected a table")
    backend = table.get("build-backend", _LEGACY["build-backend"])
    if not isinstance(backend, str):
        raise ResolutionError(f"{where}.build-backend", "expected a string")
    return BuildSystem(
        requires=requirements(_texts(table, "requires", where, required=True), f"{where}.requires"),
        backend=backend,
        backend_path=_texts(table, "backend-path", where, required=False),
        dynamic=dynamic,
    )


def _texts(table: dict[str, Any], key: str, where: str, *, required: bool) -> tuple[str, ...]:
    value = table.get(key, None if required else [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ResolutionError(f"{where}.{key}", "expected an array of strings")
    return tuple(value)


def requirements(texts: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Sorted and each once. Raises ResolutionError for what is no requirement, or has a URL."""
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise ResolutionError(where, f"not a requirement (PEP 508): {text!r}") from error
        if requirement.url:
            raise ResolutionError(where, f"tools come from an index, not from a URL: {text!r}")
    return tuple(sorted(set(texts)))
