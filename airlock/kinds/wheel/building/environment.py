"""A virtual environment with pinned tools in it, made without pip."""

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.exceptions import InstallerError
from installer.sources import WheelFile

from airlock.core.artifact import Artifact
from airlock.core.digest import Hasher, chunks_of
from airlock.errors import IntegrityError, ResolutionError
from airlock.kinds.wheel.building.machine import Interpreter
from airlock.storage.store import Store

SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin")
"""Where a build looks for programs after its own tools."""
_COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++")
_PATIENCE = 120
"""Seconds for `python -m venv`."""


def make_environment(interpreter: Interpreter, where: Path) -> str:
    """An empty virtual environment; returns the path of its Python. Raises ResolutionError."""
    command = [interpreter.executable, "-I", "-m", "venv", "--without-pip", "--symlinks", str(where)]
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=_PATIENCE,
        )
    except subprocess.SubprocessError as error:
        hint = "does it have its module venv? Debian has it in python3-venv"
        raise ResolutionError(
            interpreter.executable, "cannot make a virtual environment", found=str(error), hint=hint
        ) from error
    return str(where / "bin" / "python")


def add_tools(tools: Sequence[Artifact], store: Store, interpreter: Interpreter, where: Path) -> None:
    """Put wheels into the environment, in the order given. Raises IntegrityError for one that is not what was pinned."""
    for tool in tools:
        _check(tool, store)
        try:
            _add(tool, store, interpreter, where)
        except (InstallerError, ValueError, OSError) as error:
            raise IntegrityError(tool.file, f"not a wheel that can be installed, {error}") from error


def add_compilers(where: Path, root: Path) -> None:
    """Each of the machine's compilers under its name, told to write `.` where it would write the path of `root`, which is
    another for each build. A variable for their options would end up in what some builds say of themselves."""
    where.mkdir()
    for name in (*_COMPILERS, *(f"{platform.machine()}-linux-gnu-{one}" for one in _COMPILERS)):
        if found := shutil.which(name, path=os.pathsep.join(SYSTEM)):
            script = where / name
            script.write_text(f'#!/bin/sh\nexec {found} -ffile-prefix-map={shlex.quote(str(root))}=. "$@"\n')
            script.chmod(0o755)


def _check(tool: Artifact, store: Store) -> None:
    """Code that is about to be run is hashed again."""
    hasher = Hasher()
    with store.open(tool.digest, tool.label) as stream:
        for chunk in chunks_of(stream):
            hasher.update(chunk)
    if hasher.digest != tool.digest:
        raise IntegrityError(
            tool.file,
            "the store has other bytes than were pinned",
            expected=tool.digest,
            found=hasher.digest,
            hint="delete the cache: everything in it can be had again",
        )


def _add(tool: Artifact, store: Store, interpreter: Interpreter, where: Path) -> None:
    site = str(where / "lib" / f"python{interpreter.minor}" / "site-packages")
    named = where / tool.file  # `installer` reads the name of the file, which the store's files do not have
    named.symlink_to(store.path(tool.digest))
    destination = SchemeDictionaryDestination(
        {
            "purelib": site,
            "platlib": site,
            "headers": str(where / "include" / "site" / f"python{interpreter.minor}" / tool.name),
            "scripts": str(where / "bin"),
            "data": str(where),
        },
        interpreter=str(where / "bin" / "python"),
        script_kind="posix",
        overwrite_existing=True,
    )
    with WheelFile.open(named) as source:
        install(source, destination, {"INSTALLER": b"airlock\n"})
    named.unlink()
