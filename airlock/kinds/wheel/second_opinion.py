"""What pip-compile, which knows nothing of airlock, comes to on the same inputs. Only its command line is used."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name
from packaging.version import Version

from airlock.core.target import Target
from airlock.errors import ResolutionError, UsageError
from airlock.kinds import Disagreement, Library, Locked
from airlock.kinds.wheel.client import index_url
from airlock.kinds.wheel.locked import Walk, walk
from airlock.kinds.wheel.section import DEFAULT, PythonSection, read_section

UPLOAD_TIMES = Version("26.0")
"""The pip from which on `--uploaded-prior-to` is there."""
TIMEOUT = 1800
"""Seconds."""


def second_opinion(locked: Locked, library: Library) -> tuple[Disagreement, ...]:
    """See `Packages.second_opinion`."""
    if locked.manifest is None:
        raise UsageError(locked.where, "has no airlock.toml beside it")
    chosen = [target for target in locked.lockfile.targets if stands_for(target)]
    if not chosen:
        names = ", ".join(target.name for target in locked.lockfile.targets)
        what = f"this Python cannot stand for any target ({names}), as pip-compile resolves for the Python that runs it"
        hint = f"run it with the target's Python; this is {sys.version_info[0]}.{sys.version_info[1]}"
        raise UsageError(locked.where, what, hint=hint)
    return tuple(disagreement for target in chosen for disagreement in _compare(locked, target, library))


def stands_for(target: Target) -> bool:
    """Whether markers and tags of this interpreter are those of the target: same Python, machine, and C library."""
    return target.python_minor == sys.version_info[:2] and target.platform in {
        tag.platform for tag in sys_tags()
    }


def _compare(locked: Locked, target: Target, library: Library) -> Iterator[Disagreement]:
    found = walk(locked, target, library)
    ours = {
        str(name): str(file.version)
        for name, (_, file) in found.shelf.files.items()
        if name not in found.question.own
    }
    theirs = _compiled(locked, found, library)
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield Disagreement(
                name=name, target=target.name, ours=ours.get(name, ""), theirs=theirs.get(name, "")
            )


def _compiled(locked: Locked, found: Walk, library: Library) -> dict[str, str]:
    assert locked.manifest is not None
    section = read_section(locked.manifest, locked.manifest_name)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "requirements.in").write_text("".join(f"{line}\n" for line in _asked(found)), "utf-8")
        constraints = found.question.constraints
        lines = [f"{name}{one}\n" for name, several in sorted(constraints.items()) for one in several]
        (place / "constraints.txt").write_text("".join(lines), "utf-8")
        command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--no-config", "--no-header"]
        command += ["--no-annotate", "--strip-extras", "--no-emit-index-url", "--no-emit-options"]
        command += ["--constraint", "constraints.txt", "--output-file", "requirements.txt"]
        command += [*_indexes(locked, section, library), "--pip-args", _pip_arguments(locked, found, library)]
        _run([*command, "requirements.in"], place)
        return dict(_pins((place / "requirements.txt").read_text("utf-8")))


def _asked(found: Walk) -> Iterator[str]:
    """The manifest's lines that hold for the target, and what the project's own wheel needs."""
    for one in found.question.roots:
        if one.name not in found.question.own:
            yield str(one)
    for name in found.question.own:
        yield from (str(one) for one in found.needs.get(name, ()))


def _indexes(locked: Locked, section: PythonSection, library: Library) -> Iterator[str]:
    assert locked.manifest is not None
    near = library.near()
    yield from ("--index-url", index_url(DEFAULT, locked.manifest.indexes, near))
    others = sorted({*section.others, *section.sources.table.values()} - {DEFAULT})
    for name in others:
        yield from ("--extra-index-url", index_url(name, locked.manifest.indexes, near))
    if others:
        near.reporter.warn(
            f"pip-compile cannot tie a package to an index: it looks at {DEFAULT}, {', '.join(others)} alike"
        )


def _pip_arguments(locked: Locked, found: Walk, library: Library) -> str:
    words = ["--only-binary=:all:"]
    words += [
        f"--no-binary={name}"
        for name, (artifact, _) in sorted(found.shelf.files.items())
        if "sdist" in artifact.origin
    ]
    cutoff = locked.lockfile.cutoff
    if cutoff and Version(version("pip")) >= UPLOAD_TIMES:
        words.append(f"--uploaded-prior-to={cutoff.instant}")
    elif cutoff:
        library.near().reporter.warn(
            f"this pip is older than {UPLOAD_TIMES} and sees what was uploaded after {cutoff.instant}, too"
        )
    return " ".join(words)


def _run(command: Iterable[str], place: Path) -> None:
    try:
        version("pip-tools")
    except PackageNotFoundError as error:
        hint = "install it beside airlock: pip install 'airlock-deploy[cross-check]'"
        raise UsageError("--cross-check", "pip-compile is not there", hint=hint) from error
    try:
        done = subprocess.run(
            list(command), cwd=place, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ResolutionError("pip-compile", f"no answer within {TIMEOUT} seconds") from error
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.strip()]
        raise ResolutionError("pip-compile", "\n  ".join(["has no answer:", *told[-8:]]))


def _pins(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        try:
            requirement = Requirement(line.partition("#")[0].strip())
        except InvalidRequirement:
            continue
        pinned = [one.version for one in requirement.specifier if one.operator in ("==", "===")]
        yield canonicalize_name(requirement.name), pinned[0] if pinned else (requirement.url or "")
