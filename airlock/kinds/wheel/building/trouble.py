"""What the end of a build's log means, and the way on."""

import re
from pathlib import Path

LAST_LINES = 20
_TAIL = 200_000
"""Bytes of the log's end that are read."""

_SIGNS: tuple[tuple[str, str], ...] = (
    (
        r"(?:command|error:) '?(?:\S*/)?((?:gcc|cc|g\+\+|c\+\+|clang|x86_64-linux-gnu-gcc|aarch64-linux-gnu-gcc)(?:-\d+)?)'?"
        r"(?: failed)?: No such file",
        "a C compiler ({0}) is missing: on Debian, apt install build-essential",
    ),
    (
        r"Unknown compiler\(s\)|No CMAKE_C(?:XX)?_COMPILER",
        "a C compiler is missing: on Debian, apt install build-essential",
    ),
    (
        r"fatal error: (Python\.h): No such file",
        "the headers of Python are missing: on Debian, apt install python3-dev",
    ),
    (
        r"fatal error: (\S+): No such file",
        "the header {0} is missing: the -dev package of that library has it",
    ),
    (r"cannot find -l(\S+?):? ", "the library {0} is missing: its -dev package has it"),
    (
        r"Package '?([^\s',]+)'?,? (?:required by .*)?(?:was )?not found",
        "pkg-config does not know {0}: its -dev package is missing",
    ),
    (
        r"(pg_config|mysql_config|krb5-config|xslt-config|curl-config|llvm-config) (?:executable |not )",
        "{0} is missing: the -dev package of that library has it",
    ),
    (
        r"Can not find valid pkg-config name|pkg-config: (?:command )?not found",
        "pkg-config, or the -dev package of a library that it should know, is missing",
    ),
    (
        r"(?:can't find|find) Rust compiler|cargo.*(?:not installed|No such file|not found)",
        "Rust (cargo) is missing",
    ),
    (r"(?:Dependency |Program )['\"]?(\S+?)['\"]? (?:not )?found: NO", "{0} is missing"),
    (
        r"ModuleNotFoundError: No module named '([^'.]+)",
        "its build imports {0}, which it does not require: add it below [python.build.requires]",
    ),
    (
        r"Temporary failure in name resolution|Network is unreachable|Name or service not known|Could not resolve host",
        "its build wants the network, which no build gets",
    ),
)


def tail(log: Path) -> list[str]:
    """The last lines."""
    return [line.rstrip() for line in _end(log).splitlines() if line.strip()][-LAST_LINES:]


def diagnosis(log: Path) -> str | None:
    """What is missing, where the log says it in words that are known."""
    text = _end(log)
    for pattern, meaning in _SIGNS:
        if match := re.search(pattern, text):
            return meaning.format(*match.groups())
    return None


def _end(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _TAIL))
            return stream.read(_TAIL).decode(errors="replace")
    except OSError:
        return ""
