"""What an audit can find: each rule with its class, how grave it is by default, and what it means.

Names of rules are an interface: exceptions, baselines and other programs rest on them. A class is the part before the slash, and
has an exit code of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The gravest first. An error is a dependency or a change that nothing declares; a warning is one as far as can be told
without running the software; a note is for who wants to know everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str
    severity: Severity
    """Unless a finding says otherwise."""
    summary: str

    @property
    def category(self) -> str:
        return self.name.partition("/")[0]


CLASSES: Mapping[str, int] = MappingProxyType(
    {"drift": 21, "python": 22, "native": 23, "observed": 24, "network": 25, "advisory": 26}
)
"""Each class and its exit code. Of several classes the first in this order is the audit's."""

RUN_FAILED = 27
"""The exit code where nothing was found, and the application that was run ended with another code than 0."""

_RULES: tuple[tuple[str, Severity, str], ...] = (
    ("drift/changed", "error", "a file is not what was installed"),
    ("drift/missing", "error", "a file that was installed is gone"),
    ("drift/added", "error", "a file lies in the generation that nothing installed"),
    ("drift/relinked", "error", "a link leads elsewhere, or stands where a file was, or the other way round"),
    ("drift/mode", "error", "a file has other permission bits than it was installed with"),
    ("drift/writable", "error", "others than the owner may write there"),
    ("drift/edited", "warning", "configuration was edited after it was installed"),
    (
        "drift/special",
        "error",
        "something that is neither a file, a folder nor a link, or has a name no path can have",
    ),
    ("drift/bytecode", "note", "byte code that Python wrote beside its source"),
    ("drift/bytecode-unchecked", "error", "byte code that Python uses without a look at its source"),
    ("python/import", "error", "code that is loaded imports what nothing locked provides"),
    ("python/import-lazy", "note", "a function imports what nothing locked provides"),
    ("python/import-guarded", "note", "an import that may fail, of what nothing locked provides"),
    ("python/import-extra", "note", "an import of an optional dependency that is not locked"),
    (
        "python/import-unreached",
        "note",
        "an import of what nothing locked provides, in a module that nothing loads",
    ),
    ("python/import-sibling", "note", "an import that only a changed search path can answer"),
    ("python/import-submodule", "note", "an import of a submodule that its package does not have as a file"),
    (
        "python/import-dynamic",
        "note",
        "a module that nothing locked provides is imported by its name as text",
    ),
    ("python/import-elsewhere", "error", "only something that nothing locked can answer an import"),
    ("python/entry-point", "error", "a script starts a module that nothing locked provides"),
    ("python/requirement", "error", "a requirement that a package declares is not met"),
    ("python/distribution-unlocked", "error", "an installed distribution that the lock does not name"),
    (
        "python/path-file",
        "error",
        "a .pth file that the lock does not name, or that leads out of the generation",
    ),
    ("python/path-file-code", "note", "a locked .pth file runs code whenever Python starts"),
    ("python/start-up-module", "error", "a module that Python runs by itself when it starts"),
    (
        "python/site-packages-outside",
        "error",
        "the environment also takes packages of the system or the user",
    ),
    ("python/environment", "warning", "an environment variable changes what Python finds"),
    ("python/script-interpreter", "error", "a script is run by a Python outside of the generation"),
    ("python/program", "note", "code starts a program that is not in the generation"),
    ("python/unreadable", "note", "source that no Python of this version reads"),
    (
        "native/library",
        "error",
        "a shared library is needed that neither the generation nor the target's base has",
    ),
    (
        "native/library-preloaded",
        "note",
        "a shared library is found only if something else has loaded it before",
    ),
    (
        "native/library-loaded",
        "warning",
        "code loads a shared library by name that neither the generation nor the base has",
    ),
    ("native/library-optional", "note", "a shared library is asked for that may be absent"),
    (
        "native/search-path",
        "warning",
        "a search path of a binary leads out of the generation, to a folder that exists",
    ),
    ("native/search-path-stale", "note", "a search path of a binary leads out of the generation, to nothing"),
    ("native/base-too-new", "error", "a binary needs a newer base library than the target promises"),
    ("native/machine", "error", "a binary is for another kind of machine"),
    ("native/interpreter", "error", "a program is started by a loader or interpreter outside of the base"),
    ("native/vendored", "note", "libraries that a package carries inside, which no lock names"),
    ("native/not-audited", "note", "binaries of this target's format are not looked into"),
    ("network/index", "note", "the address of an index, registry or hub"),
    ("network/update", "note", "the address of something that offers updates"),
    ("network/telemetry", "note", "the address of something that collects telemetry"),
    ("network/endpoint", "note", "an address in configuration"),
    ("observed/connection", "error", "the application tried to reach a network"),
    ("observed/name", "error", "the application asked for the address of a name"),
    ("observed/program", "error", "the application started a program outside of the generation and the base"),
    ("observed/file", "error", "the application opened a file outside of the generation and the base"),
    ("observed/library", "error", "the application loaded a library outside of the generation and the base"),
    ("observed/truncated", "warning", "more happened than was recorded"),
    ("advisory/affected", "error", "a locked version has a known vulnerability"),
    ("advisory/withdrawn", "note", "a locked version had an advisory that was withdrawn"),
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {name: Rule(name=name, severity=severity, summary=summary) for name, severity, summary in _RULES}
)
