"""What an audit asks of installed wheels: does the lock name everything that their code uses?"""

from collections.abc import Iterator

from airlock.core.base_libraries import base_libraries
from airlock.formats.findings import Finding, found
from airlock.kinds.audited import Audited
from airlock.kinds.wheel.audit.environment import environment_findings
from airlock.kinds.wheel.audit.imports import Judge, Sources
from airlock.kinds.wheel.audit.requirements import requirement_findings
from airlock.kinds.wheel.audit.scripts import script_findings, use_findings
from airlock.kinds.wheel.audit.wheels import Wheels


def audit_wheels(audited: Audited) -> Iterator[Finding]:
    """See `Audits.audit`."""
    wheels = Wheels(audited)
    sources = Sources(audited, wheels)
    yield from Judge(sources).findings()
    yield from _entry_points(wheels, sources)
    yield from requirement_findings(audited, wheels)
    yield from environment_findings(audited, wheels)
    yield from script_findings(audited, wheels)
    yield from use_findings(audited, wheels, sources, base_libraries(audited.index.target.on))
    for source in sources.unreadable:
        message = "is no source that this Python reads, so what it imports is not known"
        yield found("python/unreadable", message, artifact=source.label, path=source.path)


def _entry_points(wheels: Wheels, sources: Sources) -> Iterator[Finding]:
    """Commands that start a module which is not there."""
    for label in wheels.artifacts:
        for script in wheels.scripts(label):
            if sources.unanswered(script.module):
                message = f"the command {script.name} starts {script.module}, which nothing locked provides"
                path = f"bin/{script.name}"
                yield found("python/entry-point", message, artifact=label, path=path, name=script.module)
