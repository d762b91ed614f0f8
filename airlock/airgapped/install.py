"""`airlock install`: a signed bundle becomes a generation.

Decided first: machine, place, interpreter, space, project and release counter. Then everything is laid out beside the
generations that exist, synced, renamed into place, and switched to. Until the switch nothing that is in use has changed.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from airlock.airgapped.approvals import NO_APPROVALS, Approvals
from airlock.airgapped.health import check_programs
from airlock.airgapped.host import Host, Interpreter, this_host
from airlock.airgapped.preflight import (
    check_codecs_of,
    check_inodes,
    check_machine,
    check_site,
    inodes_may_lack,
)
from airlock.airgapped.record import receive, record
from airlock.airgapped.reuse import take_over
from airlock.airgapped.site import (
    FOLDERS,
    FRAMES,
    STATE,
    TEMPORARY,
    Site,
    as_target_error,
    directory_of,
    index_of,
    locked,
    staging_of,
)
from airlock.airgapped.stage import KindNamed, Layout, OnlyCounting, Place, lay_out
from airlock.airgapped.staging import Staging
from airlock.airgapped.switch import Surroundings, Vouched, recover, sweep, switch
from airlock.airgapped.verify import SignedBundle, SignedIndex
from airlock.core.digest import CHUNK, Digest, chunks_of, hex_of
from airlock.core.target import Target
from airlock.core.tree import Change, Tree, changes
from airlock.errors import AirlockError
from airlock.formats.generation import Generation
from airlock.formats.index import BundleIndex, frame_name
from airlock.formats.trust_chain import pinned
from airlock.storage.content import Content, Frame
from airlock.storage.disk import NewFile

AskHost = Callable[[Path, Target, str | None, Mapping[str, str]], Host]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user decides, and what a test puts in the place of the machine."""

    kinds: KindNamed
    python: str | None = None
    """The base interpreter, None for the first that fits."""
    allow_downgrade: bool = False
    approvals: Approvals = NO_APPROVALS
    """For a delta, whose signatures are read by `update` itself."""
    host: AskHost = this_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    before: int
    """0 where nothing was installed."""
    after: int
    """The same as `before` where this bundle is in use already."""
    version: str
    index: Digest
    downgrade: bool = False
    """Whether it was signed before what was accepted here, and installed all the same because somebody asked for it."""


def install(bundle: SignedBundle, site: Site, choices: Choices, world: Surroundings) -> Outcome:
    """Install, switch, check. Raises TargetError or IntegrityError; what was in use is then still, or again, in use."""
    with site_errors(site):
        base = check_machine_for(bundle, site, choices, world)
        with locked(site, "install"):
            recover(site, world)
            return install_locked("install", bundle, site, choices, world, base)


def check_machine_for(bundle: SignedBundle, site: Site, choices: Choices, world: Surroundings) -> Interpreter:
    site.check_place()
    host = choices.host(site.root, bundle.index.target, choices.python, world.environment)
    check_codecs_of(bundle.index, choices.kinds, bundle.supply.held)
    base = check_machine(bundle.index, bundle.supply.frames, host)
    if inodes_may_lack(bundle.index, host):
        before = site.current_generation()
        tree = _planned(bundle, site, choices, world, base)
        check_inodes(tree, before.tree if before else {}, len(bundle.index.entries), host)
    return base


def install_locked(
    act: str,
    bundle: SignedBundle,
    site: Site,
    choices: Choices,
    world: Surroundings,
    base: Interpreter | None = None,
) -> Outcome:
    """The rest of `install`, for a caller that holds the lock and has recovered the site; without `base` the machine is
    checked now."""
    base = base or check_machine_for(bundle, site, choices, world)
    downgrade = check_site(site, bundle.signed, choices.allow_downgrade)
    before = site.current_generation()
    if before is not None and before.index == bundle.digest:
        return already(site, bundle.signed, before, world)
    receive(site, world, bundle.signed)
    generation = _staged(bundle, site, choices, base, world)
    vouched = Vouched(
        keys=bundle.signed.signers,
        approvals="\n".join(one.checked for one in bundle.signed.approvals.values()),
    )
    done = switch(site, "downgrade" if downgrade else act, generation, world, vouched)
    return replace(_outcome(generation, done.before), downgrade=downgrade)


def already(site: Site, signed: SignedIndex, current: Generation, world: Surroundings) -> Outcome:
    """Nothing to do, but for newer roots and approvals that are demanded from now on."""
    pin(site, signed, world)
    return _outcome(current, current.number)


def pin(site: Site, signed: SignedIndex, world: Surroundings) -> None:
    """Trust the newest roots from now on; those that a bundle brought are a line of the journal."""
    if lines := list(_newer_roots(site, signed)):
        record(site, world, "trust", detail="\n".join(lines))
    site.pin(signed.root, {name: one.root for name, one in signed.approvals.items()})


def _newer_roots(site: Site, signed: SignedIndex) -> Iterator[str]:
    roots = [("", site.root_of_trust(), signed.anchor, signed.root)]
    known = site.approval_roots()
    roots += [(name, known.get(name), one.anchor, one.root) for name, one in signed.approvals.items()]
    for name, before, anchor, newest in roots:
        if newest not in (before, anchor):
            versions = [pinned(data, name).version for data in (anchor, newest)]
            what = f"approval root of {name}" if name else "trust root"
            yield f"{what}: version {versions[0]} → {versions[1]}, inside a bundle"


def _outcome(generation: Generation, before: int) -> Outcome:
    return Outcome(before=before, after=generation.number, version=generation.version, index=generation.index)


def plan(bundle: SignedBundle, site: Site, choices: Choices, world: Surroundings) -> tuple[Change, ...]:
    """What `install` would change, against the generation in use; nothing is written. Raises as `install` does."""
    base = check_machine_for(bundle, site, choices, world)
    check_site(site, bundle.signed, choices.allow_downgrade)
    before = site.current_generation()
    if before is not None and before.index == bundle.digest:
        return ()
    tree = _planned(bundle, site, choices, world, base)
    return tuple(changes(before.tree if before else {}, tree))


def planned_artifacts(bundle: SignedBundle, site: Site) -> tuple[tuple[str, str, str], ...]:
    """Kind and name, version now and version then of each artifact that `install` would bring, change or take away; empty where
    there is none. Raises IntegrityError."""
    current = site.current_generation()
    before = _versions(site.index(current.index)) if current else {}
    after = _versions(bundle.index)
    return tuple(
        (name, before[name][0] if name in before else "", after[name][0] if name in after else "")
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def planned_commands(bundle: SignedBundle, site: Site) -> tuple[tuple[str, ...], ...]:
    """What `install` would run after the switch; nothing where this bundle is in use already."""
    current = site.current_generation()
    if current is not None and current.index == bundle.digest:
        return ()
    health = bundle.index.health
    activations = tuple(one.command for one in bundle.index.activation)
    return (*activations, health.command) if health else activations


def _versions(index: BundleIndex) -> dict[str, tuple[str, Digest]]:
    """What has no version of its own is told apart by the beginning of its digest."""
    found = (entry.artifact for entry in index.entries)
    return {f"{one.kind} {one.name}": (one.version or hex_of(one.digest)[:8], one.digest) for one in found}


def _planned(
    bundle: SignedBundle, site: Site, choices: Choices, world: Surroundings, base: Interpreter
) -> Tree:
    """What the generation will consist of; every content is read, and nothing written."""
    layout = Layout(writer=OnlyCounting())
    place = _place(site, site.next_number(), base)
    lay_out(bundle.contents(None), bundle.index, place, layout, choices.kinds, world.reporter)
    check_programs(bundle.index.activation, layout.tree, world.environment)
    return layout.tree


def _place(site: Site, number: int, base: Interpreter) -> Place:
    return Place(python=str(site.path(directory_of(number)) / "bin/python"), interpreter=base)


def _staged(
    bundle: SignedBundle, site: Site, choices: Choices, base: Interpreter, world: Surroundings
) -> Generation:
    """As `_stage`; where it fails, what it wrote goes at once, for the disk may be full of it."""
    try:
        return _stage(bundle, site, choices, base, world)
    except (AirlockError, OSError, KeyboardInterrupt):
        with suppress(OSError):
            sweep(site)
        raise


def _stage(
    bundle: SignedBundle, site: Site, choices: Choices, base: Interpreter, world: Surroundings
) -> Generation:
    """Everything of a new generation but the switch."""
    number = site.next_number()
    for folder in FOLDERS:
        site.disk.make_directory(folder)
    site.keep_room()
    layout = Layout(writer=Staging.beside_current(site, number, bundle.index.target))
    place = _place(site, number, base)
    take_over(site, bundle.index, bundle.supply.held, staging_of(number), layout)
    frames = _Frames(site=site)
    with closing(frames.kept(bundle.contents(site.path(STATE), layout.labels))) as contents:
        lay_out(contents, bundle.index, place, layout, choices.kinds, world.reporter)
    check_programs(bundle.index.activation, layout.tree, world.environment)
    site.disk.sync()
    for name in frames.fresh:
        site.disk.rename(name + TEMPORARY, name)
    site.disk.sync(FRAMES)
    site.replace(index_of(bundle.digest), bundle.signed.data)
    pin(site, bundle.signed, world)
    generation = Generation(
        number=number,
        content=number,
        index=bundle.digest,
        project=bundle.index.project.name,
        version=bundle.index.project.version,
        release=bundle.signed.release,
        python=base.path,
        tree=layout.tree,
        owners=layout.owners,
        shared=frozenset(layout.shared),
    )
    site.record(generation)
    site.disk.rename(staging_of(number), directory_of(number))
    site.disk.sync("generations")
    return generation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frames:
    """Brings the frames that the site's store lacks, under temporary names."""

    site: Site
    fresh: list[str] = field(default_factory=list)
    """Their final names."""

    def kept(self, contents: Iterator[Content]) -> Generator[Content]:
        """The contents, each after its frame was kept."""
        for content in contents:
            if content.frame is not None:
                self._keep(f"store/{frame_name(content.expanded.digest)}", content.frame)
            yield content

    def _keep(self, name: str, frame: Frame) -> None:
        with frame.open() as stream:
            if _holds(self.site.path(name), stream, frame.size):
                return
            if frame.data is not None:
                self.site.disk.write_all([NewFile(name + TEMPORARY, 0o644, frame.data, 0, frame.size)])
            else:
                stream.seek(0)
                self.site.disk.write(name + TEMPORARY, chunks_of(stream), 0o644)
        self.fresh.append(name)


def _holds(path: Path, content: BinaryIO, size: int) -> bool:
    """Whether a file has that content already."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as ours:
        return _same(ours, content)


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    while chunk := one.read(CHUNK):
        if other.read(CHUNK) != chunk:
            return False
    return True


@contextmanager
def site_errors(site: Site) -> Iterator[None]:
    """What the system says about the site's disk becomes a TargetError."""
    try:
        yield
    except OSError as error:
        raise as_target_error(error, str(site.root)) from error
