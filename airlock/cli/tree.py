"""`airlock tree`: who needs what."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from airlock.cli.locked import add_files, add_targets
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.core.graph import Graph, Need
    from airlock.kinds import Library, Locked

DEEPEST = 100
"""Levels that are drawn."""


def configure(parser: argparse.ArgumentParser) -> None:
    add_files(parser)
    add_targets(parser)
    parser.add_argument(
        "--invert",
        nargs="?",
        const="",
        metavar="PACKAGE",
        help="from what is needed to who needs it; of PACKAGE alone, if one is named",
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.session import print_json

    graphs = graphs_of(arguments, session)
    if arguments.json:
        print_json({"targets": [_document(graph) for graph in graphs]})
        return
    texts = [(graph.target, list(_drawn(graph, arguments.invert))) for graph in graphs]
    for targets, lines in alike(texts):
        if len(graphs) > 1:
            print(f"{targets}:")
        for line in lines:
            print(line)


def graphs_of(arguments: argparse.Namespace, session: Session) -> "list[Graph]":
    """Of every target, or of those that were named."""
    from airlock.cli.locked import opened

    with opened(arguments.files, session) as (locked, library):
        return graphs_in(locked, library, arguments.target)


def graphs_in(locked: "Locked", library: "Library", targets: Sequence[str]) -> "list[Graph]":
    from airlock.cli.workshop import chosen_targets
    from airlock.connected.relations import graphs

    chosen = chosen_targets(locked.lockfile, targets, locked.where)
    return [graph for graph in graphs(locked, library) if graph.target in chosen]


def alike(texts: Sequence[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str]]]:
    """Targets of which the same is to be said, together."""
    together: dict[tuple[str, ...], list[str]] = {}
    for target, lines in texts:
        together.setdefault(tuple(lines), []).append(target)
    for said, targets in together.items():
        yield ", ".join(targets), list(said)


def _document(graph: "Graph") -> dict[str, object]:
    return {
        "target": graph.target,
        "roots": [{"name": need.name, "requirement": need.text} for need in graph.roots],
        "packages": [
            {
                "name": name,
                "version": version,
                "needs": [
                    {"name": need.name, "requirement": need.text} for need in graph.needs.get(name, ())
                ],
            }
            for name, version in sorted(graph.versions.items())
        ],
    }


def _drawn(graph: "Graph", invert: str | None) -> Iterator[str]:
    from packaging.utils import canonicalize_name

    from airlock.core.graph import Need, inverted

    if invert is None:
        yield from _Drawing(graph.needs, graph.versions).lines(graph.roots)
        return
    users = inverted(graph)
    if invert:
        tops: list[str] = [canonicalize_name(invert)]
    else:
        tops = [name for name in sorted(graph.versions) if not graph.needs.get(name)]
    known = tuple(Need(name=name, text=name) for name in tops if name in graph.versions)
    yield from _Drawing(users, graph.versions).lines(known)


class _Drawing:
    """What was drawn once is only named the next time."""

    def __init__(self, needs: "Mapping[str, tuple[Need, ...]]", versions: Mapping[str, str]) -> None:
        self._needs, self._versions = needs, versions
        self._drawn: set[str] = set()

    def lines(self, roots: "Sequence[Need]") -> Iterator[str]:
        for need in roots:
            yield self._label(need)
            yield from self._below(need, "", 0)

    def _below(self, need: "Need", margin: str, depth: int) -> Iterator[str]:
        if need.name in self._drawn or depth > DEEPEST:
            return
        self._drawn.add(need.name)
        needs = [other for other in self._needs.get(need.name, ()) if other.name != need.name]
        for number, other in enumerate(needs, 1):
            last = number == len(needs)
            yield f"{margin}{'└── ' if last else '├── '}{self._label(other)}"
            yield from self._below(other, margin + ("    " if last else "│   "), depth + 1)

    def _label(self, need: "Need") -> str:
        again = need.name in self._drawn and bool(self._needs.get(need.name))
        wanted = f", as {need.text}" if need.text != need.name else ""
        return f"{need.name} {self._versions.get(need.name, '(not locked)')}{wanted}{', see above' if again else ''}"
