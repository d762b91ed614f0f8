"""Relationships between packages (Debian Policy 7.1): `a (>= 1.2), b:any | c`."""

import re
from typing import NamedTuple

from airlock.kinds.deb.versions import holds, is_version

NAME = r"[a-z0-9][a-z0-9+.-]{0,100}"
_OLD = {"<": "<=", ">": ">="}
"""Spellings that are still read, and what they mean."""
_RELATION = re.compile(
    rf"({NAME})(?::([a-z0-9-]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s()]+)\s*\))?", re.ASCII
)
MAX_RELATIONS = 20_000


class Relation(NamedTuple):
    name: str
    operator: str = ""
    version: str = ""
    """Both empty where any version will do."""
    qualifier: str = ""
    """An architecture, `any` or `native`; empty where none is named."""

    def takes(self, version: str) -> bool:
        return holds(version, self.operator, self.version)

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name


Group = tuple[Relation, ...]
"""Alternatives, the preferred one first."""


def parse_relation(text: str) -> Relation:
    """Raises ValueError."""
    match = _RELATION.fullmatch(text.strip())
    if match is None or not (match[4] is None or is_version(match[4])):
        raise ValueError(f"not a relationship between packages: {text.strip()[:120]!r}")
    operator = match[3] or ""
    return Relation(match[1], _OLD.get(operator, operator), match[4] or "", match[2] or "")


def parse_groups(text: str) -> tuple[Group, ...]:
    """A field of dependencies. Raises ValueError."""
    return tuple(tuple(map(parse_relation, group.split("|"))) for group in _split(text))


def parse_relations(text: str) -> tuple[Relation, ...]:
    """A field without alternatives, such as Conflicts or Provides. Raises ValueError."""
    return tuple(map(parse_relation, _split(text)))


def _split(text: str) -> list[str]:
    found = [part for part in text.replace("\n", " ").split(",") if part.strip()]
    if len(found) > MAX_RELATIONS:
        raise ValueError(f"more than {MAX_RELATIONS} relationships in one field")
    return found


def text_of(group: Group) -> str:
    return " | ".join(map(str, group))
