"""What a bundle, delta or lock holds, and what changed between two. Nothing is verified here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from airlock.core.artifact import Activation, Artifact, Encoder, HealthCheck, Project
from airlock.core.canonical_json import MAX_SIZE
from airlock.core.digest import Digest, digest_of
from airlock.core.expanded import Costs, form_named
from airlock.core.target import Target
from airlock.errors import IntegrityError, UsageError
from airlock.formats.delta_index import MEMBER, DeltaIndex, Keep, Patch
from airlock.formats.index import INDEX, BundleIndex, IndexEntry, frame_name, parse_index
from airlock.formats.lockfile import parse_lockfile
from airlock.storage.archive import Archive
from airlock.storage.delta_costs import patch_costs
from airlock.storage.frames import opened
from airlock.storage.restore import read_delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One artifact. Sizes are in bytes; None where the file does not tell."""

    artifact: Artifact
    targets: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    """In a lock: what it is a tool to build."""
    expanded: int | None = None
    form: str | None = None
    compressed: int | None = None
    recipe: int | None = None
    """What restores the original from its contents, before compression."""
    opaque: int | None = None
    """Bytes of compressed streams that no known encoder makes, so that they stay as they are."""
    how: str | None = None
    """In a delta: keep, patch or full."""
    bases: tuple[str, ...] = ()
    """In a delta: what the patch starts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    what: str
    """`bundle`, `delta` or `lock`."""
    project: Project
    targets: tuple[Target, ...]
    encoder: Encoder
    size: int
    index: Digest | None
    base: Digest | None
    signatures: tuple[str, ...]
    """The members below `trust/`, which say nothing before `verify` has read them."""
    lines: tuple[Line, ...]
    activation: tuple[Activation, ...] = ()
    """What the far side runs after the switch; of a lock it is not known yet."""
    health: HealthCheck | None = None


def inspect(stream: BinaryIO, where: str, *, sizes: bool) -> Summary:
    """Read a bundle, delta or lock, told apart by its first bytes. `sizes` reads every frame too, for what its expanded form
    is made of. Raises IntegrityError or UsageError."""
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(512)
    if head[257:262] != b"ustar":
        return _lock(stream, where, size)
    archive = Archive(stream, where)
    if MEMBER in archive.members:
        return _delta(archive, size, sizes)
    if INDEX in archive.members:
        return _bundle(archive, size, sizes)
    approvals = any(name.startswith("trust/") for name in archive.members)
    hint = f"`airlock inspect --signatures {where}` shows approvals" if approvals else None
    raise UsageError(where, "neither a bundle, a delta nor a lock", hint=hint)


def _lock(stream: BinaryIO, where: str, size: int) -> Summary:
    stream.seek(0)
    data = stream.read(MAX_SIZE + 1)  # not `size`, which a device gives as 0
    if len(data) > MAX_SIZE:
        raise UsageError(where, "neither a bundle, a delta nor a lock")
    try:
        lockfile = parse_lockfile(data, where)
    except IntegrityError as error:
        if where.endswith(".lock"):
            raise
        hint = f"`airlock trust show {where}` shows trust roots" if _is_root(data, where) else None
        raise UsageError(where, "neither a bundle, a delta nor a lock", hint=hint) from error
    return Summary(
        what="lock",
        project=lockfile.project,
        targets=lockfile.targets,
        encoder=lockfile.encoder,
        size=size,
        index=None,
        base=None,
        signatures=(),
        lines=tuple(
            Line(artifact=row.artifact, targets=row.targets, builds=row.builds) for row in lockfile.artifacts
        ),
    )


def _is_root(data: bytes, where: str) -> bool:
    from airlock.formats.trust import parse_root

    try:
        parse_root(data, where)
    except IntegrityError:
        return False
    return True


def _bundle(archive: Archive, size: int, sizes: bool) -> Summary:
    data = archive.read(INDEX, MAX_SIZE)
    index = parse_index(data, f"{archive.where}: index.json")
    lines = tuple(
        _line(
            entry,
            compressed=archive.members[entry.frame].size if entry.frame in archive.members else None,
            costs=_costs(archive, entry) if sizes else None,
        )
        for entry in index.entries
    )
    return _summary("bundle", archive, (index, digest_of(data)), size, lines)


def _delta(archive: Archive, size: int, sizes: bool) -> Summary:
    delta = read_delta(archive)
    rows = {row.digest: row for row in delta.rows.rows}
    costs = patch_costs(delta) if sizes else {}
    lines = []
    for entry in delta.index.entries:
        digest = entry.expanded.digest
        row, frame = rows[digest], archive.members.get(frame_name(digest))
        line = _line(
            entry, compressed=frame.size if frame else costs.get(digest), how=type(row).__name__.lower()
        )
        if sizes and isinstance(row, Keep):
            line = replace(line, compressed=0)
        if isinstance(row, Patch):
            line = replace(line, bases=tuple(origin.label for origin in row.bases))
        lines.append(line)
    return _summary("delta", archive, (delta.index, delta.rows.new), size, tuple(lines), delta.rows)


def _line(
    entry: IndexEntry, *, compressed: int | None = None, costs: Costs | None = None, how: str | None = None
) -> Line:
    return Line(
        artifact=entry.artifact,
        expanded=entry.expanded.size,
        form=entry.expanded.form,
        compressed=compressed,
        recipe=costs.recipe + costs.structure + costs.corrections if costs else None,
        opaque=sum(costs.opaque.values()) if costs else None,
        how=how,
    )


def _summary(
    what: str,
    archive: Archive,
    index: tuple[BundleIndex, Digest],
    size: int,
    lines: tuple[Line, ...],
    rows: DeltaIndex | None = None,
) -> Summary:
    parsed, digest = index
    return Summary(
        what=what,
        project=parsed.project,
        targets=(parsed.target,),
        encoder=parsed.encoder,
        size=size,
        index=digest,
        base=rows.base if rows else None,
        signatures=tuple(name for name in archive.members if name.startswith("trust/")),
        lines=lines,
        activation=parsed.activation,
        health=parsed.health,
    )


def _costs(archive: Archive, entry: IndexEntry) -> Costs:
    expanded = entry.expanded
    form = form_named(expanded.form, f"{archive.where}: {entry.artifact.label}")
    with archive.open(entry.frame) as frame:
        return form.costs(opened(frame, expanded.digest, expanded.size, f"{archive.where}: {entry.frame}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One artifact on both sides; None where a side does not have it."""

    kind: str
    name: str
    targets: tuple[str, ...]
    """For locks: where it differs by target. Empty for bundles."""
    before: Line | None
    after: Line | None


def differences(before: Summary, after: Summary) -> tuple[Changed, ...]:
    """What was added, removed and changed, by kind and name, and for locks by target too."""
    return differing(before.lines, after.lines)


def lines_of(index: BundleIndex) -> tuple[Line, ...]:
    """As far as an index tells."""
    return tuple(_line(entry) for entry in index.entries)


def differing(before: Sequence[Line], after: Sequence[Line]) -> tuple[Changed, ...]:
    """As `differences`."""
    old, new = _by_key(before), _by_key(after)
    changed: dict[tuple[str, str, Digest | None, Digest | None], list[str]] = {}
    for key in sorted(old.keys() | new.keys()):
        one, two = old.get(key), new.get(key)
        if one is None or two is None or not _same(one.artifact, two.artifact):
            kind, name, target = key
            pair = kind, name, _digest(one), _digest(two)
            changed.setdefault(pair, []).append(target)
    return tuple(
        Changed(
            kind=kind,
            name=name,
            targets=tuple(filter(None, targets)),
            before=old.get((kind, name, targets[0])),
            after=new.get((kind, name, targets[0])),
        )
        for (kind, name, _, _), targets in changed.items()
    )


def _digest(line: Line | None) -> Digest | None:
    return line.artifact.digest if line else None


def _same(one: Artifact, two: Artifact) -> bool:
    return (one.digest, one.file, one.placement) == (two.digest, two.file, two.placement)


def _by_key(lines: Sequence[Line]) -> dict[tuple[str, str, str], Line]:
    return {(*line.artifact.key, target): line for line in lines for target in line.targets or ("",)}
