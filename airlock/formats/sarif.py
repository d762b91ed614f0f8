"""Reports of an audit as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format), for programs that collect findings.

What is excepted or known is a suppressed result. Places outside of the generation have no artifact location, for SARIF wants
those below one root.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airlock import __version__
from airlock.formats.findings import Finding, Report
from airlock.formats.rules import RULES, Rule

VERSION = "2.1.0"
FINGERPRINT = "airlock/1"
_ROOT = "GENERATION"
"""The base of every path."""


def write_sarif(reports: Sequence[Report]) -> bytes:
    """One run a report."""
    document = {"version": VERSION, "runs": [_run(report) for report in reports]}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _run(report: Report) -> dict[str, Any]:
    used = sorted({one.rule for one in report.findings})
    driver = {
        "name": "airlock audit",
        "semanticVersion": __version__,
        "rules": [_rule(RULES[name]) for name in used],
    }
    numbers = {name: number for number, name in enumerate(used)}
    return {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": "the installed generation, or what it will be"}}
        },
        "properties": {
            "subject": report.subject,
            "project": report.project,
            "version": report.version,
            "target": report.target,
            **({"index": report.index} if report.index else {}),
        },
        "results": [_result(one, numbers) for one in report.findings],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.summary},
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"class": rule.category},
    }


def _result(one: Finding, numbers: Mapping[str, int]) -> dict[str, Any]:
    text = "\n".join([f"{one.artifact}: {one.message}" if one.artifact else one.message, *one.evidence])
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": numbers[one.rule],
        "level": one.severity,
        "message": {"text": text},
        "partialFingerprints": {FINGERPRINT: one.fingerprint},
        "locations": [_location(one)],
    }
    if one.standing == "excepted":
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": one.reason}]
    elif one.standing == "known":
        result["suppressions"] = [{"kind": "external", "justification": "in the baseline"}]
    return result


def _location(one: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if one.path and not one.path.startswith("/"):
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(one.path), "uriBaseId": _ROOT}}
        if one.line:
            place["region"] = {"startLine": one.line}
        location["physicalLocation"] = place
    if one.artifact or one.name:
        location["logicalLocations"] = [{"fullyQualifiedName": one.artifact or one.name, "kind": "package"}]
    return location
