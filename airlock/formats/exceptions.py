"""Exceptions from the audit, `[[audit.exception]]` in airlock.toml: what is known, and why it is no fault.

They stand in the lock and in the signed index, so that whoever signs a bundle signs them, and a site shows each with its reason.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airlock.core.fields import Fields
from airlock.formats.rows import plain_text

if TYPE_CHECKING:  # every index has exceptions, and hardly a command has findings
    from airlock.formats.findings import Finding

ANY = "*"
MAX_EXCEPTIONS = 1_000
MAX_REASON = 500
"""Characters."""
_RULE = re.compile(r"[a-z][a-z-]{0,40}(/[a-z][a-z-]{0,40})?")
_PATTERNS = ("artifact", "name", "path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exempted:
    """What an exception covers. Patterns are those of `fnmatch`, with regard to case; `*` for anything."""

    rule: str
    """The name of a rule, or of a class."""
    reason: str
    artifact: str = ANY
    """Against kind and name, as `wheel plotly`."""
    name: str = ANY
    path: str = ANY

    def covers(self, finding: "Finding") -> bool:
        label = " ".join(finding.artifact.split(" ")[:2])
        found = ((self.artifact, label), (self.name, finding.name), (self.path, finding.path))
        return self.rule in (finding.rule, finding.category) and all(
            fnmatchcase(text, pattern) for pattern, text in found
        )


def read_exceptions(tables: Iterable[Fields], *, by_hand: bool = False) -> tuple[Exempted, ...]:
    """As a manifest, a lock or an index has them, in order. What was written `by_hand` names rules of this airlock; a lock or
    an index may come from a newer one."""
    found = []
    for table in tables:
        found.append(_read(table))
        if by_hand:
            table.parsed("rule", _known_rule)
        if len(found) > MAX_EXCEPTIONS:
            raise table.fault("", f"more than {MAX_EXCEPTIONS} exceptions")
    return tuple(found)


def _read(table: Fields) -> Exempted:
    patterns = {key: table.parsed(key, plain_text) for key in _PATTERNS if key in table}
    one = Exempted(rule=table.parsed("rule", _rule), reason=table.parsed("reason", _reason), **patterns)
    table.done()
    if all(pattern == ANY for pattern in patterns.values()):
        hint = "say which: artifact, name or path, each a pattern"
        raise table.fault("", "would cover everything of its rule", hint)
    return one


def _rule(text: str, place: str) -> str:
    if not _RULE.fullmatch(text):
        raise ValueError(f"expected a rule of the audit as 'python/import', or a class, found {text[:100]!r}")
    return text


def _known_rule(text: str, place: str) -> str:
    from airlock.formats.rules import CLASSES, RULES

    if text not in RULES and text not in CLASSES:
        from difflib import get_close_matches

        near = get_close_matches(text[:100], [*RULES, *CLASSES], n=1)
        guess = f": did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"expected a rule of the audit or a class of them, found {text[:100]!r}{guess}")
    return text


def _reason(text: str, place: str) -> str:
    if not text.strip() or len(text) > MAX_REASON:
        raise ValueError(f"expected a reason of 1 to {MAX_REASON} characters, found {len(text.strip())}")
    return plain_text(text, place)


def write_exception(one: Exempted) -> dict[str, Any]:
    named = {key: pattern for key in _PATTERNS if (pattern := getattr(one, key)) != ANY}
    return {"rule": one.rule, **named, "reason": one.reason}


def except_from(findings: "Iterable[Finding]", exceptions: Iterable[Exempted]) -> "Iterable[Finding]":
    """The findings, those that an exception covers marked with its reason."""
    declared = tuple(exceptions)
    for finding in findings:
        reason = next((one.reason for one in declared if one.covers(finding)), None)
        yield finding if reason is None else replace(finding, standing="excepted", reason=reason)


def unused(findings: "Iterable[Finding]", exceptions: Iterable[Exempted]) -> tuple[Exempted, ...]:
    """Exceptions that cover nothing any more."""
    seen = tuple(findings)
    return tuple(one for one in exceptions if not any(one.covers(finding) for finding in seen))
