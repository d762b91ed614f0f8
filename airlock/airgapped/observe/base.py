"""What an application may touch without a finding: its generation, the target's Python with its standard library and what that
rests on, and what the platform itself reads on everybody's behalf."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airlock.core.base_libraries import base_libraries
from airlock.core.elf import MAGIC, Binary, read_binary
from airlock.core.target import Target
from airlock.errors import TargetError
from airlock.storage.libraries import library_at

_QUESTION = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps([os.path.realpath(sys.executable), paths["stdlib"], paths["platstdlib"]]))
"""
_PATIENCE = 30
"""Seconds for an interpreter to start."""
_SYSTEM = (
    *(
        "/proc/",
        "/sys/",
        "/dev/",
        "/etc/ld.so.",
        "/usr/lib/locale/",
        "/usr/share/locale/",
        "/etc/locale.alias",
    ),
    *(
        "/etc/ssl/openssl.cnf",
        "/usr/lib/ssl/openssl.cnf",
        "/etc/localtime",
        "/etc/nsswitch.conf",
        "/etc/passwd",
    ),
    *("/etc/group", "/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/gai.conf", "/etc/services"),
    *("/etc/protocols", "/etc/mime.types", "/etc/os-release", "/usr/lib/os-release", "/etc/debian_version"),
    *("/etc/selinux/", "/usr/share/locale-langpack/"),
)
"""Files and folders that the C library and the standard library read by themselves."""
_NOT_STANDARD = ("/site-packages/", "/dist-packages/")
_SHELLS = (
    "/bin/sh",
    "/usr/bin/sh",
    "/bin/dash",
    "/usr/bin/dash",
    "/bin/bash",
    "/usr/bin/bash",
    "/usr/bin/env",
    "/bin/env",
)
_HELPERS = ("/usr/bin/uname", "/bin/uname", "/sbin/ldconfig", "/usr/sbin/ldconfig")
"""Programs that `platform` and `ctypes.util` start."""
_SOCKETS = ("/run/nscd/", "/var/run/nscd/")
_LIBRARY_FOLDERS = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/usr/local/lib/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    inside: tuple[str, ...]
    """Folders, each with a slash at its end, that belong to the application or to Python."""
    programs: frozenset[str]
    libraries: frozenset[str]
    """File names of shared libraries of the system."""

    def has_file(self, path: str) -> bool:
        if any(word in path for word in _NOT_STANDARD):
            return path.startswith(self.inside[:2])
        return path.startswith((*self.inside, *_SYSTEM)) or path in self.programs or "/gconv/" in path

    def has_library(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        parts = name.split(".")
        shorter = {".".join(parts[:end]) for end in range(2, len(parts) + 1)}
        known = bool(shorter & self.libraries) or name.startswith(("libnss_", "ld-linux", "ld-musl"))
        return (known and path.startswith(_LIBRARY_FOLDERS)) or "/gconv/" in path or path in self.programs

    def has_program(self, path: str) -> bool:
        return path in self.programs or path.startswith(self.inside[:2])

    def is_standard(self, frame: str) -> bool:
        """Whether a frame of a stack, as `FILE:LINE in NAME`, is of the standard library."""
        return frame.startswith(("<frozen", *self.inside[2:])) and not any(
            word in frame for word in _NOT_STANDARD
        )

    def has_socket(self, path: str) -> bool:
        return path.startswith((*_SOCKETS, *self.inside))


def base_of(root: Path, generation: Path, python: str, target: Target) -> Base:
    """`root` is the site's, `generation` the folder in use, `python` its base interpreter. Raises TargetError where that does
    not run."""
    executable, *standard = _ask(python)
    folders = [f"{generation}/", f"{root}/current/", *(f"{folder}/" for folder in dict.fromkeys(standard))]
    programs = {python, executable, *_SHELLS, *_HELPERS, *(str(Path(shell).resolve()) for shell in _SHELLS)}
    rests_on = set(_rests_on(executable, standard))
    inside = {path for path in rests_on if not path.startswith(_LIBRARY_FOLDERS)}
    inside |= {str(path.resolve()) for path in map(Path, _SYSTEM) if path.is_symlink()}
    libraries = base_libraries(target.on) | {path.rpartition("/")[2] for path in rests_on}
    return Base(inside=tuple(folders), programs=frozenset(programs | inside), libraries=libraries)


def _ask(python: str) -> list[str]:
    try:
        done = subprocess.run(
            [python, "-I", "-S", "-c", _QUESTION], capture_output=True, check=True, timeout=_PATIENCE
        )
        return [str(text) for text in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise TargetError(python, f"the generation's Python does not run: {error}") from error


def _rests_on(executable: str, standard: list[str]) -> Iterator[str]:
    """Every shared library that the interpreter and the extensions of its standard library need, and theirs in turn."""
    waiting = [executable]
    for folder in dict.fromkeys(standard):
        waiting += [str(path) for path in sorted(Path(folder, "lib-dynload").glob("*.so"))]
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or (binary := _binary(path)) is None:
            continue
        seen.add(path)
        yield path
        real = os.path.realpath(path)
        if real != path:
            waiting.append(real)
        waiting += [where for name in binary.needed if (where := _where(name, path, binary))]


def _where(name: str, path: str, binary: Binary) -> str:
    places = (Path(folder, name) for folder in binary.folders(str(Path(path).parent)) if folder)
    return next((str(place) for place in places if place.exists()), "") or library_at(name)


def _binary(path: str) -> Binary | None:
    try:
        with Path(path).open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                return None
            stream.seek(0)
            return read_binary(stream)
    except OSError:
        return None
