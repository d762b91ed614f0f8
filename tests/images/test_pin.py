"""What a reference is pinned to."""

import json

import pytest

from airlock.core.digest import parse_digest
from airlock.errors import AirlockError, FetchError, IntegrityError, ResolutionError, UsageError
from airlock.formats.lockfile import Lockfile
from airlock.kinds import Upgrade
from airlock.oci.documents import MAX_DOCUMENT, OCI_MANIFEST
from tests.images.conftest import Project, an_image, named
from tests.images.factory import Thing, image, index, sha256, signature
from tests.images.registry_server import Registry

AMD = image({"bin/plc": b"one"}, {"etc/plc": b"settings"})
ARM = image({"bin/plc": b"arm"}, architecture="arm64", variant="v8")


def digests(lockfile: Lockfile, target: str = "north") -> dict[str, str]:
    return {name: str(one.digest) for name, one in named(lockfile, target).items() if name != "index.json"}


def listed(lockfile: Lockfile, target: str = "north") -> dict[str, str]:
    """Names in the layout's own index, and what they lead to."""
    text = named(lockfile, target)["index.json"].origin["text"]
    return {
        row.get("annotations", {}).get("org.opencontainers.image.ref.name", row["digest"]): row["digest"]
        for row in json.loads(text)["manifests"]
    }


def test_a_tag_pins_the_manifest_its_configuration_and_its_layers(
    registry: Registry, project: Project
) -> None:
    registry.push("plant/plc", AMD, "1.0")
    lockfile = project.lock(an_image(f"{registry.host}/plant/plc:1.0"))
    assert digests(lockfile) == {
        "plc": AMD.digest,
        "plc/config": AMD.config,
        "plc/layer-1": AMD.layers[0],
        "plc/layer-2": AMD.layers[1],
    }
    assert listed(lockfile) == {"plc": AMD.digest}
    top, layer = named(lockfile)["plc"], named(lockfile)["plc/layer-1"]
    assert (top.version, top.origin) == ("1.0", {"reference": f"{registry.host}/plant/plc:1.0"})
    assert layer.size == len(AMD.blobs[AMD.layers[0]])
    assert layer.placement["media_type"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert not registry.asked(f"blobs/{AMD.layers[0]}"), "layers are not fetched to be locked"


@pytest.mark.parametrize("docker", [False, True])
def test_each_target_gets_the_manifest_for_its_platform_and_the_index(
    registry: Registry, project: Project, docker: bool
) -> None:
    amd = image({"bin/plc": b"amd"}, docker=docker)
    arm = image({"bin/plc": b"arm"}, docker=docker, architecture="arm64")
    both = registry.push("plc", index(arm, amd, docker=docker), "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc:1", targets=""))
    for target, one in (("north", amd), ("south", arm)):
        assert listed(lockfile, target) == {"plc": one.digest, "plc.index": both.digest}
        assert digests(lockfile, target) == {
            "plc": both.digest,
            "plc/manifest": one.digest,
            "plc/config": one.config,
            "plc/layer-1": one.layers[0],
        }
    rows = [row for row in lockfile.artifacts if row.artifact.name == "plc"]
    assert [row.targets for row in rows] == [("north",), ("south",)], "each says what runs on its target"


def test_a_platform_may_be_said_instead(registry: Registry, project: Project) -> None:
    registry.push("plc", index(AMD, ARM), "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc:1", platform='"linux/arm64"'))
    assert digests(lockfile)["plc/manifest"] == ARM.digest


def test_a_digest_is_taken_at_its_word(registry: Registry, project: Project) -> None:
    registry.push("plc", AMD, "1")
    lockfile = project.lock(an_image(f"{registry.host}/plc@{AMD.digest}"))
    assert digests(lockfile)["plc"] == AMD.digest
    assert not registry.asked("manifests/1")


def test_a_blob_of_two_images_is_one_artifact(registry: Registry, project: Project) -> None:
    base = {"bin/sh": b"shell"}
    one, two = image(base, {"a": b"1"}), image(base, {"b": b"2"})
    registry.push("one", one, "1")
    registry.push("two", two, "1")
    lockfile = project.lock(an_image(f"{registry.host}/two:1") + an_image(f"{registry.host}/one:1"))
    assert one.layers[0] == two.layers[0]
    assert sorted(digests(lockfile)) == [
        "one", "one/config", "one/layer-1", "one/layer-2", "two", "two/config", "two/layer-2",
    ]  # fmt: skip


def test_one_image_under_two_names_is_two_names_for_one(registry: Registry, project: Project) -> None:
    registry.push("plc", AMD, "1", "2")
    text = an_image(f"{registry.host}/plc:1", name='"a"') + an_image(f"{registry.host}/plc:2", name='"b"')
    lockfile = project.lock(text)
    assert listed(lockfile) == {"a": AMD.digest, "b": AMD.digest}
    assert sorted(digests(lockfile)) == ["a", "a/config", "a/layer-1", "a/layer-2", "b"]


def test_the_same_lock_comes_out_of_a_mirror_and_names_none(registry: Registry, project: Project) -> None:
    registry.push("mirror/plant/plc", AMD, "1.0")
    text = an_image("registry.example/plant/plc:1.0")
    declared = f'[[registry]]\nname = "registry.example"\nurl = "{registry.url}/mirror"\n'
    lockfile = project.lock(declared + text)
    assert lockfile.inputs == project.lock(declared.replace("/mirror", "/mirror/") + text).inputs
    assert named(lockfile)["plc"].origin == {"reference": "registry.example/plant/plc:1.0"}
    store = project.fetch(lockfile, declared + text)
    assert all(artifact.digest in store for artifact in named(lockfile).values())


def test_a_pin_stays_until_it_is_upgraded(registry: Registry, project: Project) -> None:
    text = an_image(f"{registry.host}/plc:1") + an_image(f"{registry.host}/web:1")
    newer = image({"bin/plc": b"two"})
    for repository in ("plc", "web"):
        registry.push(repository, AMD, "1")
    first = project.lock(text)
    for repository in ("plc", "web"):
        registry.push(repository, newer, "1")
    assert project.lock(text, first) == first
    more = text + an_image(f"{registry.host}/plc:1", name='"third"')
    third = digests(project.lock(more, first))
    assert (third["plc"], third["web"], third["third"]) == (AMD.digest, AMD.digest, newer.digest)
    one = digests(project.lock(text, first, Upgrade(names=frozenset({"plc"}))))
    assert (one["plc"], one["web"]) == (newer.digest, AMD.digest)
    everything = digests(project.lock(text, first, Upgrade(everything=True)))
    assert (everything["plc"], everything["web"]) == (newer.digest, newer.digest)


def test_a_pinned_image_needs_no_registry_to_be_locked_with_another(
    registry: Registry, project: Project
) -> None:
    registry.push("plc", AMD, "1")
    first = project.lock(an_image(f"{registry.host}/plc:1"))
    registry.log.clear()
    again = project.lock(an_image(f"{registry.host}/plc:1", deliver='"podman"'), first)
    assert digests(again) == digests(first)
    assert registry.log == []


def test_signatures_and_attestations_come_along(registry: Registry, project: Project) -> None:
    both = registry.push("plc", index(AMD, ARM), "1")
    listed_one = registry.push("plc", signature(both))
    described = registry.push("plc", signature(AMD, b"contents"))
    tag = f"sha256-{both.digest[7:]}.sig"
    tagged = registry.push("plc", signature(both, b"cosign", subject=False), tag)
    registry.referrers = {
        ("plc", both.digest): [listed_one.descriptor()],
        ("plc", AMD.digest): [described.descriptor()],
    }
    text = an_image(f"{registry.host}/plc:1")
    lockfile = project.lock(text)
    beside = {
        one.digest: one.placement for one in named(lockfile).values() if one.placement["role"] == "beside"
    }
    assert {digest: (row["of"], row.get("tag")) for digest, row in beside.items()} == {
        listed_one.digest: (both.digest, None),
        described.digest: (AMD.digest, None),
        tagged.digest: (both.digest, tag),
    }
    assert listed(lockfile)[tag] == tagged.digest
    assert {listed_one.digest, described.digest} <= set(listed(lockfile).values())
    store = project.fetch(lockfile)
    blobs = [digest for one in (listed_one, described, tagged) for digest in one.blobs]
    assert all(parse_digest(digest) in store for digest in blobs)
    assert "plc/beside-1" not in digests(project.lock(an_image(f"{registry.host}/plc:1", signatures="false")))
    registry.push("plc", signature(AMD, b"later"))
    more = text + an_image(f"{registry.host}/plc:1", name='"web"', signatures="false")
    kept = digests(project.lock(more, lockfile))
    assert kept | digests(lockfile) == kept, "what was pinned beside it stays"


def test_referrers_of_a_registry_without_their_list_stand_under_a_tag(
    registry: Registry, project: Project
) -> None:
    registry.push("plc", AMD, "1")
    beside = registry.push("plc", signature(AMD))
    registry.push("plc", index(extra=[beside.descriptor()]), f"sha256-{AMD.digest[7:]}")
    assert digests(project.lock(an_image(f"{registry.host}/plc:1")))["plc/beside-1"] == beside.digest


def test_attestations_inside_an_index_come_along(registry: Registry, project: Project) -> None:
    proof = signature(AMD, b"provenance", subject=False)
    row = proof.descriptor(
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={"vnd.docker.reference.digest": AMD.digest},
    )
    both = index(AMD, extra=[row])
    registry.push("plc", Thing(both.data, both.media_type, {**both.blobs, **proof.blobs}), "1")
    assert digests(project.lock(an_image(f"{registry.host}/plc:1")))["plc/beside-1"] == proof.digest


def refusal(project: Project, text: str) -> AirlockError:
    with pytest.raises(AirlockError) as caught:
        project.lock(text)
    return caught.value


def test_a_platform_that_is_not_there_is_told_with_those_that_are(
    registry: Registry, project: Project
) -> None:
    registry.push("plc", index(ARM), "1")
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert isinstance(error, ResolutionError)
    assert "expected one of linux/arm64/v8, found linux/amd64" in str(error)


def test_an_image_for_another_machine_is_refused(registry: Registry, project: Project) -> None:
    registry.push("plc", ARM, "1")
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert isinstance(error, ResolutionError)
    assert "for another platform: expected linux/amd64, found linux/arm64/v8" in str(error)


def test_a_tag_that_is_not_there_is_told(registry: Registry, project: Project) -> None:
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert (
        isinstance(error, FetchError)
        and str(error) == f"{registry.host}/plc:1: the registry has no such image"
    )


def test_what_is_no_container_is_refused(registry: Registry, project: Project) -> None:
    registry.push("chart", signature(AMD), "1")
    error = refusal(project, an_image(f"{registry.host}/chart:1"))
    assert isinstance(error, IntegrityError | UsageError) and "not a layer of an image" in str(error)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"schemaVersion": 1}, "unknown manifest schema: expected 2, found 1"),
        ({"schemaVersion": 3}, "unknown manifest schema: expected 2, found 3"),
        ({"manifests": []}, "a manifest and has the parts of an index besides"),
        (
            {"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 1}]},
            "layers[0].digest: missing",
        ),
        ({"mediaType": "application/vnd.oci.image.index.v1+json"}, "contradicts what it was announced as"),
        ({"config": None}, "config: expected a table, found null"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(
    registry: Registry, project: Project, change: dict[str, object], what: str
) -> None:
    registry.push("plc", image({"a": b"b"}, change=change), "1")
    registry.manifests["plc", "1"] = (AMD.media_type, registry.manifests["plc", "1"][1])
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert isinstance(error, IntegrityError)
    assert what in str(error)


def layer(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": sha256(b"layer"),
        "size": 5,
    }
    return {"layers": [row | changes]}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            layer(mediaType="application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
            "only from addresses of others",
        ),
        (
            layer(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            "only from addresses of others",
        ),
        (layer(mediaType="application/x-executable"), "not a layer of an image"),
        (layer(mediaType="no type"), "expected a media type"),
        (layer(digest="sha512:" + "a" * 128), "expected a digest by sha256, found one by 'sha512'"),
        (layer(digest="sha256:../../etc/passwd"), "not a digest"),
        (layer(size=-1), "expected a number from 0"),
        (layer(size=1 << 50), "expected a number from 0"),
        (layer(size=1.5), "expected a whole number"),
        ({"layers": [layer()["layers"][0]] * 5000}, "expected at most 4096, found 5000"),  # type: ignore[index]
    ],
)
def test_a_layer_that_nobody_should_fetch_is_refused(
    registry: Registry, project: Project, change: dict[str, object], what: str
) -> None:
    registry.push("plc", image({"a": b"b"}, change=change), "1")
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert isinstance(error, IntegrityError)
    assert what in str(error)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"schemaVersion":2,"schemaVersion":2}', "a key stands twice"),
        (b"[]", "expected a table, found an array"),
    ],
)
def test_what_is_no_document_is_refused(registry: Registry, project: Project, data: bytes, what: str) -> None:
    registry.manifests["plc", "1"] = (AMD.media_type, data)
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert isinstance(error, IntegrityError)
    assert what in str(error)


def test_a_manifest_without_end_is_not_read_to_its_end(registry: Registry, project: Project) -> None:
    registry.manifests["plc", "1"] = (AMD.media_type, b" " * (5 << 20))
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert "the answer is too large" in str(error)


def test_an_index_inside_an_index_is_refused(registry: Registry, project: Project) -> None:
    inner = index(AMD)
    outer = index(extra=[inner.descriptor(platform={"os": "linux", "architecture": "amd64"})])
    registry.push("plc", Thing(outer.data, outer.media_type, {**outer.blobs, **inner.blobs}), "1")
    assert "has no image for linux/amd64" in str(refusal(project, an_image(f"{registry.host}/plc:1")))


def test_a_layer_that_the_configuration_does_not_know_is_refused(
    registry: Registry, project: Project
) -> None:
    one = image({"a": b"b"}, {"c": b"d"})
    rows = json.loads(one.data)["layers"]
    registry.push("plc", image({"a": b"b"}, {"c": b"d"}, change={"layers": [*rows, rows[0]]}), "1")
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert isinstance(error, IntegrityError)
    assert "no engine unpacks it: expected 2 layers, found 3 in the manifest" in str(error)


def test_a_configuration_without_end_is_not_fetched(registry: Registry, project: Project) -> None:
    change = {
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": AMD.config,
            "size": 1 << 30,
        }
    }
    registry.push("plc", image({"a": b"b"}, change=change), "1")
    assert "too large: expected at most" in str(refusal(project, an_image(f"{registry.host}/plc:1")))
    assert not registry.asked("/blobs/")


def test_what_the_store_has_already_is_not_read_to_its_end_as_a_document(
    registry: Registry, project: Project
) -> None:
    with project.near() as near:
        layer = near.store.put([bytes(MAX_DOCUMENT + 1000)])[0]
    row = {"mediaType": OCI_MANIFEST, "digest": layer, "size": 10}
    row["platform"] = {"os": "linux", "architecture": "amd64"}
    registry.push("plc", index(extra=[row]), "1")
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert f"too large: expected at most {MAX_DOCUMENT} bytes, found {MAX_DOCUMENT + 1} bytes" in str(error)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_size_that_is_not_that_of_the_configuration_is_refused(
    registry: Registry, project: Project, wrong: int
) -> None:
    registry.push("right", image({"a": b"b"}), "1")
    project.lock(an_image(f"{registry.host}/right:1"))
    one = image({"a": b"b"})
    row = json.loads(one.data)["config"]
    registry.push("plc", image({"a": b"b"}, change={"config": row | {"size": row["size"] + wrong}}), "1")
    error = refusal(project, an_image(f"{registry.host}/plc:1"))
    assert isinstance(error, IntegrityError)
    assert f"another size: expected {row['size'] + wrong}, found {row['size']}" in str(error)
