"""One image as an archive, and tags that moved."""

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

import pytest

from airlock.core.artifact import Artifact
from airlock.errors import FetchError, IntegrityError, UsageError
from airlock.formats.lockfile import Lockfile
from airlock.kinds import Locked, Newer
from airlock.kinds.image.kind import ImageKind
from airlock.storage.store import Store
from tests.images.conftest import Project, an_image
from tests.images.factory import Thing, image, index, signature
from tests.images.registry_server import Registry

KIND = ImageKind()
PLC, ARM = image({"bin/plc": b"one"}, {"etc/plc": b"x"}), image({"bin/plc": b"arm"}, architecture="arm64")


def archive(artifacts: Sequence[Artifact], store: Store, name: str = "plc") -> bytes:
    def read(artifact: Artifact) -> BinaryIO:
        return store.open(artifact.digest)

    out = io.BytesIO()
    KIND.assemble(name, artifacts, read, out)
    return out.getvalue()


def locked(registry: Registry, project: Project, thing: Thing) -> tuple[tuple[Artifact, ...], Store]:
    registry.push("plant/plc", thing, "1")
    registry.push("plant/plc", signature(thing, subject=False), f"sha256-{thing.digest[7:]}.sig")
    registry.push("web", image({"bin/web": b"two"}), "1")
    text = an_image(f"{registry.host}/plant/plc:1") + an_image(f"{registry.host}/web:1")
    lockfile = project.lock(text)
    return lockfile.artifacts_for("north"), project.fetch(lockfile)


@pytest.mark.parametrize("thing", [PLC, index(PLC, ARM)], ids=["manifest", "index"])
def test_an_archive_holds_one_image_and_nothing_besides(
    registry: Registry, project: Project, thing: Thing
) -> None:
    artifacts, store = locked(registry, project, thing)
    data = archive(artifacts, store)
    assert data == archive(tuple(reversed(artifacts)), store), "the order of rows does not show"
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        files = {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]
    (row,) = json.loads(files.pop("index.json"))["manifests"]
    assert row["digest"] == thing.digest
    assert row["annotations"] == {
        "io.containerd.image.name": f"{registry.host}/plant/plc:1",
        "org.opencontainers.image.ref.name": "plc",
    }
    assert json.loads(files.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    wanted = dict(PLC.blobs) | {thing.digest: thing.data}
    assert files == {f"blobs/sha256/{digest[7:]}": blob for digest, blob in wanted.items()}


def test_an_image_that_is_not_there_is_told_with_those_that_are(registry: Registry, project: Project) -> None:
    artifacts, store = locked(registry, project, PLC)
    with pytest.raises(UsageError, match="there is no such image: expected one of plc, web"):
        archive(artifacts, store, "plcc")
    with pytest.raises(UsageError, match="expected one of none"):
        archive((), store)


def test_a_blob_that_is_missing_is_told(registry: Registry, project: Project) -> None:
    artifacts, store = locked(registry, project, PLC)
    with pytest.raises(IntegrityError, match="a blob is missing"):
        archive([one for one in artifacts if one.digest != PLC.layers[1]], store)


def moved(project: Project, lockfile: Lockfile, text: str = "") -> tuple[Newer, ...]:
    with project.near() as near:
        manifest = project.manifest(text)
        return KIND.newer(Locked(lockfile=lockfile, where="airlock.lock", manifest=manifest), near)


def test_a_tag_that_moved_is_told(registry: Registry, project: Project) -> None:
    registry.push("plc", index(PLC, ARM), "1")
    registry.push("web", PLC, "1")
    text = an_image(f"{registry.host}/plc:1", targets="") + an_image(f"{registry.host}/web:1")
    lockfile = project.lock(text)
    assert moved(project, lockfile) == ()
    now = registry.push("plc", image({"bin/plc": b"later"}), "1")
    (one,) = moved(project, lockfile)
    assert (one.name, one.targets) == ("plc", ("north", "south"))
    assert (one.allowed, one.newest) == (f"1 ({now.digest[7:19]})", f"1 ({now.digest[7:19]})")


def test_a_digest_does_not_move(registry: Registry, project: Project) -> None:
    registry.push("plc", PLC, "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc:1@{PLC.digest}"))
    registry.log.clear()
    assert moved(project, lockfile) == () and registry.log == []


def test_a_tag_that_is_gone_is_told(registry: Registry, project: Project) -> None:
    registry.push("plc", PLC, "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc:1"))
    registry.manifests.clear()
    with pytest.raises(FetchError, match="the registry has no such image"):
        moved(project, lockfile)


def test_a_reference_that_a_lock_has_is_not_trusted(registry: Registry, project: Project) -> None:
    registry.push("plc", PLC, "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc:1"))
    rows = tuple(
        replace(row, artifact=replace(row.artifact, origin={"reference": "../../etc/passwd"}))
        for row in lockfile.artifacts
    )
    with pytest.raises(IntegrityError, match=r"image plc 1: origin\.reference"):
        moved(project, replace(lockfile, artifacts=rows))
