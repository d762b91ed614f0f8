"""`python -m tests.bench bundle|delta …`: see docs/benchmarks.md."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.corpora import Corpus, corpus_between, corpus_named, names
from tests.bench.delta import FORMS, Plan, artifacts_of, measure_change
from tests.bench.ours import Project
from tests.bench.peers import peers
from tests.bench.report import Artifact, DeltaRow

BSDIFF_LARGEST = 64_000_000


def main() -> None:
    arguments = parser().parse_args()
    arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--work", type=Path, metavar="DIR", help="keep locks, wheels and caches here for the next run"
    )
    shared.add_argument("--wheels", type=Path, metavar="DIR", help="take wheels that are below here")
    shared.add_argument("--rounds", type=int, default=1, help="runs of what is quick; medians are told")
    shared.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    top = argparse.ArgumentParser(prog="python -m tests.bench")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    delta = commands.add_parser("delta", parents=[shared], help="deltas, ours and the peers'")
    delta.add_argument(
        "of", nargs="+", metavar="CORPUS | OLD NEW", help=f"{', '.join(names())}; or two files"
    )
    delta.add_argument("--tools", metavar="NAME,…", help=f"airlock, {', '.join(peers(0))} (default: all)")
    delta.add_argument("--forms", default=",".join(FORMS), help="what the peers' tars hold")
    delta.add_argument(
        "--bsdiff-largest",
        type=int,
        default=BSDIFF_LARGEST,
        metavar="BYTES",
        help="bsdiff takes hours beyond",
    )
    delta.add_argument(
        "--kept", type=Path, metavar="FILE", help="rows of tools that do not run now, from an earlier --json"
    )
    delta.set_defaults(run=run_delta)
    fetch = commands.add_parser("fetch", parents=[shared], help="lock and download alone, for runs to come")
    fetch.add_argument("of", nargs="+", metavar="CORPUS | OLD NEW")
    fetch.set_defaults(run=run_fetch)
    return top


def corpus_of(words: list[str]) -> Corpus:
    if len(words) == 2:
        return corpus_between(*map(Path, words))
    if len(words) == 1 and words[0] in names():
        return corpus_named(words[0])
    sys.exit(f"error: {' '.join(words)}: expected one of {', '.join(names())}, or two files")


@contextmanager
def work_folder(given: Path | None) -> Iterator[Path]:
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as directory:
        yield Path(directory)


def projects(corpus: Corpus, work: Path) -> list[Project]:
    return [
        Project(corpus=corpus, change=change, place=work / corpus.name / change.name, cache=work / "cache")
        for change in corpus.changes
    ]


def run_fetch(arguments: argparse.Namespace) -> None:
    if not arguments.work:
        sys.exit("error: fetch: --work DIR: needed, or nothing would be kept")
    with work_folder(arguments.work) as work:
        for project in projects(corpus_of(arguments.of), work):
            project.prepare(arguments.wheels)
            print(project.place)


def run_delta(arguments: argparse.Namespace) -> None:
    corpus = corpus_of(arguments.of)
    known = peers(arguments.bsdiff_largest)
    tools = arguments.tools.split(",") if arguments.tools else ["airlock", *known]
    if unknown := set(tools) - {"airlock", *known}:
        sys.exit(f"error: --tools: {', '.join(unknown)}: expected some of airlock, {', '.join(known)}")
    plan = Plan(
        peers=[known[tool] for tool in tools if tool != "airlock"],
        forms=arguments.forms.split(","),
        ours="airlock" in tools,
        rounds=arguments.rounds,
    )
    rows: list[DeltaRow] = []
    artifacts: list[Artifact] = []
    with work_folder(arguments.work) as work:
        for project in projects(corpus, work):
            project.prepare(arguments.wheels)
            rows += measure_change(project, plan)
            artifacts += artifacts_of(project) if plan.ours else []
            rows_now = [*rows, *kept(arguments.kept, rows)]
            keep(arguments.json, {"corpus": corpus.name, "rows": rows_now, "artifacts": artifacts})
    print("\n".join(delta_report(corpus, [*rows, *kept(arguments.kept, rows)], artifacts)))


def kept(path: Path | None, measured: list[DeltaRow]) -> list[DeltaRow]:
    """The rows of an earlier run whose tool did not run in this one on what this one measured."""
    if not path:
        return []
    changes = {row.change for row in measured}
    ran = {(row.change, row.tool, row.form) for row in measured}
    earlier = [report.delta_row(table) for table in json.loads(path.read_text())["rows"]]
    return [row for row in earlier if row.change in changes and (row.change, row.tool, row.form) not in ran]


def keep(path: Path | None, figures: dict[str, Any]) -> None:
    """After each change, so that what is measured stays when a later one fails."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, default=report.document, indent=1) + "\n")


def delta_report(corpus: Corpus, rows: list[DeltaRow], artifacts: list[Artifact]) -> Iterator[str]:
    yield f"## {corpus.name}"
    yield ""
    if corpus.about:
        yield corpus.about
        yield ""
    yield from report.delta_sizes(rows)
    yield ""
    yield from report.delta_times(rows)
    if len(corpus.changes) > 1:
        yield ""
        yield from report.changes_table(rows)
    if artifacts:
        yield ""
        yield from report.largest(artifacts)


if __name__ == "__main__":
    main()
