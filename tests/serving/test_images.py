"""A site's images, pulled by stock clients: every manifest and blob by the digest that it was locked with."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.airgapped.install import Choices, install
from airlock.kinds.registry import kind_named
from tests.commands import Shell
from tests.far.bundles import Item, bundle, fake_host, later, site_at
from tests.images.conftest import Project, an_image
from tests.images.factory import Thing, image, index, signature
from tests.images.registry_server import serving as image_registry
from tests.near_side import stored
from tests.serving.server import TRUST, Served, serving

ONE = image({"bin/plc": b"one"})
TWO = image({"bin/plc": b"two"})
MANY = index(TWO, image({"x": b"y"}, architecture="arm64"))
SIGNED = signature(TWO)
SIGNATURE_TYPE = "application/vnd.example.signature"


def put(project: Project, root: Path, section: str, number: int) -> None:
    """Lock, bundle and install what the section names."""
    lockfile = project.lock(section)
    store = project.fetch(lockfile, section)
    items = []
    with project.near() as near:
        for artifact in lockfile.artifacts_for("north"):
            data = stored(replace(near, store=store), artifact.digest)
            items.append(Item(replace(artifact, origin={}), data))
    verified = TRUST.verified(bundle(items, version=f"{number}.0"), counter=number)
    install(verified, site_at(root), Choices(kinds=kind_named, host=fake_host), later(number))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("images")
    project = Project(directory=folder)
    with image_registry() as registry:
        registry.referrers = {("plant/plc", TWO.digest): [SIGNED.descriptor(artifactType=SIGNATURE_TYPE)]}
        registry.push("plant/plc", ONE, "1.0")
        registry.push("plant/plc", MANY, "2.0")
        registry.push("plant/plc", SIGNED)
        put(project, folder / "root", an_image(f"{registry.host}/plant/plc:1.0"), 1)
        put(project, folder / "root", an_image(f"{registry.host}/plant/plc:2.0"), 2)
    with serving(folder / "root") as found:
        yield found


def digest_of_answer(served: Served, path: str) -> str:
    reply = served.get(path)
    assert reply.status_code == 200, path
    digest = "sha256:" + hashlib.sha256(reply.content).hexdigest()
    assert reply.headers["Docker-Content-Digest"] == digest
    return digest


@pytest.mark.parametrize("name", ["plc", "plant/plc"])
def test_an_image_is_there_under_its_name_and_under_its_repository(served: Served, name: str) -> None:
    assert served.get(f"/v2/{name}/tags/list").json() == {"name": name, "tags": ["1.0", "2.0"]}
    assert digest_of_answer(served, f"/v2/{name}/manifests/1.0") == ONE.digest
    assert digest_of_answer(served, f"/v2/{name}/manifests/2.0") == MANY.digest


def test_everything_that_a_manifest_names_is_there_by_digest(served: Served) -> None:
    for thing in (ONE, TWO):
        assert digest_of_answer(served, f"/v2/plc/manifests/{thing.digest}") == thing.digest
        for part in (thing.config, *thing.layers):
            assert digest_of_answer(served, f"/v2/plc/blobs/{part}") == part


def test_a_manifest_has_the_media_type_that_it_was_pushed_with(served: Served) -> None:
    for thing, path in ((ONE, "1.0"), (MANY, "2.0"), (TWO, TWO.digest)):
        assert served.get(f"/v2/plc/manifests/{path}").headers["Content-Type"] == thing.media_type


def test_an_image_for_another_platform_is_not_there(served: Served) -> None:
    other = json.loads(MANY.data)["manifests"][1]["digest"]
    assert served.get(f"/v2/plc/manifests/{other}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v2/plc/blobs/sha256:" + "0" * 64,
        "/v2/plc/manifests/3.0",
        "/v2/other/tags/list",
        "/v2/plc/blobs/../../../state/journal.jsonl",
        "/v2/plc/blobs/uploads/",
    ],
)
def test_what_the_site_does_not_hold_is_refused(served: Served, path: str) -> None:
    assert served.get(path).status_code == 404


def test_what_signs_an_image_is_found_as_a_referrer(served: Served) -> None:
    for query in ("", f"?artifactType={SIGNATURE_TYPE}"):
        found = served.get(f"/v2/plc/referrers/{TWO.digest}{query}")
        assert [one["digest"] for one in found.json()["manifests"]] == [SIGNED.digest]
    assert found.headers["OCI-Filters-Applied"] == "artifactType"
    assert served.get(f"/v2/plc/referrers/{TWO.digest}?artifactType=x/y").json()["manifests"] == []
    assert served.get(f"/v2/plc/referrers/{ONE.digest}").json()["manifests"] == []
    assert digest_of_answer(served, f"/v2/plc/manifests/{SIGNED.digest}") == SIGNED.digest


def test_lists_come_in_pages(served: Served) -> None:
    first = served.get("/v2/plc/tags/list?n=1")
    assert first.json()["tags"] == ["1.0"]
    assert first.headers["Link"] == '</v2/plc/tags/list?n=1&last=1.0>; rel="next"'
    last = served.get("/v2/plc/tags/list?n=1&last=1.0")
    assert (last.json()["tags"], "Link" in last.headers) == (["2.0"], False)
    assert served.get("/v2/_catalog").json() == {"repositories": ["plant/plc", "plc"]}
    assert served.get("/v2/plc/tags/list?n=x").status_code == 400


def test_the_version_of_the_interface_is_told(served: Served) -> None:
    reply = served.get("/v2/")
    assert (reply.status_code, reply.headers["Docker-Distribution-API-Version"]) == (200, "registry/2.0")


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize(("tag", "thing"), [("1.0", ONE), ("2.0", TWO)])
def test_skopeo_copies_an_image_with_its_digest(
    served: Served, tmp_path: Path, tag: str, thing: Thing
) -> None:
    host = served.url.removeprefix("http://")
    command = ("skopeo", "copy", "--quiet", "--src-tls-verify=false", "--preserve-digests")
    source, place = f"docker://{host}/plant/plc:{tag}", f"oci:{tmp_path}:plc"
    choose = ("--override-arch", "amd64", "--override-os", "linux")
    subprocess.run(("skopeo", *choose, *command[1:], source, place), check=True)
    rows = json.loads((tmp_path / "index.json").read_bytes())["manifests"]
    assert [row["digest"] for row in rows] == [thing.digest]


def test_push_into_a_site_is_refused_as_read_only(served: Served, tmp_path: Path) -> None:
    (tmp_path / "b.airlock").write_bytes(bundle([]))
    host = served.url.removeprefix("http://")
    shell = Shell(directory=tmp_path, environment={"AIRLOCK_CACHE": str(tmp_path / "cache")})
    refused = shell.airlock("push", "b.airlock", f"oci://{host}/plc:3.0", code=4)
    assert "HTTP status 405" in refused.stderr
