"""Read what other tools locked: pylock.toml (PEP 751), uv.lock, poetry.lock, pdm.lock, and requirements files.

Only pins are taken: names, versions, markers and sha256. Everything else in these files is theirs, and is passed over.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.pylock import Package, Pylock, PylockValidationError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from airlock.connected.requirements import read_requirements
from airlock.core.fields import Fields
from airlock.errors import UsageError
from airlock.formats.lockfile import Seed

_SHA256 = re.compile(r"(?:sha256[:=])?([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    tool: str
    seeds: tuple[Seed, ...]
    requirements: tuple[str, ...] | None
    """What the file itself says was asked for; None where it does not."""
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Pins:
    """Grows while a file is read."""

    source: str
    seeds: dict[Seed, None]
    warnings: list[str]

    def add(
        self, name: str, version: object, files: Iterable[tuple[str, object]], marker: object = None
    ) -> None:
        try:
            text = str(Version(str(version)))
        except InvalidVersion:
            self.leave_out(name, f"its version is {version!r}")
            return
        hashes = [(file, match[1]) for file, found in files if (match := _SHA256.fullmatch(str(found)))]
        seed = Seed(
            name=canonicalize_name(name),
            version=text,
            source=self.source,
            marker=marker if isinstance(marker, str) else "",
            files=tuple(sorted(set(hashes))),
        )
        self.seeds[seed] = None

    def leave_out(self, name: str, why: str) -> None:
        self.warnings.append(f"{self.source}: {name} is left out: {why}")


def read_foreign_lock(path: Path) -> Foreign:
    """Raises UsageError for what is none of these files, with the place of the fault."""
    pins = _Pins(source=path.name, seeds={}, warnings=[])
    tool = _tool(path)
    asked = _READERS[tool](path, pins)
    return Foreign(
        tool=tool, seeds=tuple(pins.seeds), requirements=asked, warnings=tuple(dict.fromkeys(pins.warnings))
    )


def _tool(path: Path) -> str:
    name = path.name
    if re.fullmatch(r"pylock(\.[^.]+)?\.toml", name):
        return "pylock"
    for tool in ("uv", "poetry", "pdm"):
        if name == f"{tool}.lock":
            return tool
    if path.suffix in (".txt", ".in"):
        return "requirements"
    raise UsageError(
        str(path),
        "not a lock that can be told by its name",
        expected="pylock.toml, uv.lock, poetry.lock, pdm.lock or a requirements file (.txt)",
    )


def _document(path: Path) -> Fields:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(path.name, f"not valid TOML, {error}") from error
    return Fields(document, path.name, UsageError)


def _pylock(path: Path, pins: _Pins) -> tuple[str, ...] | None:
    try:
        document = Pylock.from_dict(dict(_document(path).items()))
    except PylockValidationError as error:
        raise UsageError(path.name, f"not a lock file of PEP 751, {error}") from error
    for package in document.packages:
        if package.version is None or not (package.wheels or package.sdist):
            pins.leave_out(package.name, "it comes from no index")
            continue
        marker = str(package.marker) if package.marker else None
        pins.add(package.name, package.version, _pylock_files(package), marker)
    return None


def _pylock_files(package: Package) -> Iterator[tuple[str, object]]:
    for file in (*(package.wheels or ()), *([package.sdist] if package.sdist else ())):
        yield file.filename, file.hashes.get("sha256")


def _uv(path: Path, pins: _Pins) -> tuple[str, ...] | None:
    asked: list[str] | None = None
    for table in _document(path).tables("package"):
        name, source = table.text("name"), table.table("source").items()
        if "registry" in source:
            markers = table.texts("resolution-markers", ())
            marker = " or ".join(f"({one})" for one in markers)
            pins.add(name, table.text("version"), _uv_files(table), marker)
        elif {source.get("virtual"), source.get("editable")} & {"."}:
            requires = table.table("metadata").tables("requires-dist")
            asked = [*(asked or ()), *(_uv_requirement(one) for one in requires)]
        else:
            pins.leave_out(name, f"it comes from {next(iter(source), 'nowhere')}, not from an index")
    return None if asked is None else tuple(asked)


def _uv_files(table: Fields) -> Iterator[tuple[str, object]]:
    for file in (*table.tables("wheels"), *([table.table("sdist")] if "sdist" in table else ())):
        found = file.items()
        yield _last(found.get("filename") or found.get("url") or found.get("path")), found.get("hash")


def _last(address: object) -> str:
    return unquote(urlsplit(str(address or "")).path.rpartition("/")[2])


def _uv_requirement(table: Fields) -> str:
    extras = ",".join(table.texts("extras", ()))
    text = table.text("name") + (f"[{extras}]" if extras else "") + table.text("specifier", "")
    marker = table.text("marker", "")
    return f"{text}; {marker}" if marker else text


def _poetry(path: Path, pins: _Pins) -> tuple[str, ...] | None:
    for table in _document(path).tables("package"):
        name, markers = table.text("name"), table.raw("markers")
        kind = table.table("source").text("type", "legacy")
        if kind != "legacy":
            pins.leave_out(name, f"it comes from {kind}, not from an index")
            continue
        marker = markers.get("main") if isinstance(markers, Mapping) else markers
        pins.add(name, table.text("version"), _listed(table), marker)
    return None


def _pdm(path: Path, pins: _Pins) -> tuple[str, ...] | None:
    for table in _document(path).tables("package"):
        name = table.text("name")
        if elsewhere := [key for key in ("git", "hg", "path", "url") if key in table]:
            pins.leave_out(name, f"it comes from {elsewhere[0]}, not from an index")
            continue
        pins.add(name, table.text("version"), _listed(table), table.raw("marker"))
    return None


def _listed(table: Fields) -> Iterator[tuple[str, object]]:
    for file in table.tables("files"):
        found: Mapping[str, Any] = file.items()
        yield _last(found.get("file") or found.get("url")), found.get("hash")


def _requirements(path: Path, pins: _Pins) -> tuple[str, ...] | None:
    """A file of nothing but pins was compiled from another, which may lie beside it."""
    collected = read_requirements(path)
    for text in (*collected.requirements, *collected.constraints):
        requirement = Requirement(text)
        exact = [one.version for one in requirement.specifier if one.operator == "=="]
        if exact and not exact[0].endswith(".*"):
            files = [("", found) for found in collected.hashes.get(text, ())]
            pins.add(requirement.name, exact[0], files, str(requirement.marker or ""))
    pins.warnings += [warning for warning in collected.warnings if "hashes" not in warning]
    beside = path.with_suffix(".in")
    if path.suffix != ".in" and beside.is_file():
        return tuple(read_requirements(beside).requirements)
    return tuple(collected.requirements)


_READERS: Mapping[str, Callable[[Path, _Pins], tuple[str, ...] | None]] = {
    "pylock": _pylock,
    "uv": _uv,
    "poetry": _poetry,
    "pdm": _pdm,
    "requirements": _requirements,
}
