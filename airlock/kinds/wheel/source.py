"""The project's own source tree, built into a wheel by the backend it names (PEP 517), through PyPA `build`.

The build sees a copy of what `tree_digest` covers and nothing else, with clock, hash seed, locale, time zone and umask
fixed; what comes out is repacked into one spelling.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from airlock.core.digest import CHUNK, Digest
from airlock.core.reporter import Reporter
from airlock.errors import IntegrityError, ResolutionError, UsageError
from airlock.kinds.wheel.canonical import canonical_wheel, read_metadata

BUILD_ENVIRONMENT: Mapping[str, str] = {
    "SOURCE_DATE_EPOCH": "315532800",
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
"""1980-01-01, the first day that a zip archive can hold; and nothing of the machine's."""

_WITH = ("/bin/sh", "-c", 'umask 022; exec env "$@"', "sh")
_LAST_LINES = 20

_CACHES = (".tox", ".nox", ".*_cache", ".cache", ".hypothesis", "node_modules", ".DS_Store")
_NEVER = (
    *_CACHES,
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    ".env",
    "__pycache__",
    "*.pyc",
    "*.egg-info",
    ".eggs",
)
_NEVER_AT_TOP = ("build", "dist", "airlock.toml", "*.lock", "*.airlock", "*.airdelta", "airlock.journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    file: str
    """The wheel's file name."""
    name: str
    """Normalised."""
    version: str
    data: bytes
    """The whole wheel in its canonical spelling."""
    metadata: str
    """The text of METADATA."""


def tree_digest(tree: Path) -> Digest:
    """A digest of what decides the wheel: path, content and executable bit of every file below `tree`, but for version
    control, environments, caches, build output and what airlock itself writes. Raises UsageError."""
    hasher = hashlib.sha256()
    for path in _files(tree):
        content, size = _hash(tree / path)
        executable = "x" if _executable(tree / path) else "-"
        hasher.update(f"{len(os.fsencode(path))} {executable} {size} {content}\n".encode())
        hasher.update(os.fsencode(path))
    return Digest("sha256:" + hasher.hexdigest())


def build_source(tree: Path, reporter: Reporter) -> BuiltWheel:
    """Build `tree` in an isolated environment. Raises UsageError where it is not a pure Python project, ResolutionError
    with the end of the backend's output where the build fails."""
    where = tree.name or str(tree)
    task = f"building {where}"
    reporter.start(task, None)
    try:
        with TemporaryDirectory(prefix="airlock-source-") as temporary:
            source = Path(temporary, "source")
            _copy(tree, source)
            wheel = _run_build(source, Path(temporary, "wheel"), where, reporter)
            return _built(wheel.name, wheel.read_bytes(), where)
    finally:
        reporter.finish(task)


def _built(file: str, data: bytes, where: str) -> BuiltWheel:
    try:
        name, version, _, tags = parse_wheel_filename(file)
    except InvalidWheelFilename as error:
        raise ResolutionError(where, f"the backend made a wheel with a bad name, {error}") from error
    if foreign := sorted(str(tag) for tag in tags if tag.platform != "any"):
        raise UsageError(
            where,
            "the project's own tree has compiled parts, which would be this machine's, not the target's",
            expected="a wheel for any platform",
            found=foreign[0],
            hint="put a wheel for each target on an index; a later version of airlock will build for each target",
        )
    try:
        canonical = canonical_wheel(data, file)
        metadata = read_metadata(canonical, file)
    except IntegrityError as error:
        raise ResolutionError(error.where, error.what, expected=error.expected, found=error.found) from error
    return BuiltWheel(file=file, name=name, version=str(version), data=canonical, metadata=metadata)


def _run_build(source: Path, output: Path, where: str, reporter: Reporter) -> Path:
    from build import BuildBackendException, BuildException, FailedProcessError, ProjectBuilder
    from build.env import DefaultIsolatedEnv

    try:
        with DefaultIsolatedEnv() as environment:
            builder = ProjectBuilder.from_isolated_env(environment, source, _run)
            environment.install(builder.build_system_requires)
            environment.install(builder.get_requires_for_build("wheel"))
            return Path(builder.build("wheel", output))
    except (BuildBackendException, FailedProcessError) as error:
        raise _failure(where, error.exception, reporter) from error
    except (BuildException, subprocess.CalledProcessError) as error:
        raise _failure(where, error, reporter) from error


def _run(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
    assignments = [
        f"{name}={value}" for name, value in {**(extra_environ or {}), **BUILD_ENVIRONMENT}.items()
    ]
    subprocess.run(
        [*_WITH, *assignments, *cmd],
        cwd=cwd,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _failure(where: str, error: BaseException, reporter: Reporter) -> ResolutionError:
    """The last lines of the backend's output go to the reporter, the very last into the error."""
    found = str(error)
    if isinstance(error, subprocess.CalledProcessError):
        output = b"\n".join(part for part in (error.stdout, error.stderr) if part)
        lines = output.decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        for line in lines:
            reporter.note(f"  {line}")
        found = lines[-1] if lines else f"exit code {error.returncode}"
    hint = "try `python -m build --wheel` there, or leave `source` out of [python]"
    return ResolutionError(where, "the build of the project's own tree failed", found=found, hint=hint)


def _files(tree: Path) -> Iterator[str]:
    """Relative paths of the files that count, by the bytes of the path. Links that lead out of the tree are left out."""
    if not tree.is_dir():
        raise UsageError(str(tree), "no such source tree", hint="`source` below [python] names it")
    root = tree.resolve()
    found: list[str] = []
    for directory, names, files in os.walk(root):
        top = Path(directory) == root
        names[:] = [name for name in names if not _left_out(name, top)]
        for name in files:
            path = Path(directory, name)
            if not _left_out(name, top) and path.is_file() and path.resolve().is_relative_to(root):
                found.append(str(path.relative_to(root)))
    yield from sorted(found, key=os.fsencode)


def _left_out(name: str, top: bool) -> bool:
    return any(fnmatch(name, pattern) for pattern in (_NEVER + _NEVER_AT_TOP if top else _NEVER))


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def _hash(path: Path) -> tuple[str, int]:
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    return hasher.hexdigest(), size


def _copy(tree: Path, to: Path) -> None:
    for path in _files(tree):
        target = to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / path, target)
        target.chmod(0o755 if _executable(tree / path) else 0o644)
