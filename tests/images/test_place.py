"""What the far side gets: one layout, as every tool reads it, and what is handed on."""

import json
from dataclasses import replace

import pytest

from airlock.core.artifact import Artifact
from airlock.core.digest import digest_of
from airlock.errors import IntegrityError
from airlock.kinds.image.kind import ImageKind
from tests.images.conftest import Project, an_image, named
from tests.images.factory import image, index
from tests.images.registry_server import Registry
from tests.near_side import Placed, near_side, raw_contents, stored

KIND = ImageKind()
PLC = image({"bin/plc": b"one"})


def test_all_images_of_a_target_are_one_layout(registry: Registry, project: Project) -> None:
    registry.push("plc", index(PLC, image({"x": b"y"}, architecture="arm64")), "1")
    registry.push("web", image({"bin/web": b"two"}), "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc:1") + an_image(f"{registry.host}/web:1"))
    store, placed = project.fetch(lockfile), Placed()
    near = replace(near_side(project.directory), store=store)
    for artifact in named(lockfile).values():
        KIND.place(artifact, raw_contents(stored(near, artifact.digest)), placed.room)
    files = {path: data for path, (data, mode) in placed.files.items()}
    assert json.loads(files.pop("images/oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    rows = json.loads(files.pop("images/index.json"))["manifests"]
    names = [row["annotations"]["org.opencontainers.image.ref.name"] for row in rows]
    assert names == ["plc", "plc.index", "web"]
    assert rows[0]["platform"] == {"architecture": "amd64", "os": "linux"}
    for path, data in files.items():
        assert path == f"images/blobs/sha256/{digest_of(data)[7:]}", "every digest is untouched"
    assert len(files) == 7
    assert {mode for _, mode in placed.files.values()} == {0o644}


def an_artifact(**placement: str) -> Artifact:
    data = b"layer"
    given = {"destination": f"images/blobs/sha256/{digest_of(data)[7:]}", "role": "layer"} | placement
    return Artifact(
        kind="image",
        name="plc/layer-1",
        version="",
        file="x",
        size=5,
        digest=digest_of(data),
        placement=given,
    )


@pytest.mark.parametrize(
    "placement",
    [
        {"destination": "images/blobs/sha256/" + "0" * 64},
        {"destination": "bin/python3"},
        {"destination": "../outside"},
        {"role": "listing"},
    ],
)
def test_a_blob_goes_only_where_its_digest_says(placement: dict[str, str]) -> None:
    placed = Placed()
    with pytest.raises(IntegrityError, match="not where a layout has it"):
        KIND.place(an_artifact(**placement), raw_contents(b"layer"), placed.room)
    assert placed.files == {}


def test_nothing_is_handed_on_unless_it_is_asked_for(registry: Registry, project: Project) -> None:
    registry.push("plc", PLC, "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc:1"))
    assert KIND.activation(lockfile.artifacts_for("north")) == ()


@pytest.mark.parametrize(
    ("deliver", "destination"),
    [
        ("podman", "containers-storage:{host}/plant/plc:1"),
        ("containers-storage:localhost/plc:now", "containers-storage:localhost/plc:now"),
        ("docker://registry.plant:5000/plc:1", "docker://registry.plant:5000/plc:1"),
    ],
)
def test_skopeo_hands_an_image_on_and_reads_its_digest_back(
    registry: Registry, project: Project, deliver: str, destination: str
) -> None:
    registry.push("plant/plc", PLC, "1")
    lockfile = project.lock(an_image(f"{registry.host}/plant/plc:1", deliver=f'"{deliver}"'))
    (one,) = KIND.activation(lockfile.artifacts_for("north"))
    destination = destination.format(host=registry.host)
    assert one.artifact == "image plc 1"
    assert one.command == ("skopeo", "copy", "--preserve-digests", "oci:images:plc", destination)
    assert (one.check[0], one.check[-1]) == ("skopeo", destination)
    assert one.expected == (PLC.digest,)


def test_an_engine_gets_the_index_too_and_a_registry_only_what_is_there(
    registry: Registry, project: Project
) -> None:
    registry.push("plc", index(PLC), "1")
    for deliver, name in (("podman", "plc.index"), ("docker://registry.plant/plc:1", "plc")):
        lockfile = project.lock(an_image(f"{registry.host}/plc:1", deliver=f'"{deliver}"'))
        (one,) = KIND.activation(lockfile.artifacts_for("north"))
        assert one.command[3] == f"oci:images:{name}"
        assert one.expected == (PLC.digest,)


def test_an_image_from_a_registry_of_the_manifest_is_called_something_that_engines_know(
    registry: Registry, project: Project
) -> None:
    """`corp/plc:1` would be looked for on a public registry there."""
    registry.push("plc", PLC, "1")
    declared = f'[[registry]]\nname = "corp"\nurl = "{registry.url}"\n'
    lockfile = project.lock(declared + an_image("corp/plc:1", deliver='"podman"'))
    (one,) = KIND.activation(lockfile.artifacts_for("north"))
    assert one.command[-1] == "containers-storage:localhost/plc:1"
