"""Imports that nothing locked answers, each judged by whether it happens.

What counts as an error is loaded: it stands in a module that is imported whenever a locked package or one of its commands is,
or by the project's own code, with no condition, function or handler of its failure around it. Whether a module is loaded is
asked backwards from the few in which something is missing, so that hardly anything has to be parsed.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise

from airlock.core.paths import SafePath
from airlock.formats.findings import MAX_EVIDENCE, Finding, found
from airlock.formats.rules import Severity
from airlock.kinds.audited import Audited
from airlock.kinds.wheel.audit.conditions import Conditions
from airlock.kinds.wheel.audit.mentions import mentions
from airlock.kinds.wheel.audit.modules import absolute, distributions_of, module_name
from airlock.kinds.wheel.audit.source import MAX_SOURCE, Facts, Guard, Import, facts_of, may_use
from airlock.kinds.wheel.audit.standard_library import OTHER_WORLDS, standard_library
from airlock.kinds.wheel.audit.wheels import Wheels, is_test

_VENDORED = ("vendor", "extern", "third_party", "thirdparty", "3rdparty", "bundled", "deps")
_LAZY_MODULES = frozenset({"six.moves", "pkg_resources.extern", "setuptools.extern", "py._path"})
"""Modules that make others up when they are asked for."""
_LONGEST, _DEEPEST = 1_000, 32
"""Characters of a dotted name, and its parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source file of a wheel, or a script."""

    path: SafePath
    label: str
    module: str
    """Its dotted name; empty for what is not imported by name."""
    is_package: bool = False


class Sources:
    """All sources of a tree, looked through once; of tests, examples and the like those alone that other code asks for."""

    def __init__(self, audited: Audited, wheels: Wheels) -> None:
        self.audited, self.wheels = audited, wheels
        self.conditions = Conditions.of(audited.index.target)
        self.library = standard_library(audited.index.target.python_minor)
        self.by_module: dict[str, Source] = {}
        self.suspects: list[Source] = []
        """Where something may be missing."""
        self.users: list[Source] = []
        """Where programs may be started, or libraries loaded."""
        self.unreadable: list[Source] = []
        self._importers: dict[str, set[str]] = defaultdict(set)
        tests: dict[str, Source] = {}
        for source in self._all():
            if is_test(source.path):
                tests[source.module] = source
            else:
                self._look_through(source)
        while asked := self._importers.keys() & tests.keys():
            for name in sorted(asked):
                self._look_through(tests.pop(name))

    def _all(self) -> Iterator[Source]:
        for label, paths in self.wheels.files.items():
            for path in paths:
                if path.endswith(".py"):
                    name = module_name(path.removeprefix(self.wheels.site)) or ""
                    inside = path.startswith(self.wheels.site)
                    is_package = path.endswith("/__init__.py")
                    yield Source(path=path, label=label, module=name if inside else "", is_package=is_package)
                elif path.startswith("bin/"):
                    yield Source(path=path, label=label, module="")

    def _look_through(self, source: Source) -> None:
        data = self.audited.read(source.path, MAX_SOURCE)
        if data is None or not (source.path.endswith(".py") or is_python_script(data)):
            return
        if source.module:
            self.by_module[source.module] = source
        suspect = False
        for mention in set(mentions(data)):
            targets = list(self.targets(source, mention.module, mention.level, mention.names))
            suspect |= any(self.unanswered(target) for target in targets)
            for target in targets if source.module else ():
                for name in prefixes(target):
                    self._importers[name].add(source.module)
        if suspect:
            self.suspects.append(source)
        if may_use(data):
            self.users.append(source)

    def targets(self, source: Source, module: str, level: int, names: Iterable[str]) -> Iterator[str]:
        """The modules that an import asks for: what it names, and those of the names after it that are modules, or must be."""
        if (base := absolute(module, level, source.module, source.is_package)) is None:
            return
        modules = self.wheels.modules
        yield base
        for name in names:
            if f"{base}.{name}" in modules.files or base in modules.namespaces:
                yield f"{base}.{name}"

    def unanswered(self, target: str) -> bool:
        """Whether neither the lock nor the standard library has a module."""
        if target.partition(".")[0] in self.library or self._made_up(target):
            return False
        return self.wheels.modules.look_up(target)[0] in ("missing", "within")

    def _made_up(self, target: str) -> bool:
        if any(name in _LAZY_MODULES for name in prefixes(target)):
            return True
        replaced = target.partition(".")[0] == "distutils"
        return replaced and "setuptools._distutils" in self.wheels.modules.files

    def answered(self, source: Source, one: Import) -> bool:
        return not any(map(self.unanswered, self.targets(source, one.module, one.level, one.names)))

    def facts(self, source: Source) -> Facts | None:
        """None for what cannot be parsed."""
        return self._facts(source.path)

    @cached_property
    def _by_path(self) -> Mapping[SafePath, Source]:
        return {source.path: source for source in (*self.by_module.values(), *self.suspects, *self.users)}

    @lru_cache(maxsize=4096)  # noqa: B019
    def _facts(self, path: SafePath) -> Facts | None:
        source = self._by_path[path]
        data = self.audited.read(path, MAX_SOURCE)
        if data is None:
            return None
        return facts_of(data, self.conditions, lambda one: self.answered(source, one))

    def importers(self, module: str) -> list[Source]:
        """Of a module, or of one below it; those that mention it, whatever for."""
        return [self.by_module[name] for name in sorted(self._importers[module]) if name in self.by_module]

    def imports_for_sure(self, source: Source, module: str) -> bool:
        """Whether loading a source loads a module. The project's own code counts as a whole: it was written to be run."""
        facts = self.facts(source)
        least = Guard.LAZY if self.wheels.is_own(source.label) else Guard.EAGER
        return facts is not None and any(
            module in prefixes(target)
            for one in facts.imports
            if one.guard <= least
            for target in self.targets(source, one.module, one.level, one.names)
        )


class Loaded:
    """Which modules are loaded whenever what is locked is used at all."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[str, tuple[str, ...]] = {}

    @cached_property
    def _roots(self) -> frozenset[str]:
        sources, wheels = self._sources, self._sources.wheels
        roots = {name for name in sources.by_module if "." not in name and not is_test(name)}
        for label in wheels.artifacts:
            roots |= {script.module for script in wheels.scripts(label)}
        own = (
            one for one in sources.by_module.values() if wheels.is_own(one.label) and not is_test(one.path)
        )
        return frozenset(roots | {one.module for one in own})

    def by(self, module: str) -> tuple[str, ...]:
        """The modules that lead there, a root first; empty where nothing leads there."""
        if module in self._known:
            return self._known[module]
        came: dict[str, tuple[str, ...]] = {module: (module,)}
        queue = deque([module])
        while queue:
            current = queue.popleft()
            if current in self._roots:
                self._known[module] = came[current]
                return came[current]
            for source in self._sources.importers(current):
                if source.module not in came and self._sources.imports_for_sure(source, current):
                    came[source.module] = (source.module, *came[current])
                    queue.append(source.module)
        self._known[module] = ()
        return ()


def prefixes(name: str) -> list[str]:
    """The packages that a module is in, and itself; of a name that no file could have, the first of them."""
    parts = name[:_LONGEST].split(".", _DEEPEST)[:_DEEPEST]
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def is_python_script(data: bytes) -> bool:
    head = data[:512]
    return head.startswith(b"#!") and b"python" in head.partition(b"\n")[0] + head.partition(b"\n")[2][:300]


class Judge:
    """Says what a missing module means where it is asked for."""

    def __init__(self, sources: Sources) -> None:
        self.sources, self.loaded = sources, Loaded(sources)

    def findings(self) -> Iterator[Finding]:
        """One for each module that a wheel lacks in one way; further places are its evidence."""
        grouped: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
        for source in self.sources.suspects:
            facts = self.sources.facts(source)
            if facts is None:
                self.sources.unreadable.append(source)
                continue
            for one in facts.imports:
                for finding in self._judged(source, one):
                    grouped[finding.rule, finding.artifact, finding.name].append(finding)
        for several in grouped.values():
            several.sort(key=lambda one: (one.severity, one.path, one.line))
            places = [f"{one.path}:{one.line}" for one in several[1:]]
            yield replace(several[0], evidence=(*several[0].evidence, *places)[:MAX_EVIDENCE])

    def _judged(self, source: Source, one: Import) -> Iterator[Finding]:
        for target in self.sources.targets(source, one.module, one.level, one.names):
            if not self.sources.unanswered(target):
                continue
            answer, part = self.sources.wheels.modules.look_up(target)
            if answer == "within":
                yield self._within(source, one, target, part)
            else:
                yield self._missing(source, one, part)

    def _within(self, source: Source, one: Import, target: str, part: str) -> Finding:
        own = self.sources.wheels.is_own(source.label) and one.guard is Guard.EAGER and one.level > 0
        message = f"imports {target}, but there is no file for {part}"
        rule = "python/import" if own and not is_test(source.path) else "python/import-submodule"
        return self._found(rule, source, one, part, message)

    def _missing(self, source: Source, one: Import, part: str) -> Finding:
        own = self.sources.wheels.is_own(source.label) and not is_test(source.path)
        if elsewhere := self._unlocked(part):
            message = f"imports {part}, which only {elsewhere} answers, and nothing locked"
            return self._found("python/import-elsewhere", source, one, part, message)
        if extra := self._extra(source.label, part):
            message = (
                f"imports {part}, for which it names the optional dependency {extra}, which is not locked"
            )
            severity: Severity = "warning" if own and one.guard is Guard.EAGER else "note"
            return self._found("python/import-extra", source, one, part, message, severity)
        if sibling := self._sibling(source, part, own):
            message = f"imports {part}, which is only to be found as {sibling}"
            return self._found("python/import-sibling", source, one, part, message)
        if part.partition(".")[0] in OTHER_WORLDS and not own:
            message = f"imports {part}, which is of another platform"
            return self._found("python/import-unreached", source, one, part, message)
        return self._unlike_all(source, one, part, own)

    def _unlike_all(self, source: Source, one: Import, part: str, own: bool) -> Finding:
        severity: Severity = "warning" if own else "note"
        if one.guard is Guard.GUARDED:
            message = f"tries to import {part}, which nothing locked provides"
            return self._found("python/import-guarded", source, one, part, message)
        if one.dynamic:
            message = f"imports {part} by its name as text; nothing locked provides it"
            return self._found("python/import-dynamic", source, one, part, message, severity)
        if one.guard is not Guard.EAGER:
            when = "in a function" if one.guard is Guard.LAZY else "on a condition"
            message = f"imports {part} {when}; nothing locked provides it"
            return self._found("python/import-lazy", source, one, part, message, severity)
        return self._eager(source, one, part)

    def _eager(self, source: Source, one: Import, part: str) -> Finding:
        if not source.module and source.path.startswith("bin/"):
            message = f"the script imports {part}, which nothing locked provides"
            return self._found("python/entry-point", source, one, part, message)
        chain = self.loaded.by(source.module) if source.module else ()
        if not chain:
            message = f"imports {part}, which nothing locked provides, in a module that nothing loads"
            return self._found("python/import-unreached", source, one, part, message)
        message = f"imports {part}, which nothing locked provides"
        finding = self._found("python/import", source, one, part, message)
        loaded = " → ".join(chain)
        return replace(finding, evidence=(f"loaded by {loaded}",)) if len(chain) > 1 else finding

    def _found(
        self,
        rule: str,
        source: Source,
        one: Import,
        name: str,
        message: str,
        severity: Severity | None = None,
    ) -> Finding:
        finding = found(rule, message, artifact=source.label, path=source.path, line=one.line, name=name)
        return replace(finding, severity=severity) if severity else finding

    def _unlocked(self, name: str) -> str:
        """Where something that nothing locked placed would answer; empty where nothing does."""
        return self._strangers.get(name.partition(".")[0], "")

    @cached_property
    def _strangers(self) -> Mapping[str, str]:
        site = self.sources.wheels.site
        found: dict[str, str] = {}
        for path in self.sources.audited.added:
            relative = path.removeprefix(site)
            if relative != path and (name := module_name(relative)):
                found.setdefault(name.partition(".")[0], path)
        return found

    def _extra(self, label: str, name: str) -> str:
        if not label:
            return ""
        return next(iter(distributions_of(self._extras(label), name)), "")

    @lru_cache(maxsize=1024)  # noqa: B019
    def _extras(self, label: str) -> Mapping[str, str]:
        """Distributions that a wheel asks for only with an extra, or only elsewhere."""
        described = self.sources.wheels.described(label)
        return {
            one.name.lower().replace("_", "-").replace(".", "-"): one.name
            for one in described.requirements
            if one.marker is not None
        }

    def _sibling(self, source: Source, name: str, own: bool) -> str:
        """A file of the same wheel that is what is asked for, if somebody lengthens the search path."""
        top = name.partition(".")[0]
        folder = source.path.rpartition("/")[0]
        for path in self._tails(source.label).get(top, ()):
            beside = path.rpartition("/")[0] in (folder, f"{folder}/{top}")
            vendored = any(word in part for part in path.lower().split("/") for word in _VENDORED)
            if vendored or (beside and not own) or (is_test(path) and is_test(source.path)):
                return path
        return ""

    @lru_cache(maxsize=1024)  # noqa: B019
    def _tails(self, label: str) -> Mapping[str, list[str]]:
        tails: dict[str, list[str]] = defaultdict(list)
        for path in self.sources.wheels.files.get(label, ()):
            parts = path.removeprefix(self.sources.wheels.site).split("/")
            for part, inner in pairwise(parts):
                if any(word in part.lower() for word in _VENDORED) and not tails[inner.partition(".")[0]]:
                    tails[inner.partition(".")[0]].append(path)
            stem = parts[-1].partition(".")[0]
            if stem == "__init__" and len(parts) > 2:
                tails[parts[-2]].append(path)
            elif len(parts) > 1 and parts[-1].endswith((".py", ".so")):
                tails[stem].append(path)
        return tails
