"""The part of an audit that runs the application: what it reached for, and how it ended."""

from collections.abc import Mapping, Sequence

from airlock.airgapped.command import activated
from airlock.airgapped.observe.base import base_of
from airlock.airgapped.observe.findings import observed_findings
from airlock.airgapped.observe.run import observe
from airlock.airgapped.site import Site, directory_of
from airlock.formats.findings import Finding, Ran
from airlock.formats.generation import Generation


def audit_running(
    site: Site,
    generation: Generation,
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: int | None,
    *,
    tracing: bool = True,
) -> tuple[tuple[Finding, ...], Ran]:
    """Run `command` as an activated generation would, without a network, and tell what it reached for. Without `tracing`,
    strace is left aside. Raises TargetError where it cannot be run so."""
    folder = site.path(directory_of(generation.content))
    target = site.index(generation.index).target
    base = base_of(site.root, folder, generation.python, target)
    found = observe(command, folder, activated(folder, environment), seconds, tracing)
    return tuple(observed_findings(found, base)), found.ran
