"""The dossier for programs: `airlock-report/1`, as schema/report.json has it. What is empty is left out."""

from dataclasses import asdict
from typing import Any

from airlock.airgapped.dossier.facts import Change, Dossier, Item, SignedBy
from airlock.formats import findings
from airlock.formats.exceptions import write_exception
from airlock.formats.journal import Act
from airlock.formats.rows import write_activation, write_health, write_project, write_target
from airlock.formats.trust import short_form

FORMAT = "airlock-report/1"


def dossier_document(dossier: Dossier) -> dict[str, Any]:
    document: dict[str, Any] = {
        "format": FORMAT,
        "file": {"name": dossier.file, "size": dossier.size, "digest": dossier.digest},
        "project": write_project(dossier.project),
        "target": write_target(dossier.target),
        "index": dossier.index,
        "short": short_form(dossier.index),
        "artifacts": [_item(one) for one in dossier.items],
        "licenses": [{"license": name, "artifacts": number} for name, number in dossier.licenses()],
        "signatures": [_signed(one) for one in dossier.signed],
        "verified": list(dossier.checked),
        "warnings": list(dossier.warnings),
        "acts": [_act(one) for one in dossier.acts],
    }
    if dossier.since:
        document["since"] = {"what": dossier.since, "changes": [_change(one) for one in dossier.changes]}
    optional = {
        "cutoff": dossier.cutoff,
        "health": write_health(dossier.health) if dossier.health else None,
        "activation": [write_activation(one) for one in dossier.activation],
        "exceptions": [write_exception(one) for one in dossier.exceptions],
        "documents": [
            {"name": one.name, "media": one.media, "size": one.size, "digest": one.digest}
            for one in dossier.documents
        ],
        "media": [{"label": one.label, "size": one.size, "set": one.aloud} for one in dossier.media],
        "audit": findings.document(dossier.audit) if dossier.audit else None,
    }
    return document | {key: value for key, value in optional.items() if value}


def _item(one: Item) -> dict[str, Any]:
    artifact, said = one.artifact, one.description
    row: dict[str, Any] = {
        "kind": artifact.kind,
        "name": artifact.name,
        "version": artifact.version,
        "file": artifact.file,
        "size": artifact.size,
        "digest": artifact.digest,
        "carried": one.carried,
        "unpacked": one.unpacked,
    }
    more = {
        "license": said.license,
        "expression": said.expression,
        "summary": said.summary,
        "purl": said.identifier,
        "origin": one.origin,
    }
    return row | {key: value for key, value in more.items() if value}


def _change(one: Change) -> dict[str, Any]:
    row: dict[str, Any] = {"change": one.what, "kind": one.kind, "name": one.name, "grown": one.grown}
    names = ("before", "after", "license_before", "license_after")
    return row | {name: value for name in names if (value := getattr(one, name))}


def _signed(one: SignedBy) -> dict[str, Any]:
    row: dict[str, Any] = {
        "title": one.title,
        "keys": [{"key": key, "state": state} for key, state in one.keys],
        "counter": one.counter,
        "expires": one.expires,
    }
    return row | {
        name: value for name in ("approver", "state", "made", "fault") if (value := getattr(one, name))
    }


def _act(one: Act) -> dict[str, Any]:
    """As a line of a journal has it, with the time in seconds since the epoch."""
    row = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(one).items()}
    return {name: value for name, value in row.items() if value}
