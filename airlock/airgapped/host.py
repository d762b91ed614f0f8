"""What this machine is, asked once, before anything is decided."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.tags import platform_tags
from packaging.version import Version

from airlock.core.target import Target
from airlock.errors import TargetError

_QUESTION = """
import dataclasses, json, os, platform, sys, sysconfig
path = sys.executable
if sys.prefix != sys.base_prefix:
    path = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
threads = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print(json.dumps([os.path.abspath(path), platform.python_version(), sys.implementation.name, threads]))
"""
_PATIENCE = 30
"""Seconds for an interpreter to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    path: str
    """Of the base installation, not of a virtual environment."""
    version: str
    implementation: str
    free_threaded: bool = False

    def fits(self, target: Target) -> bool:
        version = Version(self.version)
        if "python_full_version" in target.exact and version != target.python_full:
            return False
        return (
            self.implementation == "cpython"
            and self.free_threaded == target.free_threaded
            and (version.major, version.minor) == target.python_minor
            and version >= target.python_full
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    platforms: tuple[str, ...]
    """Every platform tag that programs for this machine may have, the most telling first (PEP 600, 656)."""
    interpreters: tuple[Interpreter, ...]
    """Those that may become the base of a generation, in the order of preference."""
    free: int
    """Bytes."""
    root: str
    """The real path of the site."""
    inodes: int | None = None
    """How many more files, links and folders its file system takes; None where it does not count them."""
    markers: Mapping[str, str] = field(default_factory=dict)
    """The values of `platform_release` and `platform_version` (PEP 508)."""


def this_host(root: Path, target: Target, python: str | None, environment: Mapping[str, str]) -> Host:
    """Ask the machine. `python` is the one interpreter that the user wants, else those on `PATH` and airlock's own are
    looked at. Raises TargetError where that one does not run."""
    candidates = [python] if python else list(_candidates(target, environment))
    found = [
        interpreter for path in candidates if (interpreter := ask_interpreter(path, must=python is not None))
    ]
    room = os.statvfs(_existing(root))
    return Host(
        platforms=tuple(platform_tags()),
        interpreters=tuple(found),
        free=room.f_bavail * room.f_frsize,
        root=str(root.resolve()),
        inodes=room.f_favail if room.f_files else None,
        markers=platform_markers(),
    )


def platform_markers() -> dict[str, str]:
    return {"platform_release": platform.release(), "platform_version": platform.version()}


def _candidates(target: Target, environment: Mapping[str, str]) -> Iterator[str]:
    import sys

    major, minor = target.python_minor
    if on_path := shutil.which(f"python{major}.{minor}", path=environment.get("PATH")):
        yield on_path
    yield sys.executable


def ask_interpreter(path: str, must: bool) -> Interpreter | None:
    """What the Python at `path` is; where it does not run, None, or TargetError if it `must`."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", _QUESTION], capture_output=True, check=True, timeout=_PATIENCE
        )
        base, version, implementation, threads = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        if must:
            raise TargetError(path, f"not a Python interpreter that runs, {_why(error)}") from error
        return None
    return Interpreter(path=base, version=version, implementation=implementation, free_threaded=threads)


def _why(error: Exception) -> str:
    """In a few words: what `subprocess` says itself repeats the whole question."""
    match error:
        case subprocess.CalledProcessError():
            said = (error.stderr or b"").decode(errors="replace").strip().rpartition("\n")[2]
            if said.startswith("ModuleNotFoundError"):
                return f"a part of its standard library is missing: {said.partition(': ')[2]}"
            return f"it ended with exit code {error.returncode}"
        case subprocess.TimeoutExpired():
            return f"it did not answer within {_PATIENCE} seconds"
        case OSError(strerror=str(text)):
            return text
        case _:
            return "its answer cannot be read"


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
