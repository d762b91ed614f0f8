"""`airlock why PACKAGE`: every chain from the manifest to it, and what it builds."""

import argparse
from typing import TYPE_CHECKING

from airlock.cli.locked import add_files, add_targets
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.core.graph import Chain, Graph
    from airlock.formats.lockfile import Lockfile


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE")
    add_files(parser)
    add_targets(parser)
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from packaging.utils import canonicalize_name

    from airlock.cli.locked import opened
    from airlock.cli.session import print_json
    from airlock.cli.tree import alike, graphs_in
    from airlock.core.graph import chains

    name = canonicalize_name(arguments.package)
    with opened(arguments.files, session) as (locked, library):
        graphs = graphs_in(locked, library, arguments.target)
        builds = _builds(locked.lockfile, name)
    answers = {graph.target: chains(graph, name) for graph in graphs if name in graph.versions}
    if not builds:
        _check_known(name, graphs, locked.lockfile, str(arguments.files[0]))
    if arguments.json:
        documents = [_document(graph, answers, name) for graph in graphs]
        print_json({"package": name, "targets": documents, "builds": builds})
        return
    for one in builds:
        print(f"{name} {one['version']} builds {one['package']} with Python {one['python']}")
    if builds and not answers:
        return
    texts = [
        (graph.target, [_line(graph, chain) for chain in answers.get(graph.target, ())]) for graph in graphs
    ]
    for targets, lines in alike(texts):
        if len(graphs) > 1:
            print(f"{targets}:")
        for line in lines or [f"{name} is not needed"]:
            print(line)


def _builds(lockfile: "Lockfile", name: str) -> list[dict[str, str]]:
    """What it was a tool for, as rows of the lock say it: `docopt==0.6.2 on 3.11`."""
    found = {
        (row.artifact.version, *build.rpartition(" on ")[::2])
        for row in lockfile.artifacts
        if row.artifact.name == name
        for build in row.builds
    }
    return [
        {"version": version, "package": package.replace("==", " "), "python": python}
        for version, package, python in sorted(found)
    ]


def _check_known(name: str, graphs: "list[Graph]", lockfile: "Lockfile", where: str) -> None:
    from difflib import get_close_matches

    from airlock.errors import UsageError

    known = {other for graph in graphs for other in graph.versions}
    known |= {row.artifact.name for row in lockfile.artifacts if row.builds}
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
