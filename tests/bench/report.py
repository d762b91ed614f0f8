"""Tables in Markdown and documents in JSON out of what was measured."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.bench.measure import NOTHING, Cost

Key = tuple[str, str, str]
"""Change, tool, form."""
LARGEST = 10
"""Artifacts that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    name: str
    how: str
    """keep, patch, full: as our delta has it."""
    size: int
    """Bytes of the original."""
    bytes: int | None
    """In the delta; None where it does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRow:
    """One tool on one form of one change."""

    change: str
    tool: str
    form: str
    """`wheels` or `tree`: what the peer's tars hold; empty for airlock."""
    new: int
    """Bytes of the new wheels."""
    bytes: int | None = None
    """None where the tool did not run; then `absent` says why."""
    make: Cost | None = None
    apply: Cost | None = None
    unpack: Cost | None = None
    """After applying: verifying a bundle, or taking the tar, and the wheels in it, apart."""
    absent: str = ""

    def without(self, why: str) -> "DeltaRow":
        return replace(self, absent=why)

    def made(self, size: int, cost: Cost) -> "DeltaRow":
        return replace(self, bytes=size, make=cost)

    def applied(self, apply: Cost, unpack: Cost) -> "DeltaRow":
        return replace(self, apply=apply, unpack=unpack)

    @property
    def key(self) -> Key:
        return self.change, self.tool, self.form

    @property
    def label(self) -> str:
        return f"{self.tool}, {self.form}" if self.form else self.tool

    def sentence(self) -> str:
        size = f"{self.bytes:,} bytes" if self.bytes is not None else self.absent
        return f"{self.change}: {self.label}: {size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One thing that several tools did, in alternating runs."""

    step: str
    tool: str
    cost: Cost | None
    bytes: int | None = None
    absent: str = ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Markdown; a head that starts with `>` makes a column of figures."""
    yield "| " + " | ".join(head.removeprefix(">") for head in heads) + " |"
    yield "|" + "|".join("---:" if head.startswith(">") else "---" for head in heads) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def summed(rows: Sequence[DeltaRow]) -> list[DeltaRow]:
    """One row a tool and form over all changes: bytes and times added, memory the largest. A tool that some change was
    without has no sum."""
    groups: dict[tuple[str, str], list[DeltaRow]] = {}
    for row in rows:
        groups.setdefault((row.tool, row.form), []).append(row)
    return sorted(map(_sum, groups.values()), key=_place)


def _place(row: DeltaRow) -> tuple[bool, str, float]:
    """Ours first, then the wheels, then the trees, each by size."""
    return bool(row.form), {"wheels": "1", "tree": "2"}.get(row.form, ""), row.bytes or float("inf")


def _sum(rows: Sequence[DeltaRow]) -> DeltaRow:
    first = replace(rows[0], change="", new=sum(row.new for row in rows))
    absent = next((row.absent for row in rows if row.absent), "")
    if absent:
        return replace(first, bytes=None, make=None, apply=None, unpack=None, absent=absent)
    return replace(
        first,
        bytes=sum(row.bytes or 0 for row in rows),
        make=_total(row.make for row in rows),
        apply=_total(row.apply for row in rows),
        unpack=_total(row.unpack for row in rows),
    )


def _total(costs: Iterable[Cost | None]) -> Cost | None:
    total = NOTHING
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def best(rows: Iterable[DeltaRow], form: str) -> DeltaRow | None:
    """The peer's row with the fewest bytes."""
    ran = [row for row in rows if row.form == form and row.bytes is not None]
    return min(ran, key=lambda row: row.bytes or 0, default=None)


def delta_sizes(rows: Sequence[DeltaRow]) -> Iterator[str]:
    """Bytes of each tool over the whole corpus, and ours against the best peer on each form."""
    totals = summed(rows)
    ours = next((row for row in totals if row.tool == "airlock"), None)
    heads = ("delta", ">bytes", ">of the new wheels", ">airlock, this = 1")
    yield from table(heads, (_size_row(row, ours) for row in totals))
    for form in ("wheels", "tree"):
        peer = best(totals, form)
        if ours and ours.bytes is not None and peer and peer.bytes:
            yield ""
            yield f"Against the best peer on {form} ({peer.tool}): {ours.bytes / peer.bytes:.1%}."


def _size_row(row: DeltaRow, ours: DeltaRow | None) -> tuple[str, ...]:
    if row.bytes is None:
        return row.label, row.absent, "", ""
    ratio = f"{ours.bytes / row.bytes:.3f}" if ours and ours.bytes is not None and row.bytes else ""
    return row.label, f"{row.bytes:,}", f"{row.bytes / row.new:.2%}", ratio


def delta_times(rows: Sequence[DeltaRow]) -> Iterator[str]:
    heads = (
        "delta", ">make wall s", ">CPU s", ">MB", ">apply wall s", ">CPU s", ">MB",
        ">verify or unpack wall s", ">CPU s", ">apply and that, wall s",
    )  # fmt: skip
    yield from table(heads, (_time_row(row) for row in summed(rows) if row.bytes is not None))


def _time_row(row: DeltaRow) -> tuple[str, ...]:
    both = row.apply + row.unpack if row.apply and row.unpack else None
    return (
        row.label,
        *_cells(row.make, memory=True),
        *_cells(row.apply, memory=True),
        *_cells(row.unpack),
        _cells(both)[0],
    )


def _cells(cost: Cost | None, *, memory: bool = False) -> tuple[str, ...]:
    if cost is None:
        return ("",) * (3 if memory else 2)
    cells = (f"{cost.wall:.2f}", f"{cost.cpu:.2f}")
    return (*cells, f"{cost.memory / 1e6:.0f}") if memory else cells


def changes_table(rows: Sequence[DeltaRow]) -> Iterator[str]:
    """Where a corpus is many changes: each with ours and the best peers."""
    names = dict.fromkeys(row.change for row in rows)
    heads = ("change", ">new wheels", ">airlock", ">of new", ">best peer, wheels", ">best peer, tree")
    yield from table(heads, (_change_row(name, [r for r in rows if r.change == name]) for name in names))


def _change_row(name: str, rows: Sequence[DeltaRow]) -> tuple[str, ...]:
    ours = next((row.bytes for row in rows if row.tool == "airlock"), None)
    new = rows[0].new
    peers = (best(rows, form) for form in ("wheels", "tree"))
    return (
        name,
        f"{new:,}",
        "" if ours is None else f"{ours:,}",
        "" if ours is None else f"{ours / new:.2%}",
        *("" if peer is None else f"{peer.bytes:,}" for peer in peers),
    )


def largest(artifacts: Sequence[Artifact]) -> Iterator[str]:
    """The artifacts that cost most in our delta."""
    known = [artifact for artifact in artifacts if artifact.bytes is not None]
    if not known:
        yield "What each artifact costs in the delta is not told by this airlock."
        return
    costly = sorted(known, key=lambda artifact: -(artifact.bytes or 0))[:LARGEST]
    rows = (
        (artifact.name, artifact.how, f"{artifact.bytes:,}", f"{(artifact.bytes or 0) / artifact.size:.1%}")
        for artifact in costly
    )
    yield from table(("artifact", "how", ">bytes", ">of the original"), rows)


def steps_table(measured: Sequence[Measured]) -> Iterator[str]:
    """Each step's tools, against ours (the first) in wall time."""
    heads = ("step", "tool", ">wall s", ">CPU s", ">peak memory MB", ">wall, ours = 1")
    ours = {row.step: row.cost for row in reversed(measured) if row.tool == "airlock"}
    yield from table(heads, (_step_row(row, ours.get(row.step)) for row in measured))


def _step_row(row: Measured, ours: Cost | None) -> tuple[str, ...]:
    if row.cost is None:
        return row.step, row.tool, row.absent, "", "", ""
    ratio = f"{row.cost.wall / ours.wall:.2f}" if ours else ""
    return row.step, row.tool, *_cells(row.cost, memory=True), ratio


def bundle_sizes(measured: Sequence[Measured], wheels: int) -> Iterator[str]:
    rows = (
        (row.tool, row.absent, "")
        if row.bytes is None
        else (row.tool, f"{row.bytes:,}", f"{row.bytes / wheels:.1%}")
        for row in measured
    )
    yield from table(("what is carried", ">bytes", ">of the wheels"), rows)


def document(value: Any) -> Any:
    """Measured values as JSON has them."""
    if isinstance(value, list | tuple):
        return [document(item) for item in value]
    return asdict(value)


def delta_row(table: dict[str, Any]) -> DeltaRow:
    """A row that an earlier run has written."""
    costs = {name: Cost(**table[name]) if table[name] else None for name in ("make", "apply", "unpack")}
    return DeltaRow(**{**table, **costs})
