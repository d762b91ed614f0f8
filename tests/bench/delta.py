"""Deltas side by side: ours, and each peer on tars of the wheels and of the unpacked trees."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.measure import Cost, cost_of, median_cost
from tests.bench.ours import SIDES, Project
from tests.bench.peers import Job, Peer
from tests.bench.report import Artifact, DeltaRow, Key
from tests.bench.sizes import sha256_of, size_of, tar, unpack, unpack_command

FORMS = ("wheels", "tree")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    peers: Sequence[Peer]
    forms: Sequence[str] = FORMS
    ours: bool = True
    rounds: int = 1
    """Of applying, in turn; making is measured once."""
    done: frozenset[Key] = frozenset()
    """What an earlier run has measured."""
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)


def measure_change(project: Project, plan: Plan) -> Iterator[DeltaRow]:
    """One row a tool and form. Every patch is applied and what it makes is compared."""
    work = project.place / "run"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    change = project.change.name
    if plan.ours and (change, "airlock", "") not in plan.done:
        yield _ours(project, work, plan)
    for form in plan.forms:
        peers = [peer for peer in plan.peers if (change, peer.name, form) not in plan.done]
        if peers:
            yield from _on_form(project, form, peers, work, plan)
    shutil.rmtree(work)


def _on_form(
    project: Project, form: str, peers: Sequence[Peer], work: Path, plan: Plan
) -> Iterator[DeltaRow]:
    old, new = (archive_of(project, form, side, work) for side in SIDES)
    for peer in peers:
        yield _theirs(project, peer, form, Job(old=old, new=new, place=work / "job"), plan)
    for archive in (old, new):
        archive.unlink()


def archive_of(project: Project, form: str, side: str, work: Path) -> Path:
    target = work / f"{side}.{form}.tar"
    if form == "wheels":
        tar(project.wheels(side), target)
        return target
    unpack(project.wheels(side), work / "tree")
    tar(work / "tree", target)
    shutil.rmtree(work / "tree")
    return target


def _ours(project: Project, work: Path, plan: Plan) -> DeltaRow:
    project.build()
    make = project.make_delta()
    restored = work / "restored.airlock"
    applied, verified = [], []
    for _ in range(plan.rounds):
        restored.unlink(missing_ok=True)
        applied.append(project.apply_delta(restored))
        verified.append(project.verify(restored))
    row = DeltaRow(
        change=project.change.name,
        tool="airlock",
        form="",
        new=size_of(project.wheels("new")),
        bytes=size_of(project.delta()),
        make=make,
        apply=median_cost(applied),
        unpack=median_cost(verified),
    )
    plan.tell(row.sentence())
    return row


def _theirs(project: Project, peer: Peer, form: str, job: Job, plan: Plan) -> DeltaRow:
    new = size_of(project.wheels("new"))
    row = DeltaRow(change=project.change.name, tool=peer.name, form=form, new=new)
    if absent := peer.missing(size_of(job.old)):
        row = row.without(absent)
    else:
        job.place.mkdir()
        row = _run(peer, job, row, plan.rounds)
        shutil.rmtree(job.place)
    plan.tell(row.sentence())
    return row


def _run(peer: Peer, job: Job, row: DeltaRow, rounds: int) -> DeltaRow:
    made = peer.make(job)
    row = row.made(peer.weigh(job), made)
    if not peer.apply:
        return row
    applied: list[Cost] = []
    unpacked: list[Cost] = []
    expected = sha256_of(job.new)
    for _ in range(rounds):
        job.restored.unlink(missing_ok=True)
        applied.append(peer.apply(job))
        if sha256_of(job.restored) != expected:
            sys.exit(f"{peer.name}: what it restored is not the new file")
        unpacked.append(_unpack(row.form, job))
    return row.applied(median_cost(applied), median_cost(unpacked))


def _unpack(form: str, job: Job) -> Cost:
    target = job.place / "unpacked"
    target.mkdir()
    cost = cost_of(unpack_command(form, job.restored, target), job.place)
    shutil.rmtree(target)
    return cost


def artifacts_of(project: Project) -> list[Artifact]:
    """What each artifact costs in our delta, where `airlock inspect` tells."""
    try:
        document = project.inspect(project.delta())
    except subprocess.CalledProcessError as error:
        sys.exit(f"airlock inspect {project.delta()}: {error.stderr}")
    return [_artifact(row) for row in document["artifacts"]]


def _artifact(row: dict[str, Any]) -> Artifact:
    name = row["name"] + (f" {row['version']}" if row.get("version") else "")
    return Artifact(name=name, how=row.get("how", ""), size=row["size"], bytes=row.get("compressed"))
