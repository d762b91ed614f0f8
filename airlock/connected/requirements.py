"""Read what pip reads: PEP 508 requirements, one by one or in requirements files, as far as a manifest can say the same."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from airlock.errors import UsageError

_INCLUDES = ("-r", "--requirement")
_CONSTRAINTS = ("-c", "--constraint")
_ELSEWHERE = "remove the line, and write it into airlock.toml"
_OWN_TREE = 'remove the line; the project\'s own tree is `source = "."` below [python] in airlock.toml'
_INSTEAD = {"-e": _OWN_TREE, "--editable": _OWN_TREE}
_LEFT_OUT = {
    "--hash": "hashes are left out: airlock.lock has its own",
    "--require-hashes": "hashes are left out: airlock.lock has its own",
    "-i": 'an index is left out: declare it as [[index]] with the name "default"',
    "--index-url": 'an index is left out: declare it as [[index]] with the name "default"',
    "--extra-index-url": "an index is left out: declare it as [[index]], and what comes from it in [python.sources]",
    "--trusted-host": "--trusted-host is left out",
    "-f": "a folder of wheels is left out: airlock asks an index",
    "--find-links": "a folder of wheels is left out: airlock asks an index",
    "--no-index": "--no-index is left out: airlock asks an index",
    "--prefer-binary": "--prefer-binary is left out: airlock takes wheels alone",
    "--only-binary": "--only-binary is left out: airlock takes wheels alone",
}
_COMMENT = re.compile(r"(^|\s+)#.*$")


@dataclass(slots=True)
class Collected:
    """What a requirements file and the files that it names ask for; no line twice."""

    requirements: dict[str, None] = field(default_factory=dict)
    constraints: dict[str, None] = field(default_factory=dict)
    hashes: dict[str, list[str]] = field(default_factory=dict)
    """By requirement, as `sha256:…`."""
    warnings: dict[str, None] = field(default_factory=dict)
    """What was left out, with file and line."""


def parse_requirement(text: str, where: str) -> Requirement:
    """Raises UsageError that names `where` and the character at fault."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        what, *_, pointer = str(error).splitlines()
        what = f"{what[0].lower()}{what[1:]}, at character {max(1, pointer.rindex('^') - 3)}"
        hint = "as 'numpy>=2' or 'uvicorn[standard]'"
        raise UsageError(where, f"not a PEP 508 requirement: {text!r}: {what}", hint=hint) from error
    if requirement.url:
        raise UsageError(
            where,
            f"a requirement with a URL: {requirement.name}",
            hint="put the wheel on an index, and name that in [python.sources]",
        )
    return requirement


def read_requirements(path: Path) -> Collected:
    """A requirements file with everything that it includes. Raises UsageError with file and line for what a manifest
    cannot say."""
    collected = Collected()
    _read(path, collected, collected.requirements, set())
    return collected


def _read(path: Path, collected: Collected, into: dict[str, None], seen: set[tuple[Path, bool]]) -> None:
    key = (path.resolve(), into is collected.constraints)
    if key in seen:
        return
    seen.add(key)
    for where, line in _lines(path):
        words = _words(line, where)
        option, value = _option(words)
        if option in _INCLUDES + _CONSTRAINTS:
            target = collected.constraints if option in _CONSTRAINTS else into
            _read(path.parent / value, collected, target, seen)
        elif option in _LEFT_OUT:
            collected.warnings[f"{where}: {_LEFT_OUT[option]}"] = None
        elif option:
            raise UsageError(where, f"airlock has no {option}", hint=_INSTEAD.get(option, _ELSEWHERE))
        else:
            into[_requirement(line, where, collected)] = None


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Logical lines with their places: continued lines joined, comments and empty lines left out."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise UsageError(str(path), "cannot be read as a requirements file", found=found) from error
    pending, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if pending else number
        pending += _COMMENT.sub("", line)
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        if pending.strip():
            yield f"{path.name}: line {start}", pending.strip()
        pending = ""
    if pending.strip():
        yield f"{path.name}: line {start}", pending.strip()


def _words(line: str, where: str) -> list[str]:
    if not line.startswith("-"):
        return [line]
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(where, f"not a line of a requirements file, {error}") from error


def _option(words: list[str]) -> tuple[str, str]:
    """The option that a line is, and its value: `-c x`, `-cx`, `--constraint x`, `--constraint=x`."""
    first = words[0]
    if not first.startswith("-"):
        return "", ""
    if not first.startswith("--") and len(first) > 2:
        return first[:2], first[2:]
    name, _, value = first.partition("=")
    return name, value or (words[1] if len(words) > 1 else "")


def _requirement(line: str, where: str, collected: Collected) -> str:
    text, *options = re.split(r"\s+(?=--[a-z])", line)
    for option in options:
        name = re.split(r"[=\s]", option)[0]
        if name not in _LEFT_OUT:
            raise UsageError(where, f"airlock has no {name}", hint="remove the option")
        if name == "--hash":
            collected.hashes.setdefault(text, []).append(re.split(r"[=\s]", option, maxsplit=1)[1])
        collected.warnings[f"{where.split(':')[0]}: {_LEFT_OUT[name]}"] = None
    parse_requirement(text, where)
    return text
