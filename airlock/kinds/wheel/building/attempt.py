"""One build of one source, in a directory of its own."""

import stat
import subprocess
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyproject_hooks import (
    BackendUnavailable,
    BuildBackendHookCaller,
    HookMissing,
    UnsupportedOperation,
)

from airlock.core.artifact import Artifact
from airlock.errors import ResolutionError
from airlock.kinds.wheel.building import trouble
from airlock.kinds.wheel.building.backend import BuildSystem, requirements
from airlock.kinds.wheel.building.environment import SYSTEM, add_compilers, add_tools, make_environment
from airlock.kinds.wheel.building.machine import Interpreter
from airlock.kinds.wheel.building.sandbox import Cell, TimeUp, run, sandbox
from airlock.kinds.wheel.building.sources import copy_tree
from airlock.storage.store import Store

MAX_WHEEL = 1 << 30
"""Bytes of everything in a wheel that a build may come to; it is held in memory."""
MAX_ANSWER = 4 << 20
"""Bytes of what a hook may answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What two attempts have unlike each other, though it should not matter."""

    folder: str
    seed: str
    """PYTHONHASHSEED."""
    backwards: bool
    """Files and tools come onto the disk in the reverse order."""


FIRST = Conditions(folder="1", seed="0", backwards=False)
SECOND = Conditions(folder="once-more", seed="1", backwards=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What both attempts have in common."""

    label: str
    tree: Path
    epoch: int
    system: BuildSystem
    interpreter: Interpreter
    store: Store
    folder: Path
    """Where the attempts have their directories."""
    log: Path
    seconds: int
    told: Callable[[str], None]
    """Takes the last lines of the log of a build that failed."""


class Attempt:
    def __init__(self, job: Job, conditions: Conditions) -> None:
        self._job, self._conditions = job, conditions
        self._root = job.folder / conditions.folder
        self._tools: tuple[Artifact, ...] | None = None
        self._told: Mapping[str, str] = {}
        self._environments = 0
        self._python = ""
        for name in ("home", "tmp", "out"):
            (self._root / name).mkdir(parents=True)
        add_compilers(self._root / "compilers", self._root)
        copy_tree(job.tree, self._source, backwards=conditions.backwards)

    @property
    def _source(self) -> Path:
        return self._root / "source"

    @property
    def _environment(self) -> Path:
        return self._root / f"tools{self._environments}"

    def use(self, tools: Sequence[Artifact], told: Mapping[str, str]) -> None:
        """Have exactly these tools in the environment, and these variables besides those of every build."""
        wanted, self._told = tuple(tools), told
        if self._tools is None or any(tool not in wanted for tool in self._tools):
            self._environments += 1
            self._python = make_environment(self._job.interpreter, self._environment)
            self._tools = ()
        added = [tool for tool in wanted if tool not in self._tools]
        if self._conditions.backwards:
            added.reverse()
        add_tools(added, self._job.store, self._job.interpreter, self._environment)
        self._tools = wanted

    def extra_requirements(self) -> tuple[str, ...]:
        """What the backend wants besides. Raises ResolutionError."""
        found = self._call("get_requires_for_build_wheel", lambda hooks: hooks.get_requires_for_build_wheel())
        where = f"{self._job.label}: get_requires_for_build_wheel"
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise ResolutionError(where, "expected a list of strings", found=repr(found)[:200])
        return requirements(tuple(found), where)

    def wheel(self) -> tuple[str, bytes]:
        """The wheel's file name and bytes. Raises ResolutionError."""
        out = self._root / "out"
        name = self._call("build_wheel", lambda hooks: hooks.build_wheel(str(out)))
        where = f"{self._job.label}: build_wheel"
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".whl"):
            raise ResolutionError(where, "its backend made no wheel", found=repr(name)[:200])
        path = out / name
        if path.is_symlink() or not path.is_file():
            raise ResolutionError(where, "its backend names a wheel that is not there", found=name)
        _check_size(path, where)
        return name, path.read_bytes()

    def _call(self, hook: str, call: Callable[[BuildBackendHookCaller], Any]) -> Any:
        job = self._job
        try:
            hooks = BuildBackendHookCaller(
                str(self._source),
                job.system.backend,
                backend_path=job.system.backend_path or None,
                runner=self._run,
                python_executable=self._python,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a backend has to say is in the log
                return call(hooks)
        except TimeUp as error:
            what = f"its build took longer than {error.seconds} seconds ({hook})"
            hint = f"allow more: [python.build] timeout = {error.seconds * 4}; the log is {job.log}"
            raise ResolutionError(job.label, what, hint=hint) from error
        except subprocess.CalledProcessError as error:
            raise self._failure(hook, f"exit code {error.returncode}") from error
        except (BackendUnavailable, HookMissing, UnsupportedOperation) as error:
            raise self._failure(hook, f"{type(error).__name__}: {error}".strip(": ")) from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._failure(hook, f"no answer that can be read, {error}") from error

    def _run(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        """`cmd` ends in the directory through which pyproject_hooks hears the answer."""
        answer = Path(cmd[-1])
        cell = Cell(
            readable=(Path(self._job.interpreter.prefix), Path(cmd[1]).parent),
            writable=(self._root, answer),
            environment=self._variables(),
            log=self._job.log,
            seconds=self._job.seconds,
        )
        run(cmd, Path(cwd or self._source), extra_environ or {}, cell, sandbox())
        written = (answer / "output.json").lstat()
        if not stat.S_ISREG(written.st_mode) or written.st_size > MAX_ANSWER:
            raise ValueError("it is no file of a moderate size")

    def _variables(self) -> dict[str, str]:
        environment = self._environment
        return {
            "PATH": ":".join([str(environment / "bin"), str(self._root / "compilers"), *SYSTEM]),
            "VIRTUAL_ENV": str(environment),
            "HOME": str(self._root / "home"),
            "TMPDIR": str(self._root / "tmp"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(self._job.epoch),
            "PYTHONHASHSEED": self._conditions.seed,
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._told,
        }

    def _failure(self, hook: str, found: str) -> ResolutionError:
        lines = trouble.tail(self._job.log)
        for line in lines:
            self._job.told(f"  {line}")
        hint = trouble.diagnosis(self._job.log)
        hint = f"{hint}; the log is {self._job.log}" if hint else f"the log is {self._job.log}"
        return ResolutionError(
            self._job.label,
            f"its build failed ({hook})",
            found=lines[-1].strip() if lines else found,
            hint=hint,
        )


def _check_size(path: Path, where: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ResolutionError(where, f"its backend made no wheel, {error}") from error
    if max(size, path.stat().st_size) > MAX_WHEEL:
        raise ResolutionError(
            where, "its wheel is too large", expected=f"at most {MAX_WHEEL} bytes", found=f"{size}"
        )
