"""Programs of a generation, and what runs them."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from airlock.core.paths import SafePath
from airlock.core.tree import FileEntry
from airlock.formats.findings import Finding, found
from airlock.kinds.audited import Audited
from airlock.kinds.wheel.audit.imports import Sources
from airlock.kinds.wheel.audit.wheels import Wheels

_MAX_SCRIPT = 8 << 20
_PYTHON = re.compile(r"(python|pypy)[0-9.]*t?")
_SHELLS = frozenset({"sh", "bash", "dash", "env"})
"""What every target's base has."""
_EXEC = re.compile(r"'''exec' (?:'([^']+)'|\"([^\"]+)\"|(\S+))")


def script_findings(audited: Audited, wheels: Wheels) -> Iterator[Finding]:
    """Scripts that something outside of the generation runs."""
    for path, entry in sorted(audited.tree.items()):
        if isinstance(entry, FileEntry) and (path.startswith("bin/") or entry.mode & 0o111):
            yield from _script(audited, wheels, path)


def _script(audited: Audited, wheels: Wheels, path: SafePath) -> Iterator[Finding]:
    data = audited.read(path, _MAX_SCRIPT)
    if data is None or not data.startswith(b"#!"):
        return
    interpreter = _interpreter(data)
    program = interpreter.rpartition("/")[2]
    inside = posixpath.normpath(interpreter).startswith(f"{audited.home}/")
    if inside or program in _SHELLS or not program:
        return
    started = path.startswith("bin/")
    python = _PYTHON.fullmatch(program)
    rule = "python/script-interpreter" if python else "native/interpreter"
    who = "whatever Python is found" if python else f"{interpreter}, which the lock does not name"
    finding = found(
        rule,
        f"is run by {who}, not by the generation's own" if python else f"is run by {who}",
        artifact=audited.owners.get(path, ""),
        path=path,
        line=1,
        name=path.rpartition("/")[2],
        evidence=[interpreter],
    )
    if not started:
        finding = replace(finding, severity="note")
    elif not python:
        finding = replace(finding, severity="warning")
    yield finding


def _interpreter(data: bytes) -> str:
    """The program that a script is run by, as far as its first lines say."""
    first, _, rest = data[:4096].decode(errors="replace").partition("\n")
    words = first[2:].split()
    if not words:
        return ""
    if words[0].rpartition("/")[2] == "env":
        named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return named[0] if named else words[0]
    if match := _EXEC.match(rest):
        return str(next(filter(None, match.groups())))
    return words[0]


def use_findings(
    audited: Audited, wheels: Wheels, sources: Sources, base: frozenset[str]
) -> Iterator[Finding]:
    """Programs that code starts and libraries that it loads, by names that stand in it; `base` are libraries that the target
    has anyway."""
    programs = {path.rpartition("/")[2] for path in audited.tree if path.startswith("bin/")}
    libraries = {path.rpartition("/")[2] for path in audited.tree if ".so" in path}
    told: set[tuple[str, str, str]] = set()
    for source in sources.users:
        facts = sources.facts(source)
        for use in facts.uses if facts else ():
            key = use.what, source.label, use.name
            if key in told:
                continue
            told.add(key)
            own = wheels.is_own(source.label)
            if use.what == "program":
                name = use.name.rpartition("/")[2]
                if name in programs or name in _SHELLS or _PYTHON.fullmatch(name):
                    continue
                message = f"starts {use.name}, which is not in the generation"
                rule = "python/program"
            else:
                if _is_there(use.name, libraries, base):
                    continue
                message = f"loads {use.name}, which neither the generation nor the target's base has"
                rule = "native/library-loaded"
            finding = found(
                rule, message, artifact=source.label, path=source.path, line=use.line, name=use.name
            )
            if use.what == "program":
                yield replace(finding, severity="warning") if own else finding
            else:
                sure = own or use.guard == 0
                yield finding if sure else replace(finding, severity="note")


def _is_there(name: str, libraries: set[str], base: frozenset[str]) -> bool:
    """Whether a library is named that is there: by its file name, or as `find_library` wants it, without `lib` and version."""
    file = name.rpartition("/")[2]
    known = libraries | base
    return file in known or any(one.startswith(f"lib{file}.so") for one in known)
