"""Whether the pins of a target rest on what the target says, and on nothing that it leaves open."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from packaging.requirements import Requirement

from airlock.core.markers import undecided
from airlock.core.target import Target
from airlock.errors import ResolutionError
from airlock.kinds.wheel.metadata import Unusable
from airlock.kinds.wheel.provider import Candidate, Provider
from airlock.kinds.wheel.section import PythonSection

PATCH = "python_full_version"
"""Left open by most targets: what is needed on one patch release is carried to all, see `core.markers.holds`."""
SHOWN = 6


class Asked(Protocol):
    @property
    def section(self) -> PythonSection: ...
    @property
    def where(self) -> str: ...


def check_certain(asking: Asked, target: Target, provider: Provider, pins: Iterable[Candidate]) -> None:
    """Raises ResolutionError where a marker compares what the target does not state."""
    found = [
        (names, f"  {requirement} is asked for by {asker}")
        for requirement, asker, extras in _requirements(asking, provider, pins)
        if requirement.marker is not None
        and (names := set(undecided(requirement.marker, target, ("", *sorted(extras)))) - {PATCH})
    ]
    if not found:
        return
    missing = sorted(set().union(*(names for names, _ in found)))
    lines = sorted({line for _, line in found})[:SHOWN]
    exact = ", ".join(f'{name} = "…"' for name in missing)
    raise ResolutionError(
        asking.where,
        "\n".join([f"target {target.name} does not say what markers ask for: {', '.join(missing)}", *lines]),
        hint=f"state it for the target, markers = {{ {exact} }}, as `airlock target show` prints it there",
    )


def _requirements(
    asking: Asked, provider: Provider, pins: Iterable[Candidate]
) -> Iterator[tuple[Requirement, str, frozenset[str]]]:
    for requirement in asking.section.requirements:
        yield requirement, asking.where, frozenset()
    for pin in pins:
        metadata = provider.metadata_of(pin)
        if not isinstance(metadata, Unusable):
            for requirement in metadata.requirements:
                yield requirement, str(pin), pin.extras
