"""`airlock audit`: what an installed generation, or a bundle before it ships, uses that its lock does not name.

Nothing of what is audited is run here, and nothing is changed. The findings are a value; who tells them, and what they come to,
is decided elsewhere.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airlock.airgapped.audit.drift import drift_findings
from airlock.airgapped.audit.native import Machine, native_findings
from airlock.airgapped.audit.network import network_findings
from airlock.airgapped.host import Interpreter
from airlock.airgapped.site import Site, directory_of
from airlock.airgapped.stage import KindNamed, Layout, Place, lay_out
from airlock.airgapped.staging import Staging
from airlock.core.paths import SafePath
from airlock.core.reporter import Reporter
from airlock.core.tree import FileEntry, Tree
from airlock.formats.exceptions import except_from
from airlock.formats.findings import Baseline, Finding, Report, ordered
from airlock.formats.generation import Generation
from airlock.formats.index import BundleIndex
from airlock.kinds.audited import Audited, Audits, Edited, Supplies
from airlock.storage.content import Content
from airlock.storage.disk import RealDisk
from airlock.storage.regular import open_below
from airlock.storage.tree_scan import Scan, scan

_HEAD = 64
"""Bytes of a file that are enough to tell what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditing:
    """What an audit is done with, and what its findings are held against."""

    kinds: KindNamed
    reporter: Reporter
    machine: Machine | None = None
    """The machine at hand, where it is the target."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of whoever runs the audit."""
    baseline: Baseline = field(default_factory=Baseline)
    with_exceptions: bool = True
    """Whether what the signed index excepts is marked so."""


def audit_generation(site: Site, generation: Generation, auditing: Auditing) -> tuple[Finding, ...]:
    """Everything that can be found in an installed generation without running it. Raises IntegrityError where the site's own
    records are damaged, and OSError."""
    index = site.index(generation.index)
    folder = site.path(directory_of(generation.content))
    task, size = "auditing", sum(one.size for one in generation.tree.values() if isinstance(one, FileEntry))
    auditing.reporter.start(task, size)
    now = scan(folder, generation.tree)
    auditing.reporter.advance(task, size)
    audited = Audited(
        index=index,
        folder=folder,
        home=str(folder),
        tree=generation.tree,
        owners=generation.owners,
        found=now.tree,
        environment=auditing.environment,
    )
    findings = [*_drift(audited, now, auditing), *_used(audited, auditing)]
    auditing.reporter.finish(task)
    return judged(findings, index, auditing)


def audit_bundle(index: BundleIndex, contents: Iterator[Content], auditing: Auditing) -> tuple[Finding, ...]:
    """The same of a bundle, laid out in a temporary folder as it would be installed; `contents` has each expanded form of its
    index once, checked. Raises IntegrityError where it cannot be laid out, and OSError."""
    with _laid_out(index, contents, auditing) as audited:
        return judged(_used(audited, auditing), index, auditing)


def judged(
    findings: Iterator[Finding] | list[Finding], index: BundleIndex, auditing: Auditing
) -> tuple[Finding, ...]:
    """In order, each with its standing."""
    exceptions = index.exceptions if auditing.with_exceptions else ()
    return ordered(map(auditing.baseline.mark, except_from(findings, exceptions)))


def report_of(
    subject: str,
    index: BundleIndex,
    findings: tuple[Finding, ...],
    now: int,
    generation: Generation | None = None,
) -> Report:
    """`now` is in seconds since the epoch."""
    return Report(
        subject=subject,
        project=index.project.name,
        version=index.project.version,
        target=index.target.name,
        index=generation.index if generation else None,
        generation=generation.number if generation else 0,
        time=now,
        findings=findings,
    )


def _drift(audited: Audited, now: Scan, auditing: Auditing) -> Iterator[Finding]:
    kinds = {entry.artifact.label: entry.artifact.kind for entry in audited.index.entries}

    def is_editable(label: str) -> bool:
        return label in kinds and isinstance(auditing.kinds(kinds[label], label), Edited)

    def head(path: SafePath) -> bytes:
        with open_below(audited.folder, path) as stream:
            return stream.read(_HEAD)

    return drift_findings(audited.tree, audited.owners, now, is_editable, head)


def _used(audited: Audited, auditing: Auditing) -> Iterator[Finding]:
    artifacts = [entry.artifact for entry in audited.index.entries]
    kinds = {
        name: auditing.kinds(name, audited.index.project.name)
        for name in sorted({one.kind for one in artifacts})
    }
    for kind in kinds.values():
        if isinstance(kind, Audits):
            yield from kind.audit(audited)
    whole = {one.label for one in artifacts if not kinds[one.kind].opens(one)}
    supplied = [kind.supplied(audited) for kind in kinds.values() if isinstance(kind, Supplies)]
    yield from native_findings(audited, auditing.machine, frozenset().union(*supplied))
    yield from network_findings(audited, whole.__contains__)


@contextmanager
def _laid_out(index: BundleIndex, contents: Iterator[Content], auditing: Auditing) -> Iterator[Audited]:
    with tempfile.TemporaryDirectory(prefix="airlock-audit-") as name:
        root = Path(name).resolve()
        disk = RealDisk(root)
        layout = Layout(writer=Staging(root=root, disk=disk, folder="tree"))
        folder = root / "tree"
        base = Interpreter(
            path="/usr/bin/python3", version=str(index.target.python_full), implementation="cpython"
        )
        place = Place(python=str(folder / "bin/python"), interpreter=base)
        try:
            lay_out(contents, index, place, layout, auditing.kinds, auditing.reporter)
        finally:
            disk.close()
        tree: Tree = layout.tree
        yield Audited(
            index=index,
            folder=folder,
            home=str(folder),
            tree=tree,
            owners=layout.owners,
            found=tree,
            environment={},
        )
