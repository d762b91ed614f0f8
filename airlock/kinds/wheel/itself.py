"""airlock's own wheel, made of the airlock that runs: the same bytes from the same files, wherever they are installed."""

import io
import re
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import airlock
from airlock.core.platforms import parse_platform
from airlock.core.target import Target
from airlock.errors import TargetError, UsageError
from airlock.kinds.carrier import Itself
from airlock.kinds.wheel.building.fit import library_problem
from airlock.kinds.wheel.building.machine import platform
from airlock.kinds.wheel.canonical import canonical_wheel
from airlock.kinds.wheel.releases import expanded_tags, tag_ranks

DISTRIBUTION = "airlock-deploy"
_FOLDER = "airlock_deploy"
_NATIVE = re.compile(r"_native\..*\.so")
_TAGGED = 5
"""Parts of a wheel's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the metadata of the wheel says."""

    version: str
    requires: tuple[str, ...]
    license: str = ""
    """The text."""


def itself(target: Target) -> Itself:
    """The wheel of the airlock that runs, with its native crate where that runs on the target."""
    package = Path(airlock.__file__).parent
    sources = package.parent / "pyproject.toml"
    return wheel_of(package, _declared(sources) if sources.is_file() else _installed(), target)


def _declared(sources: Path) -> Facts:
    """Of a checkout, whose metadata is as old as its last installation."""
    project = tomllib.loads(sources.read_text(encoding="utf-8"))["project"]
    return Facts(
        version=airlock.__version__,
        requires=tuple(sorted(project["dependencies"])),
        license=(sources.parent / "LICENSE").read_text(encoding="utf-8"),
    )


def _installed() -> Facts:
    try:
        found = distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        hint = "install it as README says, or give its wheel with --wheel"
        raise TargetError(
            "airlock", "is not installed, so its dependencies are not known", hint=hint
        ) from error
    needed = (one for one in found.requires or () if "extra ==" not in one)
    return Facts(
        version=airlock.__version__,
        requires=tuple(sorted(needed)),
        license=found.read_text("licenses/LICENSE") or "",
    )


def wheel_of(package: Path, facts: Facts, target: Target) -> Itself:
    """The wheel of the files of one package."""
    files = dict(_files(package))
    native = {name for name in files if _NATIVE.fullmatch(name.rpartition("/")[2])}
    absent = "it was not built here"
    if native:
        machine = parse_platform(here).machine if (here := platform()) else "another system"
        file, data = _wheel(files, facts, f"cp311-abi3-linux_{machine}")
        if (problem := _problem(file, data, target, machine)) is None:
            return Itself(file=file, data=data)
        absent = problem
    file, data = _wheel({name: files[name] for name in files.keys() - native}, facts, "py3-none-any")
    return Itself(file=file, data=data, absent=absent)


def given(path: Path, target: Target) -> Itself:
    """A wheel of airlock that was made elsewhere. Raises UsageError where it is none, or does not fit."""
    file = path.name
    parts = file.removesuffix(".whl").split("-")
    if not file.endswith(".whl") or parts[0] != _FOLDER or len(parts) < _TAGGED:
        raise UsageError(str(path), f"not a wheel of {DISTRIBUTION}")
    if not any(tag in tag_ranks(target) for tag in expanded_tags(parts[-3], parts[-2], parts[-1])):
        raise UsageError(
            str(path),
            f"not for target {target.name}",
            expected=f"Python {target.python} on {target.platform}",
        )
    return Itself(file=file, data=path.read_bytes())


def _files(package: Path) -> Iterator[tuple[str, bytes]]:
    """By name, below the package's own folder; caches aside."""
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield f"{package.name}/{path.relative_to(package).as_posix()}", path.read_bytes()


def _problem(file: str, data: bytes, target: Target, machine: str) -> str | None:
    """What keeps the native crate of this machine from the target."""
    if machine != target.machine:
        return f"it was built for {machine}"
    if (problem := library_problem(file, target, io.BytesIO(data))) is None:
        return None
    what, expected, found = problem
    return f"{what}: expected {expected}, found {found}"


def _wheel(files: Mapping[str, bytes], facts: Facts, tag: str) -> tuple[str, bytes]:
    """Its name and its bytes."""
    info = f"{_FOLDER}-{facts.version}.dist-info"
    pure = "true" if tag.endswith("-any") else "false"
    members = dict(files) | {
        f"{info}/METADATA": _metadata(facts),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: airlock\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode(),
        f"{info}/entry_points.txt": b"[console_scripts]\nairlock = airlock.cli:main\n",
    }
    if facts.license:
        members[f"{info}/licenses/LICENSE"] = facts.license.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    file = f"{_FOLDER}-{facts.version}-{tag}.whl"
    return file, canonical_wheel(buffer.getvalue(), file)


def _metadata(facts: Facts) -> bytes:
    lines = ["Metadata-Version: 2.4", f"Name: {DISTRIBUTION}", f"Version: {facts.version}"]
    lines += ["License-Expression: Apache-2.0", "Requires-Python: >=3.11"]
    lines += ["License-File: LICENSE"] if facts.license else []
    return "\n".join([*lines, *(f"Requires-Dist: {one}" for one in facts.requires), ""]).encode()
