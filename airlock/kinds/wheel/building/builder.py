"""From a source to a pinned wheel: see `Builder.build`."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename
from packaging.version import Version

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, digest_of, parse_digest
from airlock.core.target import Target
from airlock.errors import IntegrityError, ResolutionError
from airlock.formats.lockfile import LockedArtifact
from airlock.kinds import NearSide
from airlock.kinds.wheel.building.attempt import FIRST, SECOND, Attempt, Job
from airlock.kinds.wheel.building.backend import BuildSystem, read_build_system
from airlock.kinds.wheel.building.compare import differing_members, shown
from airlock.kinds.wheel.building.machine import (
    Interpreter,
    interpreter_for,
    machine_target,
    own_interpreter,
    platform,
)
from airlock.kinds.wheel.building.records import Records
from airlock.kinds.wheel.building.sandbox import sandbox
from airlock.kinds.wheel.building.sources import Source, project_root
from airlock.kinds.wheel.building.versions import variables_of
from airlock.kinds.wheel.canonical import canonical_wheel, read_metadata
from airlock.kinds.wheel.section import BUILD_TIMEOUT

_STEP = 0.05
"""Seconds between two looks at the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a build environment consists of."""

    artifacts: tuple[Artifact, ...]
    """Wheels that are in the store, sorted by name."""
    nested: tuple[LockedArtifact, ...] = ()
    """What tools that have only an sdist were built with in their turn."""


class Toolbox(Protocol):
    def tools(self, requires: tuple[str, ...], label: str, machine: Target) -> Tools:
        """Pinned wheels that answer `requires` (PEP 508) on `machine`. Raises ResolutionError or FetchError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    file: str
    """The wheel's file name."""
    name: NormalizedName
    version: Version
    digest: Digest
    """Of the wheel in its one spelling (`canonical.py`), which is in the store."""
    size: int
    """Bytes."""
    metadata: bytes
    """The content of METADATA."""
    tools: Tools
    python: str
    """The minor version that built it, as `3.11`."""
    reproducible: bool
    """Whether a second build, elsewhere and in another order, came to the same wheel."""
    differing: tuple[str, ...]
    """What was not the same in it."""
    identical: bool
    """Whether it came to the same bytes even before the one spelling."""

    @property
    def label(self) -> str:
        """How rows of the lock name this build."""
        return build_label(self.name, str(self.version), self.python)

    @property
    def rows(self) -> tuple[LockedArtifact, ...]:
        """What the lock holds of the tools."""
        own = (LockedArtifact(artifact=one, targets=(), builds=(self.label,)) for one in self.tools.artifacts)
        return (*own, *self.tools.nested)


def build_label(name: str, version: str, python: str) -> str:
    return f"{name}=={version} on {python}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    near: NearSide
    toolbox: Toolbox
    timeout: int = BUILD_TIMEOUT
    """Seconds, for each hook."""
    ended: dict[Digest, int] = field(default_factory=dict)
    """When the first build of each source ended, so that the second begins in another second, and a clock in it shows."""
    _warned: list[str] = field(default_factory=list)

    def build(self, source: Source, target: Target, *, twice: bool = True) -> BuiltWheel:
        """The wheel of `source`, by the target's Python where it is at hand. What was built before with the same tools is
        not built again. Without `twice` nothing is known of whether it is reproducible. Whether the wheel fits the
        target is for the caller to ask (`fit.py`). Raises ResolutionError, FetchError or IntegrityError."""
        interpreter = interpreter_for(target) or own_interpreter()
        machine = machine_target(interpreter.minor)
        if machine is None:
            raise ResolutionError(
                source.label,
                "cannot be built on this machine",
                expected="Linux with glibc or musl, on x86_64 or aarch64",
                found=platform() or "another system",
                hint="lock on such a machine, or put a wheel of it on an index",
            )
        with _Work(self, source, interpreter, machine) as work:
            return work.built(twice=twice)

    def warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.append(text)
            self.near.reporter.warn(text)


class _Work:
    """One source, one interpreter. Nothing is unpacked before it has to be."""

    def __init__(self, builder: Builder, source: Source, interpreter: Interpreter, machine: Target) -> None:
        self._builder, self._source = builder, source
        self._interpreter, self._machine = interpreter, machine
        self._near = builder.near
        self._records = Records(self._near.cache / "builds" / "records")
        self._folder: TemporaryDirectory[str] | None = None
        self._job: Job | None = None
        self._first: Attempt | None = None
        self._version: str | None = None

    def __enter__(self) -> "_Work":
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._near.reporter.finish(self._task)
            self._folder.cleanup()

    @property
    def _task(self) -> str:
        return f"building {self._source.label}"

    def built(self, *, twice: bool) -> BuiltWheel:
        system = self._system()
        tools = self._tools(system.requires)
        if extra := self._extra(tools):
            tools = self._tools(tuple(sorted({*system.requires, *extra})))
        key = ("wheel", *self._key(tools), platform())
        found = self._known(key)
        if found is None:
            found = self._made(tools)
            self._builder.ended[self._source.digest] = _clock(self._opened().log)
            self._records.write(found, *key)
        again = self._again(found, tools, key) if twice else {}
        return self._result(found, again, tools)

    def _system(self) -> BuildSystem:
        key = ("project", self._source.digest, self._source.subdirectory)
        if (known := self._records.read(*key)) is not None:
            return BuildSystem(
                requires=tuple(known["requires"]),
                backend=known["backend"],
                backend_path=tuple(known["backend-path"]),
                dynamic=known["dynamic"],
            )
        system = self._opened().system
        record = {
            "requires": list(system.requires),
            "backend": system.backend,
            "backend-path": list(system.backend_path),
            "dynamic": system.dynamic,
        }
        self._records.write(record, *key)
        return system

    def _tools(self, requires: tuple[str, ...]) -> Tools:
        return self._builder.toolbox.tools(requires, self._source.label, self._machine)

    def _key(self, tools: Tools) -> tuple[object, ...]:
        return (
            self._source.digest,
            *((self._source.subdirectory,) if self._source.subdirectory else ()),
            self._interpreter.version,
            self._interpreter.minor,
            *(tool.digest for tool in tools.artifacts),
            *(f"{name}={value}" for name, value in self._told(tools).items()),
        )

    def _told(self, tools: Tools) -> Mapping[str, str]:
        """Variables that say the version, where a tool would ask version control for it."""
        if self._source.version is None or not self._system().dynamic:
            return {}
        variables = variables_of(tool.name for tool in tools.artifacts)
        if variables and self._version is None:
            self._version = self._source.version()
        return dict.fromkeys(variables, self._version or "")

    def _extra(self, tools: Tools) -> tuple[str, ...]:
        key = ("extra", *self._key(tools))
        known = self._records.read(*key)
        if known is None:
            known = {"requires": list(self._attempt(tools).extra_requirements())}
            self._records.write(known, *key)
        return tuple(known["requires"])

    def _known(self, key: tuple[object, ...]) -> Mapping[str, Any] | None:
        known = self._records.read(*key)
        return known if known is not None and parse_digest(known["digest"]) in self._near.store else None

    def _made(self, tools: Tools) -> Mapping[str, Any]:
        file, raw = self._attempt(tools).wheel()
        where = self._source.label
        try:
            parse_wheel_filename(file)
            data = canonical_wheel(raw, file)
            read_metadata(data, file)
        except (InvalidWheelFilename, IntegrityError, UnicodeDecodeError) as error:
            raise ResolutionError(where, f"its backend made no proper wheel, {error}") from error
        digest, size = self._near.store.put([data], where=file)
        return {"file": file, "digest": digest, "size": size, "raw": digest_of(raw)}

    def _again(self, found: Mapping[str, Any], tools: Tools, key: tuple[object, ...]) -> Mapping[str, Any]:
        key = ("again", found["digest"], *key)
        known = self._records.read(*key)
        if known is None:
            known = self._compared(found, tools)
            self._records.write(known, *key)
        if not known["reproducible"]:
            self._builder.near.reporter.warn(
                f"{self._source.label} does not build to the same wheel twice; differing: "
                f"{shown(tuple(known['differing']))}. The wheel that was built first is pinned"
            )
        return known

    def _compared(self, found: Mapping[str, Any], tools: Tools) -> Mapping[str, Any]:
        attempt = Attempt(self._opened(), SECOND)
        attempt.use(tools.artifacts, self._told(tools))
        while _clock(self._opened().log) == self._builder.ended.get(self._source.digest):
            time.sleep(_STEP)
        file, raw = attempt.wheel()
        if digest_of(raw) == found["raw"] and file == found["file"]:
            return {"reproducible": True, "identical": True, "differing": []}
        with self._near.store.open(parse_digest(found["digest"])) as stream:
            first = stream.read()
        second = canonical_wheel(raw, file)
        differing = [] if file == found["file"] else [f"the file name, {file}"]
        differing += differing_members(first, second)
        same = first == second and not differing
        return {"reproducible": same, "identical": False, "differing": differing}

    def _attempt(self, tools: Tools) -> Attempt:
        if self._first is None:
            self._first = Attempt(self._opened(), FIRST)
        self._first.use(tools.artifacts, self._told(tools))
        return self._first

    def _opened(self) -> Job:
        """The job, its source unpacked."""
        if self._job is None:
            builds = self._near.cache / "builds"
            (builds / "logs").mkdir(parents=True, exist_ok=True)
            if sandbox() == "none":
                self._builder.warn_once(
                    "neither bubblewrap nor `unshare` works on this machine: builds run with its network and its files"
                )
            self._folder = TemporaryDirectory(prefix="build-", dir=builds, ignore_cleanup_errors=True)
            self._near.reporter.start(self._task, None)
            self._job = self._job_in(Path(self._folder.name), builds / "logs")
        return self._job

    def _job_in(self, folder: Path, logs: Path) -> Job:
        unpacked = folder / "unpacked"
        unpacked.mkdir()
        epoch = self._source.unpack(unpacked)
        tree = project_root(unpacked) / self._source.subdirectory
        if not tree.is_dir():
            raise ResolutionError(
                self._source.label,
                f"has no directory {self._source.subdirectory!r}, which #subdirectory= names",
            )
        slug = "".join(one if one.isalnum() or one in ".-_" else "-" for one in self._source.label)
        log = logs / f"{slug}-{self._interpreter.minor}.log"
        log.write_bytes(b"")
        return Job(
            label=self._source.label,
            tree=tree,
            epoch=epoch,
            system=read_build_system(tree, self._source.label),
            interpreter=self._interpreter,
            store=self._near.store,
            folder=folder,
            log=log,
            seconds=self._builder.timeout,
            told=self._near.reporter.note,
        )

    def _result(self, found: Mapping[str, Any], again: Mapping[str, Any], tools: Tools) -> BuiltWheel:
        name, version, _, _ = parse_wheel_filename(found["file"])
        digest = parse_digest(found["digest"])
        with self._near.store.open(digest, found["file"]) as stream:
            metadata = read_metadata(stream.read(), found["file"]).encode()
        return BuiltWheel(
            file=found["file"],
            name=name,
            version=version,
            digest=digest,
            size=found["size"],
            metadata=metadata,
            tools=tools,
            python=self._interpreter.minor,
            reproducible=again.get("reproducible", False),
            differing=tuple(again.get("differing", ())),
            identical=again.get("identical", False),
        )


def _clock(file: Path) -> int:
    """Seconds, as the file system has them."""
    file.touch()
    return int(file.stat().st_mtime)
