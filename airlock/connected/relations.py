"""What kinds with packages can tell of a lock: who needs what, what does not fit, what could be newer."""

from airlock.core.graph import Graph
from airlock.core.target import Target
from airlock.errors import UsageError
from airlock.kinds import Disagreement, Export, Kind, Library, Locked, NearSide, Newer, Packages, Watches
from airlock.kinds.registry import kinds


def graphs(locked: Locked, library: Library) -> tuple[Graph, ...]:
    """One for each target, in the lock's order. Raises FetchError or IntegrityError."""
    found: dict[str, Graph] = {}
    for kind in _packages():
        for graph in kind.graphs(locked, library):
            before = found.get(graph.target)
            found[graph.target] = _joined(before, graph) if before else graph
    return tuple(found.values())


def _joined(one: Graph, other: Graph) -> Graph:
    return Graph(
        target=one.target,
        roots=one.roots + other.roots,
        needs={**one.needs, **other.needs},
        versions={**one.versions, **other.versions},
    )


def problems(locked: Locked, library: Library) -> tuple[str, ...]:
    """Why the pins do not answer the manifest; none where they do. Raises FetchError or IntegrityError."""
    return tuple(problem for kind in _packages(locked) for problem in kind.problems(locked, library))


def newer(locked: Locked, near: NearSide) -> tuple[Newer, ...]:
    watching = [kind for kind in kinds() if isinstance(kind, Watches) and _used(kind, locked)]
    return tuple(found for kind in watching for found in kind.newer(locked, near))


def exported(locked: Locked, target: Target, export: Export, library: Library) -> bytes:
    """Raises UsageError, where nothing of it is known to other installers, or FetchError."""
    for kind in _packages(locked):
        return kind.exported(locked, target, export, library)
    raise UsageError(locked.where, f"has no packages for a {export.form} file")


def second_opinion(locked: Locked, library: Library) -> tuple[Disagreement, ...]:
    return tuple(found for kind in _packages(locked) for found in kind.second_opinion(locked, library))


def _packages(locked: Locked | None = None) -> list[Packages]:
    """The kinds that have packages, or those of them that the manifest or the lock has."""
    return [kind for kind in kinds() if isinstance(kind, Packages) and (not locked or _used(kind, locked))]


def _used(kind: Kind, locked: Locked) -> bool:
    declared = locked.manifest is not None and kind.section in locked.manifest.sections
    return declared or any(one.artifact.kind == kind.name for one in locked.lockfile.artifacts)
