"""Small bundles, made and signed by hand, and a far side to carry them to."""

import base64
import csv
import hashlib
import io
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.tags import platform_tags
from securesystemslib.signer import CryptoSigner

from airlock.airgapped.host import Host, Interpreter
from airlock.airgapped.install import Choices, Outcome, install
from airlock.airgapped.site import Site
from airlock.airgapped.switch import Surroundings
from airlock.airgapped.verify import VerifiedBundle, verify
from airlock.connected.key import new_key, read_signer
from airlock.connected.sign import Statement, sign
from airlock.connected.trust import make_root
from airlock.core.artifact import Activation, Artifact, HealthCheck, Project
from airlock.core.codecs import PORTABLE
from airlock.core.digest import Digest, digest_of
from airlock.core.expanded import Member, expand
from airlock.core.paths import safe_path
from airlock.core.reporter import Silent
from airlock.core.target import Target
from airlock.errors import IntegrityError
from airlock.formats.exceptions import Exempted
from airlock.formats.index import BundleIndex, Expanded, IndexEntry, frame_name, write_index
from airlock.formats.lockfile import LockedArtifact
from airlock.formats.manifest import Manifest
from airlock.kinds import Kind, NearSide, PinRequest, Room
from airlock.kinds.wheel.place import place_wheel
from airlock.storage.archive import Archive, ArchiveWriter
from airlock.storage.disk import Disk, RealDisk
from airlock.storage.frames import DEFAULT_LEVEL, compress, this_encoder

NOW = 1_790_000_000
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = next(tag for tag in platform_tags() if "linux_2_" in tag or "musllinux" in tag)
TARGET = Target(name="plant", python=PYTHON, platform=MACHINE, prefix="")
BASE = str(Path(sys.base_prefix) / "bin" / f"python{PYTHON}")


@dataclass(frozen=True)
class Item:
    """One artifact and its original bytes."""

    artifact: Artifact
    data: bytes


def file_item(destination: str, data: bytes, mode: str = "0644") -> Item:
    placement = {"destination": destination, "mode": mode}
    return Item(
        Artifact(
            kind="file",
            name=destination,
            version="",
            file=destination.rpartition("/")[2],
            size=len(data),
            digest=digest_of(data),
            placement=placement,
        ),
        data,
    )


def wheel_item(name: str, version: str, data: bytes) -> Item:
    return Item(
        Artifact(
            kind="wheel",
            name=name,
            version=version,
            file=f"{name}-{version}-py3-none-any.whl",
            size=len(data),
            digest=digest_of(data),
        ),
        data,
    )


def wheel(
    name: str,
    version: str,
    files: Mapping[str, bytes],
    entry_points: str = "",
    change_record: Callable[[list[list[str]]], None] = lambda rows: None,
) -> bytes:
    """A wheel's bytes; `change_record` may spoil its RECORD."""
    info = f"{name}-{version}.dist-info"
    contents = dict(files)
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    if entry_points:
        contents[f"{info}/entry_points.txt"] = entry_points.encode()
    rows = [[path, f"sha256={_spelled(data)}", str(len(data))] for path, data in contents.items()]
    rows.append([f"{info}/RECORD", "", ""])
    change_record(rows)
    record = io.StringIO()
    csv.writer(record, lineterminator="\n").writerows(rows)
    contents[f"{info}/RECORD"] = record.getvalue().encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def bundle(
    items: list[Item],
    version: str = "1.0",
    target: Target = TARGET,
    health: HealthCheck | None = None,
    project: str = "gateway",
    exceptions: tuple[Exempted, ...] = (),
    activation: tuple[Activation, ...] = (),
) -> bytes:
    """An unsigned bundle."""
    encoder = this_encoder(DEFAULT_LEVEL, PORTABLE)
    entries: list[IndexEntry] = []
    frames: dict[Digest, bytes] = {}
    for item in sorted(items, key=lambda item: item.artifact.key):
        content, frame = io.BytesIO(), io.BytesIO()
        made = expand(io.BytesIO(item.data), content)
        digest, size = digest_of(content.getvalue()), len(content.getvalue())
        compress(io.BytesIO(content.getvalue()), size, frame, encoder)
        frames[digest] = frame.getvalue()
        entries.append(
            IndexEntry(
                artifact=item.artifact,
                expanded=Expanded(
                    form=made.form,
                    size=size,
                    digest=digest,
                    codecs=made.codecs,
                    file_codecs=made.file_codecs,
                ),
            )
        )
    index = BundleIndex(
        project=Project(name=project, version=version),
        target=target,
        encoder=encoder,
        health=health,
        entries=tuple(entries),
        exceptions=exceptions,
        activation=activation,
    )
    members = {"index.json": write_index(index)}
    members |= {frame_name(digest): frame for digest, frame in sorted(frames.items())}
    return archive_of(members)


def archive_of(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    writer = ArchiveWriter(out)
    for name, data in members.items():
        writer.add_bytes(name, data)
    writer.close()
    return out.getvalue()


def members_in(data: bytes) -> dict[str, bytes]:
    archive = Archive(io.BytesIO(data), "bundle")
    return {name: archive.read(name, 1 << 30) for name in archive.members}


def signer() -> CryptoSigner:
    return read_signer(new_key(None).private, None, "key")


def signed(data: bytes, key: CryptoSigner, counter: int = 1, expires: int = NOW + 1000) -> bytes:
    out = io.BytesIO()
    statement = Statement(counter=counter, fixed=False, expires=expires)
    sign(Archive(io.BytesIO(data), "bundle"), key, statement, out)
    return out.getvalue()


@dataclass(frozen=True)
class Trust:
    """A root, its release keys, and the threshold of one."""

    key: CryptoSigner = field(default_factory=signer)
    root: bytes = b""

    @classmethod
    def new(cls) -> "Trust":
        key = signer()
        return cls(key=key, root=make_root(signer(), [key.public_key], 1, NOW + 1000))

    def verified(self, data: bytes, counter: int = 1) -> VerifiedBundle:
        return verify(Archive(io.BytesIO(signed(data, self.key, counter)), "bundle"), self.root, NOW)


class FakeKind:
    """Stands in for the kinds of the registry; only `place` is used on the far side."""

    section = ""

    def __init__(self, name: str) -> None:
        self.name = name

    def fingerprint(self, manifest: Manifest, where: str, directory: Path) -> Digest:
        raise NotImplementedError

    def pin(self, request: PinRequest) -> tuple[LockedArtifact, ...]:
        raise NotImplementedError

    def obtain(self, artifact: Artifact, manifest: Manifest | None, near: NearSide) -> None:
        raise NotImplementedError

    def opens(self, artifact: Artifact) -> bool:
        return self.name == "wheel"

    def place(self, artifact: Artifact, contents: Callable[[], Iterator[Member]], room: Room) -> None:
        if self.name == "wheel":
            place_wheel(artifact, contents, room)
            return
        for member in contents():
            path = safe_path(artifact.placement["destination"])
            if link := artifact.placement.get("link"):
                room.link(safe_path(f"{path}.link"), link)
            room.write(path, member.chunks, int(artifact.placement["mode"], 8))


def fake_kinds(name: str, where: str) -> Kind:
    if name not in ("wheel", "file"):
        raise IntegrityError(where, "unknown kind", found=name)
    return FakeKind(name)


def fake_host(root: Path, target: Target, python: str | None, environment: Mapping[str, str]) -> Host:
    interpreter = Interpreter(path=BASE, version=f"{PYTHON}.99", implementation="cpython")
    return Host(platforms=(MACHINE,), interpreters=(interpreter,), free=1 << 40, root=str(root.resolve()))


CHOICES = Choices(kinds=fake_kinds, host=fake_host)
WORLD = Surroundings(now=NOW, environment={"PATH": "/usr/bin:/bin"}, reporter=Silent())


def later(seconds: int) -> Surroundings:
    return replace(WORLD, now=NOW + seconds)


def site_at(root: Path, disk: Disk | None = None) -> Site:
    return Site(root=root.resolve(), disk=disk or RealDisk(root.resolve()))


def put(site: Site, verified: VerifiedBundle, world: Surroundings = WORLD) -> Outcome:
    return install(verified, site, CHOICES, world)
