"""Two signed versions of a project of many wheels, and the delta between them: real wheels, or made ones."""

import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from airlock.connected.build import Workshop, build
from airlock.connected.delta import delta, read_trust, side_of
from airlock.connected.key import new_key, read_signer
from airlock.connected.sign import Statement, sign
from airlock.connected.trust import make_root
from airlock.core.artifact import Artifact, HealthCheck, Project
from airlock.core.codecs import best_set
from airlock.core.digest import digest_of
from airlock.core.reporter import Silent
from airlock.formats.lockfile import LockedArtifact, Lockfile
from airlock.storage.archive import Archive
from airlock.storage.frames import DEFAULT_LEVEL, this_encoder
from airlock.storage.store import Store
from tests.far.bundles import NOW, TARGET, wheel
from tests.wheels import PROSE

SICK = HealthCheck(command=("false",), timeout=5)
Wheels = dict[str, bytes]
"""By file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    folder: Path
    """With `1.airlock`, `2.airlock`, `sick.airlock`, `up.airdelta` and `root.json`."""
    packages: int
    files: int

    def path(self, name: str) -> Path:
        return self.folder / name


def made_wheels(version: int, packages: int = 24) -> Wheels:
    """A third of them differ between two versions."""
    wheels: Wheels = {}
    for number in range(packages):
        mine = version if number % 3 == 0 else 1
        name = f"part{number}"
        files = {
            f"{name}/__init__.py": f"VERSION = {mine}\n".encode(),
            f"{name}/text.py": _text(number, mine),
        }
        files |= {f"{name}/{inner}.py": _text(number + inner, 1)[:300] for inner in range(4)}
        wheels[f"{name}-{mine}.0-py3-none-any.whl"] = wheel(name, f"{mine}.0", files)
    return wheels


def _text(number: int, version: int) -> bytes:
    return PROSE[number * 1000 : number * 1000 + 8000].replace(b"line 7 ", b"line %d " % version)


def real_wheels(old: Path, new: Path, packages: int) -> tuple[Wheels, Wheels]:
    """The pure wheels that both folders have, those of the fewest files first."""
    before, after = ({_name(path): path for path in folder.glob("*-none-any.whl")} for folder in (old, new))
    names = sorted(before.keys() & after.keys(), key=lambda name: (_members(after[name]), name))[:packages]
    sides = ([side[name] for name in names] for side in (before, after))
    one, two = ({path.name: path.read_bytes() for path in paths} for paths in sides)
    return one, two


def _name(path: Path) -> str:
    return path.name.partition("-")[0]


def _members(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return len(archive.namelist())


def make_versions(folder: Path, one: Wheels, two: Wheels, health: HealthCheck | None = None) -> Versions:
    store = Store(folder / "cache/store")
    tools = Workshop(store=store, cache=folder / "cache/frames", reporter=Silent(), jobs=1)
    key = read_signer(new_key(None).private, None, "key")
    root = read_signer(new_key(None).private, None, "root")
    (folder / "root.json").write_bytes(make_root(root, [key.public_key], 1, NOW + 1_000_000_000))
    locks = [_lock(store, f"{number}.0", wheels, health) for number, wheels in ((1, one), (2, two))]
    sick = replace(locks[1], health=SICK)
    for number, (name, lock) in enumerate(zip(("1", "2", "sick"), [*locks, sick], strict=True), 1):
        build(lock, TARGET.name, tools, folder / "plain.airlock")
        statement = Statement(counter=number, fixed=True, expires=NOW + 1_000_000_000)
        with (folder / "plain.airlock").open("rb") as plain, (folder / f"{name}.airlock").open("wb") as out:
            sign(Archive(plain, "plain.airlock"), key, statement, out)
    before, after = (side_of(lock, TARGET.name, tools) for lock in locks)
    with (folder / "2.airlock").open("rb") as stream:
        trust = read_trust(Archive(stream, "2.airlock"), after.digest)
    delta(before, after, tools, folder / "up.airdelta", trust)
    files = sum(len(zipfile.ZipFile(io.BytesIO(data)).namelist()) for data in two.values())
    return Versions(folder=folder, packages=len(two), files=files)


def _lock(store: Store, version: str, wheels: Wheels, health: HealthCheck | None) -> Lockfile:
    return Lockfile(
        project=Project(name="plant-gateway", version=version),
        encoder=this_encoder(DEFAULT_LEVEL, best_set()),
        inputs={},
        targets=(TARGET,),
        health=health,
        artifacts=tuple(_locked(store, file, data) for file, data in sorted(wheels.items())),
    )


def _locked(store: Store, file: str, data: bytes) -> LockedArtifact:
    store.put([data])
    name, version = file.split("-")[:2]
    artifact = Artifact(
        kind="wheel",
        name=name.replace("_", "-").lower(),
        version=version,
        file=file,
        size=len(data),
        digest=digest_of(data),
        origin={"index": "default"},
    )
    return LockedArtifact(artifact=artifact, targets=(TARGET.name,))
