"""What this machine can build with: its C library and its interpreters."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from packaging.tags import platform_tags

from airlock.core.target import Target

FLOORS = {"manylinux": (2, 28), "musllinux": (1, 2)}
"""Tools are chosen for a C library no newer than this, so that machines of some years choose the same tools."""

_PLATFORM = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_(.+)")
_DESCRIBE = (
    "import json, platform, sys, sysconfig; "
    "free = 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''; "
    "print(json.dumps([sys.implementation.name, platform.python_version(), free, sys.base_prefix]))"
)
_PATIENCE = 20
"""Seconds that an interpreter has to say what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    executable: str
    version: str
    """As `3.11.7`."""
    free_threaded: str
    """`t` or nothing."""
    prefix: str
    """Where its standard library is."""

    @property
    def minor(self) -> str:
        """As a target has it: `3.11` or `3.14t`."""
        return ".".join(self.version.split(".")[:2]) + self.free_threaded


def interpreter_for(target: Target) -> Interpreter | None:
    """A CPython on PATH with the target's minor version."""
    return _find(python_of(target))


def python_of(target: Target) -> str:
    """The target's Python without its patch release, as `3.11` or `3.14t`."""
    return ".".join(map(str, target.python_minor)) + ("t" if target.free_threaded else "")


def own_interpreter() -> Interpreter:
    """The one that runs airlock."""
    found = _describe(sys.executable)
    assert found is not None, "an interpreter that runs can be asked"
    return found


@lru_cache
def _find(minor: str) -> Interpreter | None:
    for executable in _candidates(minor):
        found = _describe(executable)
        if found is not None and found.minor == minor:
            return found
    return None


def _candidates(minor: str) -> Iterator[str]:
    if minor == ".".join(map(str, sys.version_info[:2])):
        yield sys.executable
    for name in (f"python{minor}", "python3"):
        for folder in os.get_exec_path():
            path = Path(folder, name)
            if path.is_file() and os.access(path, os.X_OK):
                yield str(path)


@lru_cache
def _describe(executable: str) -> Interpreter | None:
    try:
        output = subprocess.run(
            [executable, "-I", "-c", _DESCRIBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_PATIENCE,
        ).stdout
        implementation, version, free_threaded, prefix = json.loads(output)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "cpython":
        return None
    return Interpreter(executable=executable, version=version, free_threaded=free_threaded, prefix=prefix)


@lru_cache
def platform() -> str | None:
    """This machine in a target's words, as `manylinux_2_36_x86_64`; None where it is no Linux that a target can be."""
    for tag in platform_tags():
        if _PLATFORM.fullmatch(tag):
            return tag
    return None


def machine_target(minor: str) -> Target | None:
    """What tools must run on: this machine, but no newer than `FLOORS`. None where no target is like it."""
    match = _PLATFORM.fullmatch(platform() or "")
    if match is None:
        return None
    family, libc, machine = match[1], (int(match[2]), int(match[3])), match[4]
    major, least = min(libc, FLOORS[family])
    try:
        return Target(name="build", python=minor, platform=f"{family}_{major}_{least}_{machine}", prefix="")
    except ValueError:
        return None
