"""Known vulnerabilities of what is locked, by a database that somebody carried to this machine.

What the sender's side found is the sender's word: nothing of it is taken over, and a database has the date that it has.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from airlock.airgapped.stage import KindNamed
from airlock.core.artifact import Artifact
from airlock.formats.findings import Advisories, Finding, found
from airlock.formats.index import BundleIndex
from airlock.formats.osv import Advisory, Affected
from airlock.kinds.audited import Advised
from airlock.storage.advisories import Database

Locked = Mapping[str, tuple[Advised, Mapping[str, Artifact]]]
"""By ecosystem: its kind, and what is locked of it by name."""


def advisory_findings(
    path: Path, index: BundleIndex, kinds: KindNamed
) -> tuple[tuple[Finding, ...], Advisories]:
    """Raises IntegrityError where the database cannot be read, and OSError."""
    locked = _locked(index, kinds)
    database = Database(path)
    findings: dict[str, Finding] = {}
    for advisory in database.advisories():
        for one in _judged(advisory, locked):
            findings.setdefault(one.fingerprint, one)
    return tuple(findings.values()), database.told()


def _locked(index: BundleIndex, kinds: KindNamed) -> Locked:
    found: dict[str, tuple[Advised, dict[str, Artifact]]] = {}
    for entry in index.entries:
        artifact = entry.artifact
        kind = kinds(artifact.kind, artifact.label)
        if isinstance(kind, Advised) and artifact.version:
            _, known = found.setdefault(kind.ecosystem, (kind, {}))
            known[kind.normal_name(artifact.name)] = artifact
    return found


def _judged(advisory: Advisory, locked: Locked) -> Iterator[Finding]:
    for affected in advisory.affected:
        artifact = _covered(affected, locked)
        if artifact is None:
            continue
        fixed = sorted({span.fixed for span in affected.spans if span.fixed})
        names = ", ".join([advisory.id, *advisory.aliases[:3]])
        message = f"{names}: {advisory.summary or 'no summary'}"
        evidence = [f"fixed in {', '.join(fixed)}"] if fixed else ["no fixed version is known"]
        evidence += [f"severity {text}" for text in advisory.severities]
        rule = "advisory/withdrawn" if advisory.withdrawn else "advisory/affected"
        yield found(rule, message, artifact=artifact.label, name=advisory.id, evidence=evidence)


def _covered(affected: Affected, locked: Locked) -> Artifact | None:
    """What is locked in a version that is affected."""
    if affected.ecosystem not in locked:
        return None
    kind, known = locked[affected.ecosystem]
    artifact = known.get(kind.normal_name(affected.name))
    return artifact if artifact is not None and affected.covers(artifact.version, kind.order) else None
