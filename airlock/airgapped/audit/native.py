"""Shared libraries that binaries need, and where on the target they would come from."""

import os
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from airlock.core.base_libraries import MACHINES, base_libraries, loaders, too_new
from airlock.core.elf import MAGIC, Binary, read_binary
from airlock.core.paths import SafePath
from airlock.core.tree import FileEntry, LinkEntry
from airlock.formats.findings import MAX_EVIDENCE, Finding, found
from airlock.kinds.audited import Audited
from airlock.storage.regular import open_below

_TEXT: tuple[str, ...] = (
    ".py",
    ".pyi",
    ".pyc",
    ".txt",
    ".json",
    ".md",
    ".rst",
    ".h",
    ".hpp",
    ".html",
    ".js",
    ".css",
    ".gz",
    ".xml",
)
_TEXT += (
    ".toml",
    ".cfg",
    ".ini",
    ".yml",
    ".yaml",
    ".csv",
    ".typed",
    ".pxd",
    ".pyx",
    ".c",
    ".map",
    ".svg",
    ".png",
)
_WINDOW = 1 << 16
"""Bytes that are read of a binary at a time: its tables lie all over it."""
OnMachine = Callable[[str], str]
"""Where a machine has a shared library, by its file name; empty where it does not. """
Exists = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that the audited tree is installed on."""

    library: OnMachine
    is_folder: Exists


def native_findings(
    audited: Audited, machine: Machine | None, supplied: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """`machine` is None where the audit runs on another than the target; `supplied` are libraries that locked artifacts put
    onto the system."""
    platform = audited.index.target.on
    if not platform.is_linux:
        message = f"binaries for {audited.index.target.platform} are not looked into"
        yield found("native/not-audited", message, name=audited.index.target.platform)
        return
    binaries = dict(_binaries(audited))
    look = _Look(audited=audited, binaries=binaries, machine=machine, supplied=supplied)
    yield from _grouped(finding for path, binary in binaries.items() for finding in look.at(path, binary))
    yield from _vendored(audited, binaries)


def _binaries(audited: Audited) -> Iterator[tuple[SafePath, Binary]]:
    for path, entry in sorted(audited.tree.items()):
        if not isinstance(entry, FileEntry) or path.endswith(_TEXT) or entry.size < len(MAGIC):
            continue
        if not isinstance(audited.found.get(path), FileEntry):
            continue
        with open_below(audited.folder, path) as stream:
            if stream.read(len(MAGIC)) == MAGIC and (binary := _read(stream.fileno())) is not None:
                yield path, binary


def _read(descriptor: int) -> Binary | None:
    with os.fdopen(descriptor, "rb", _WINDOW, closefd=False) as stream:
        stream.seek(0)
        return read_binary(stream)


@dataclass(frozen=True, kw_only=True)
class _Look:
    audited: Audited
    binaries: Mapping[SafePath, Binary]
    machine: Machine | None
    supplied: frozenset[str]

    @cached_property
    def _base(self) -> frozenset[str]:
        return base_libraries(self.audited.index.target.on) | self.supplied

    @cached_property
    def _by_name(self) -> Mapping[str, list[SafePath]]:
        """Libraries of the tree, by file name and by what they call themselves."""
        named: dict[str, list[SafePath]] = defaultdict(list)
        for path, binary in self.binaries.items():
            for name in {path.rpartition("/")[2], binary.soname}:
                named[name].append(path)
        return named

    def at(self, path: SafePath, binary: Binary) -> Iterator[Finding]:
        expected = MACHINES[self.audited.index.target.machine]
        if binary.machine != expected:
            loaded = ".cpython-" in path or ".abi3." in path or path.startswith("bin/")
            message = f"is for {binary.machine}, and the target is {expected}"
            finding = self._found("native/machine", path, binary.machine, message)
            yield finding if loaded else replace(finding, severity="note")
            return
        folders = self._folders(path, binary)
        for name in binary.needed:
            yield from self._needed(path, name, folders)
        for wish in binary.wishes:
            yield from self._wished(path, wish.names, wish.required, folders)
        yield from self._search(path, binary)
        yield from self._versions(path, binary, folders)
        if binary.loader and binary.loader not in loaders(self.audited.index.target.on):
            message = f"is started by {binary.loader}, which is not the target's"
            yield self._found("native/interpreter", path, binary.loader, message)

    def _folders(self, path: SafePath, binary: Binary) -> tuple[str, ...]:
        """Of its search path, absolute, as the tree will lie."""
        return binary.folders(posixpath.join(self.audited.home, posixpath.dirname(path)))

    def _inside(self, folder: str, name: str) -> bool:
        relative = f"{folder}/{name}".removeprefix(f"{self.audited.home}/")
        for link, entry in self._links.items():
            if relative.startswith(f"{link}/"):
                relative = posixpath.normpath(
                    posixpath.join(posixpath.dirname(link), entry, relative[len(link) + 1 :])
                )
        return relative in self.audited.tree

    @cached_property
    def _links(self) -> Mapping[str, str]:
        return {
            path: entry.target for path, entry in self.audited.tree.items() if isinstance(entry, LinkEntry)
        }

    def _is_there(self, name: str, folders: tuple[str, ...]) -> bool:
        return name in self._base or any(self._inside(folder, name) for folder in folders if folder)

    def _needed(self, path: SafePath, name: str, folders: tuple[str, ...]) -> Iterator[Finding]:
        if any(self._inside(folder, name) for folder in folders if folder):
            return
        if name in self._base:
            if self.machine and not self.machine.library(name):
                message = f"needs {name}, which the platform promises, and this machine does not have"
                yield self._found("native/library", path, name, message)
            return
        if others := self._by_name.get(name):
            message = f"needs {name}, which only {others[0]} is, where it does not look"
            yield self._found("native/library-preloaded", path, name, message)
            return
        message = f"needs {name}, which neither the generation nor the target's base has"
        finding = self._found("native/library", path, name, message)
        where = self.machine.library(name) if self.machine else ""
        yield replace(finding, evidence=(f"this machine has it as {where}",)) if where else finding

    def _wished(
        self, path: SafePath, names: tuple[str, ...], required: bool, folders: tuple[str, ...]
    ) -> Iterator[Finding]:
        if any(self._is_there(name, folders) or name in self._by_name for name in names) or not names:
            return
        message = f"loads {' or '.join(names)} while it runs, as it says itself; neither the generation nor the base has it"
        finding = self._found("native/library-optional", path, names[0], message)
        yield replace(finding, rule="native/library", severity="error") if required else finding

    def _search(self, path: SafePath, binary: Binary) -> Iterator[Finding]:
        for text, folder in zip(binary.search, self._folders(path, binary), strict=True):
            if f"{folder}/".startswith(f"{self.audited.home}/"):
                continue
            if not text or not folder.startswith("/"):
                message = "looks for libraries in whatever folder it is started in"
                yield self._found("native/search-path", path, text or ".", message)
            elif self.machine and self.machine.is_folder(folder):
                message = f"looks for libraries in {folder}, which is outside of the generation"
                yield self._found("native/search-path", path, text, message)
            else:
                message = f"looks for libraries in {folder}, which is outside of the generation, where nothing is known to be"
                yield self._found("native/search-path-stale", path, text, message)

    def _versions(self, path: SafePath, binary: Binary, folders: tuple[str, ...]) -> Iterator[Finding]:
        """Only of libraries that come from the base."""
        platform = self.audited.index.target.on
        newest: dict[str, str] = {}
        for library, version in binary.versions:
            own = any(self._inside(folder, library) for folder in folders if folder)
            if library in self._base and not own and too_new(platform, version):
                newest[library] = max(newest.get(library, ""), version, key=_number)
        for library, version in newest.items():
            message = (
                f"needs {version} of {library}, and {self.audited.index.target.platform} does not promise it"
            )
            yield self._found("native/base-too-new", path, version, message)

    def _found(self, rule: str, path: SafePath, name: str, message: str) -> Finding:
        return found(rule, message, artifact=self.audited.owners.get(path, ""), path=path, name=name)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("_")[2].split(".") if part.isdigit())


def _grouped(findings: Iterator[Finding]) -> Iterator[Finding]:
    """One for each rule, artifact and name; the other binaries are its evidence."""
    groups: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for one in findings:
        groups[one.rule, one.artifact, one.name].append(one)
    for several in groups.values():
        first = several[0]
        yield replace(first, evidence=(*first.evidence, *(one.path for one in several[1:]))[:MAX_EVIDENCE])


def _vendored(audited: Audited, binaries: Mapping[SafePath, Binary]) -> Iterator[Finding]:
    """Libraries inside packages, of which no lock knows; with what the package says of them itself (PEP 770)."""
    inside: dict[str, list[SafePath]] = defaultdict(list)
    bills: dict[str, list[SafePath]] = defaultdict(list)
    for path in sorted(audited.tree):
        label = audited.owners.get(path, "")
        folder = path.rpartition("/")[0].rpartition("/")[2]
        if path in binaries and (folder.endswith(".libs") or folder in ("lib", "libs", ".libs")):
            inside[label].append(path)
        elif ".dist-info/sboms/" in path:
            bills[label].append(path)
    for label, paths in inside.items():
        names = ", ".join(path.rpartition("/")[2] for path in paths[:6])
        told = "which its own bill of materials lists" if bills[label] else "and no bill of materials of them"
        message = f"carries {len(paths)} libraries inside ({names}{', …' if len(paths) > 6 else ''}), {told}"
        yield found(
            "native/vendored",
            message,
            artifact=label,
            path=paths[0],
            name="libraries",
            evidence=[*bills[label], *paths],
        )
