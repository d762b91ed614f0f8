"""Dependency groups (PEP 735) of the pyproject.toml beside the manifest."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.dependency_groups import (
    CyclicDependencyGroup,
    DependencyGroupResolver,
    DuplicateGroupNames,
    InvalidDependencyGroupObject,
)
from packaging.requirements import Requirement

from airlock.errors import UsageError

_FAULTS = (
    CyclicDependencyGroup,
    DuplicateGroupNames,
    InvalidDependencyGroupObject,
    ExceptionGroup,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def read_groups(path: Path, names: Iterable[str], where: str) -> list[Requirement]:
    """The requirements of the groups, with what they include. `where` is the place in the manifest that names them. Raises
    UsageError."""
    tables = _tables(path, where)
    try:
        resolver = DependencyGroupResolver(tables)
        return [requirement for name in names for requirement in resolver.resolve(name)]
    except _FAULTS as error:
        raise UsageError(where, f"groups of {path.name} cannot be read: {_said(error)}") from error


def _tables(path: Path, where: str) -> dict[str, list[str | dict[str, str]]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        hint = "dependency groups stand in pyproject.toml below [dependency-groups]"
        raise UsageError(where, f"there is no {path.name} beside the manifest", hint=hint) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(where, f"{path.name} cannot be read, {error}") from error
    tables = document.get("dependency-groups", {})
    if not isinstance(tables, dict):
        raise UsageError(where, f"[dependency-groups] of {path.name} is not a table")
    return tables


def _said(error: Exception) -> str:
    if isinstance(error, ExceptionGroup):
        return "; ".join(_said(one) for one in error.exceptions)
    return str(error.args[0] if isinstance(error, LookupError) and error.args else error)
