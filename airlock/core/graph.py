"""Who needs what among the pinned artifacts of one target: a graph, and the questions that people ask of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_CHAINS = 1000
"""Chains that one question is answered with; a graph may have more than anybody can read."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Need:
    """One requirement: the name of what is needed, and its text, such as `colour>=1.1`."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    target: str
    roots: tuple[Need, ...]
    """What the manifest asks for; where there is none, what nothing else needs."""
    needs: Mapping[str, tuple[Need, ...]]
    """By the name of who needs it; every pinned name has an entry."""
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """From a root to what was asked about; each step is needed by the one before it."""

    steps: tuple[Need, ...]


def without_manifest(
    target: str, needs: Mapping[str, tuple[Need, ...]], versions: Mapping[str, str]
) -> Graph:
    """A graph whose roots are those names that no other needs."""
    wanted = {need.name for name, found in needs.items() for need in found if need.name != name}
    roots = tuple(Need(name=name, text=name) for name in sorted(needs) if name not in wanted)
    return Graph(target=target, roots=roots, needs=needs, versions=versions)


def chains(graph: Graph, name: str) -> tuple[Chain, ...]:
    """Every way from the roots to `name` that meets no name twice, the shortest first; at most MAX_CHAINS."""
    found = [Chain(steps=steps) for steps, _ in zip(_ways(graph, name), range(MAX_CHAINS), strict=False)]
    return tuple(sorted(found, key=lambda chain: (len(chain.steps), chain.steps)))


def _ways(graph: Graph, name: str) -> Iterator[tuple[Need, ...]]:
    useful = _above(graph, name)
    stack: list[tuple[Need, ...]] = [
        (need,) for need in sorted(set(graph.roots), reverse=True) if need.name in useful
    ]
    while stack:
        way = stack.pop()
        if way[-1].name == name:
            yield way
            continue
        met = {step.name for step in way}
        stack += [
            (*way, need)
            for need in sorted(set(graph.needs.get(way[-1].name, ())), reverse=True)
            if need.name in useful and need.name not in met
        ]


def _above(graph: Graph, name: str) -> set[str]:
    """`name` and everything that needs it, directly or not."""
    users = inverted(graph)
    found, queue = {name}, [name]
    while queue:
        for need in users.get(queue.pop(), ()):
            if need.name not in found:
                found.add(need.name)
                queue.append(need.name)
    return found


def inverted(graph: Graph) -> dict[str, tuple[Need, ...]]:
    """Who needs each name: the user's name, and the text of its requirement."""
    users: dict[str, set[Need]] = {name: set() for name in graph.needs}
    for name, needs in graph.needs.items():
        for need in needs:
            if need.name != name:
                users.setdefault(need.name, set()).add(Need(name=name, text=need.text))
    return {name: tuple(sorted(found)) for name, found in users.items()}


def reached(graph: Graph) -> set[str]:
    """Every name that the roots need, directly or not."""
    found: set[str] = set()
    queue = [need.name for need in graph.roots]
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += [need.name for need in graph.needs.get(name, ())]
    return found
