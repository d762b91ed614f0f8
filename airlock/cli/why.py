"""`airlock why PACKAGE`: every chain from the manifest to it."""

import argparse
from typing import TYPE_CHECKING

from airlock.cli.locked import add_files, add_targets
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.core.graph import Chain, Graph


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE")
    add_files(parser)
    add_targets(parser)
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from packaging.utils import canonicalize_name

    from airlock.cli.session import print_json
    from airlock.cli.tree import alike, graphs_of
    from airlock.core.graph import chains

    name = canonicalize_name(arguments.package)
    graphs = graphs_of(arguments, session)
    _check_known(name, graphs, str(arguments.files[0]))
    answers = {graph.target: chains(graph, name) for graph in graphs if name in graph.versions}
    if arguments.json:
        print_json({"package": name, "targets": [_document(graph, answers, name) for graph in graphs]})
        return
    texts = [
        (graph.target, [_line(graph, chain) for chain in answers.get(graph.target, ())]) for graph in graphs
    ]
    for targets, lines in alike(texts):
        if len(graphs) > 1:
            print(f"{targets}:")
        for line in lines or [f"{name} is not needed"]:
            print(line)


def _check_known(name: str, graphs: "list[Graph]", where: str) -> None:
    from difflib import get_close_matches

    from airlock.errors import UsageError

    known = {other for graph in graphs for other in graph.versions}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise UsageError(
            where, f"nothing is called {name!r}", hint=f"did you mean {near[0]!r}?" if near else None
        )


def _document(graph: "Graph", answers: "dict[str, tuple[Chain, ...]]", name: str) -> dict[str, object]:
    return {
        "target": graph.target,
        "version": graph.versions.get(name),
        "chains": [
            [
                {"name": step.name, "version": graph.versions.get(step.name), "requirement": step.text}
                for step in chain.steps
            ]
            for chain in answers.get(graph.target, ())
        ],
    }


def _line(graph: "Graph", chain: "Chain") -> str:
    return " → ".join(f"{step.text} ({graph.versions.get(step.name, 'not locked')})" for step in chain.steps)
