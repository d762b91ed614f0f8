"""Versions of Debian packages and their order (deb-version(7), Debian Policy 5.6.12).

Written here as python-debian, which has it, is under the GPL, and debian-inspector refuses `1.2~`: docs/adr/0018-debs.md.
"""

import re
from functools import cache

_VERSION = re.compile(r"(?:([0-9]{1,9}):)?([A-Za-z0-9.+~:-]{1,200}?)(?:-([A-Za-z0-9.+~]{1,200}))?", re.ASCII)
_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
Key = tuple[int, tuple[tuple[tuple[int, ...], int], ...], tuple[tuple[tuple[int, ...], int], ...]]


def is_version(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None


@cache
def version_key(text: str) -> Key:
    """What sorts as the version does. Raises ValueError for what is none."""
    if (match := _VERSION.fullmatch(text)) is None:
        raise ValueError(f"not the version of a Debian package: {text[:80]!r}")
    epoch, upstream, revision = match.groups()
    return int(epoch or 0), _parts(upstream), _parts(revision or "")


def _parts(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Pairs of what is no digit and a number. The end of the former sorts behind `~` and before everything else, letters
    before all other characters."""
    found = [((*map(_weight, word), 0), int(number or 0)) for word, number in _PARTS.findall(text)]
    while found and found[-1] == ((0,), 0):
        found.pop()
    return (*found, ((0,), 0))


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def holds(version: str, operator: str, other: str) -> bool:
    """Whether `version OPERATOR other`, with the operators of dependencies: `<<`, `<=`, `=`, `>=`, `>>`; empty holds always."""
    if not operator:
        return True
    one, two = version_key(version), version_key(other)
    match operator:
        case "<<":
            return one < two
        case "<=":
            return one <= two
        case "=":
            return one == two
        case ">=":
            return one >= two
        case ">>":
            return one > two
    raise AssertionError(f"no such operator: {operator}")
