"""The verdict on a generation that was switched to: what outside of it takes it up, and its health check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import defpath
from pathlib import Path
from shutil import which

from airlock.airgapped.command import TAIL, run
from airlock.core.artifact import Activation, HealthCheck
from airlock.core.reporter import Reporter
from airlock.core.tree import Tree
from airlock.errors import TargetError

_READ_BACK = 1 << 20
"""Bytes of what the check of an activation prints that are looked at: the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    healthy: bool
    detail: str
    """How it ended and the last of its output, empty where all is well."""
    what: str = "the health check failed"
    """In a few words, where it is not."""
    expected: str | None = "exit code 0"
    """What the detail is not."""


WELL = Verdict(healthy=True, detail="")


def check_health(
    check: HealthCheck | None, generation: Path, environment: Mapping[str, str], reporter: Reporter
) -> Verdict:
    if check is None:
        return WELL
    reporter.note(f"health check: {' '.join(check.command)}")
    ended = run(check.command, check.timeout, generation, environment)
    return Verdict(healthy=not ended.fault, detail=ended.detail)


def activate(
    activations: Sequence[Activation], generation: Path, environment: Mapping[str, str], reporter: Reporter
) -> Verdict:
    """Run each, and read back what became of it; the first that fails is the last that is run."""
    for one in activations:
        reporter.note(f"activating {one.artifact}: {' '.join(one.command)}")
        if detail := _activated(one, generation, environment):
            what = f"{one.artifact} could not be activated"
            detail = f"activation of {one.artifact}: {detail}"
            return Verdict(healthy=False, detail=detail, what=what, expected=None)
    return WELL


def check_programs(activations: Sequence[Activation], tree: Tree, environment: Mapping[str, str]) -> None:
    """Whether all that the activations start is there: in the generation's own `bin`, which `tree` tells of, or on PATH. It is
    better to hear of what is not before anything was switched. Raises TargetError."""
    for one in activations:
        for program in dict.fromkeys((one.command[0], one.check[0])):
            found = f"bin/{program}" in tree or which(program, path=environment.get("PATH", defpath))
            if not found and "/" not in program:
                raise TargetError(
                    one.artifact,
                    f"{program}, which hands it on after the switch, is not on PATH",
                    hint=f"install {program} on this machine",
                )


def _activated(one: Activation, generation: Path, environment: Mapping[str, str]) -> str:
    """Empty where all is well."""
    done = run(one.command, one.timeout, generation, environment)
    if done.fault:
        return done.detail
    seen = run(one.check, one.timeout, generation, environment, _READ_BACK)
    if seen.fault:
        return f"{one.check[0]}, which reads back what became of it: {seen.fault}\n{seen.output[-TAIL:]}"
    lines = {line.strip() for line in seen.output.splitlines()}
    missing = [line for line in one.expected if line not in lines]
    if missing:
        return f"read back as something else: expected {missing[0]}, found {seen.output.strip()[:TAIL] or 'nothing'}"
    return ""
