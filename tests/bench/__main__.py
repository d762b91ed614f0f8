"""`python -m tests.bench bundle|delta …`: see docs/benchmarks.md."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.bundle import Bundles
from tests.bench.corpora import Corpus, corpus_between, corpus_named, names
from tests.bench.delta import FORMS, Plan, artifacts_of, measure_change
from tests.bench.floor import Floors
from tests.bench.install import Installs
from tests.bench.media import Discs
from tests.bench.ours import Project
from tests.bench.peers import peers
from tests.bench.report import Artifact, DeltaRow, Measured
from tests.bench.sizes import size_of
from tests.bench.steps import Step, run
from tests.bench.verify import Verifies

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
    shared.add_argument(
        "--relock", action="store_true", help="lock again what --work holds: the encoder may be another"
    )
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
        "--kept", type=Path, metavar="FILE", help="figures for what does not run now, from an earlier --json"
    )
    delta.add_argument("--resume", action="store_true", help="measure only what --kept does not hold")
    delta.set_defaults(run=run_delta)
    bundle = commands.add_parser(
        "bundle", parents=[shared], help="bundles, installs, updates, verifying, discs"
    )
    bundle.add_argument("of", nargs="*", default=["design"], metavar="CORPUS | OLD NEW")
    bundle.add_argument(
        "--parts", default="bundle,install,floor,verify,media", help="some of these (default: all)"
    )
    bundle.set_defaults(run=run_bundle)
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
            project.prepare(arguments.wheels, relock=arguments.relock)
            print(project.place)


def run_delta(arguments: argparse.Namespace) -> None:
    corpus = corpus_of(arguments.of)
    known = peers(arguments.bsdiff_largest)
    tools = arguments.tools.split(",") if arguments.tools else ["airlock", *known]
    if unknown := set(tools) - {"airlock", *known}:
        sys.exit(f"error: --tools: {', '.join(unknown)}: expected some of airlock, {', '.join(known)}")
    earlier = earlier_rows(arguments.kept, corpus)
    plan = Plan(
        done=frozenset(row.key for row in earlier if arguments.resume),
        peers=[known[tool] for tool in tools if tool != "airlock"],
        forms=arguments.forms.split(","),
        ours="airlock" in tools,
        rounds=arguments.rounds,
    )
    measured: list[DeltaRow] = []
    artifacts: list[Artifact] = []
    with work_folder(arguments.work) as work:
        for project in projects(corpus, work):
            project.prepare(arguments.wheels, relock=arguments.relock)
            for row in measure_change(project, plan):
                measured.append(row)
                keep(arguments.json, delta_figures(corpus, merged(measured, earlier), artifacts))
            artifacts += artifacts_of(project) if plan.ours else []
    rows = merged(measured, earlier)
    keep(arguments.json, delta_figures(corpus, rows, artifacts))
    print("\n".join(delta_report(corpus, rows, artifacts)))


def earlier_rows(path: Path | None, corpus: Corpus) -> list[DeltaRow]:
    if not path or not path.exists():
        return []
    changes = {change.name for change in corpus.changes}
    rows = [report.delta_row(table) for table in json.loads(path.read_text())["rows"]]
    return [row for row in rows if row.change in changes]


def merged(measured: list[DeltaRow], earlier: list[DeltaRow]) -> list[DeltaRow]:
    """What this run measured, and what it did not as an earlier one had it."""
    ran = {row.key for row in measured}
    return [*measured, *(row for row in earlier if row.key not in ran)]


def delta_figures(corpus: Corpus, rows: list[DeltaRow], artifacts: list[Artifact]) -> dict[str, Any]:
    return {"corpus": corpus.name, "rows": rows, "artifacts": artifacts}


def run_bundle(arguments: argparse.Namespace) -> None:
    corpus = corpus_of(arguments.of)
    with work_folder(arguments.work) as work:
        for project in projects(corpus, work):
            project.prepare(arguments.wheels, relock=arguments.relock)
            measured = list(measure_bundle(project, arguments.parts.split(","), arguments.rounds))
            wheels = size_of(project.wheels("new"))
            keep(arguments.json, {"corpus": corpus.name, "wheels": wheels, "steps": measured})
            print("\n".join(bundle_report(project, measured, wheels)))


def measure_bundle(project: Project, parts: list[str], rounds: int) -> Iterator[Measured]:
    work = project.place / "run"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    steps: list[Step] = []
    if "bundle" in parts:
        steps += Bundles(project=project, work=work).steps()
    if {"install", "verify", "floor"} & set(parts):
        project.build()
    if "install" in parts:
        project.make_delta()
        steps += Installs(project=project, work=work).steps()
    if "floor" in parts:
        steps += Floors(project=project).steps()
    if "verify" in parts:
        steps += Verifies(project=project, work=work).steps()
    if "media" in parts:
        (work / "media").mkdir()
        steps += Discs(work=work / "media").steps()
    for step in steps:
        yield from run(step, rounds, work)
    shutil.rmtree(work)


def bundle_report(project: Project, measured: list[Measured], wheels: int) -> Iterator[str]:
    yield f"## {project.change.name}"
    yield ""
    count = len(list(project.wheels("new").glob("*.whl")))
    yield f"{count} wheels, {wheels:,} bytes."
    yield ""
    carried = [row for row in measured if row.bytes is not None or row.absent]
    if carried:
        yield from report.bundle_sizes(carried, wheels)
        yield ""
    yield from report.steps_table(measured)


def keep(path: Path | None, figures: dict[str, Any]) -> None:
    """After each row, so that what is measured stays when a later run fails."""
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
