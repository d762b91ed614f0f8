"""With what is installed: images made by umoci and buildah, pushed by skopeo to a registry, carried over, and run by digest."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from airlock.core.digest import digest_of, hex_of
from airlock.formats.lockfile import Lockfile, parse_lockfile
from tests.commands import Shell
from tests.debs.archive import Archive, new_key, serving
from tests.debs.test_journey import BASE, hello
from tests.far.bundles import MACHINE, PYTHON
from tests.images.conftest import named
from tests.images.factory import REF, index, spelled, write_files
from tests.images.programs import MISSING, Engine, Workshop, out_of
from tests.manifests import write
from tests.registry.real import docker_registry
from tests.wheel_factory import make_wheel

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.journey,
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Hub:
    """A registry with `plant/plc` in two versions, `plant/web` on the same base, and `plant/both` for two machines."""

    host: str
    layout: Path

    def digest(self, name: str) -> str:
        return out_of(
            "skopeo",
            "inspect",
            "--tls-verify=false",
            "--format",
            "{{.Digest}}",
            f"docker://{self.host}/{name}",
        )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    shop = Workshop(folder / "layout")
    shop.image("plc-1", {"etc/plc": "version 1\n", "usr/share/rules": "rule\n" * 2000})
    shop.image("plc-2", {"etc/plc": "version 2\n", "usr/share/rules": "rule\n" * 2000 + "one more\n"})
    shop.image("web", {"etc/web": "web\n"})
    shop.image("arm", {"etc/plc": "arm\n"}, architecture="arm64")
    _both(shop.layout)
    with docker_registry(folder) as host:
        for name, tag in (("plc-1", "plc:1"), ("plc-2", "plc:2"), ("web", "web:1"), ("both", "both:1")):
            target = f"docker://{host}/plant/{tag}"
            out_of("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{shop.layout}:{name}", target)
        yield Hub(host, shop.layout)


def _both(layout: Path) -> None:
    """An index of the images for two machines, which umoci does not make."""
    listing = json.loads((layout / "index.json").read_text())
    rows = {row["annotations"][REF]: row for row in listing["manifests"]}
    parts = [
        {key: rows[name][key] for key in ("mediaType", "digest", "size")}
        | {"platform": {"os": "linux", "architecture": machine}}
        for name, machine in (("plc-1", "amd64"), ("arm", "arm64"))
    ]
    both = index(extra=parts)
    listing["manifests"].append(both.descriptor(annotations={REF: "both"}))
    write_files(layout, {f"blobs/sha256/{both.digest[7:]}": both.data, "index.json": spelled(listing)})


@dataclass(frozen=True)
class Plant:
    """A project on the near side, and a site on the far side with an engine of its own."""

    folder: Path
    engine: Engine
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the near side besides."""

    @property
    def near(self) -> Shell:
        cache = {"AIRLOCK_CACHE": str(self.folder / "cache")}
        return Shell(directory=self.folder, environment={**cache, **self.environment})

    @property
    def far(self) -> Shell:
        return Shell(directory=self.folder, environment=self.engine.environment).far()

    @property
    def current(self) -> Path:
        return self.folder / "site/current"

    def bundle(self, version: str, sections: str) -> str:
        """Locked, fetched, built and signed; gives the file's name."""
        head = f"""[project]
name = "plant"
version = "{version}"
[[target]]
name = "here"
python = "{PYTHON}"
platform = "{MACHINE}"
"""
        write(self.folder / "airlock.toml", head + sections)
        self.near.airlock("lock")
        self.near.airlock("fetch")
        self.near.airlock("build", "-o", ".")
        if not (self.folder / "root.json").exists():
            for name in ("root", "release"):
                self.near.airlock("key", "new", name, "--no-passphrase")
            self.near.airlock(
                "trust", "init", "--root", "root.key", "--release", "release.pub", "-o", "root.json"
            )
        name = f"plant-{version}-here.airlock"
        self.near.airlock("sign", name, "--key", "release.key")
        return name

    def lockfile(self) -> Lockfile:
        return parse_lockfile((self.folder / "airlock.lock").read_bytes(), "airlock.lock")

    def install(self, name: str, code: int = 0) -> str:
        return self.far.airlock("install", name, "--trust", "root.json", "--root", "site", code=code).stderr


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path, Engine(tmp_path / "engine"))


def an_image(hub: Hub, tag: str, **keys: str) -> str:
    rows = {"reference": f'"{hub.host}/plant/{tag}"'} | keys
    return "[[image]]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    if missing := [name for name in ("dpkg-deb", "gpg", "gpgv") if shutil.which(name) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    with new_key() as key, serving(Archive(root=tmp_path / "archive", key=key)) as served:
        yield served


def test_one_manifest_with_every_kind_makes_the_journey_in_two_versions(
    hub: Hub, plant: Plant, archive: Archive
) -> None:
    plant = replace(plant, environment={"GNUPGHOME": str(archive.key.home)})
    hello(archive, "1.0")
    write(plant.folder / "archive-key.asc", archive.key.armored)
    write(plant.folder / "base.txt", BASE)
    wheel = make_wheel("gateway", "1.0", files={"gateway.py": b"print('gateway')\n"})
    write(plant.folder / wheel.file, wheel.data)
    write(plant.folder / "banner.txt", "welcome\n")
    others = f"""[python]
requirements = ["gateway @ file:{wheel.file}"]
[[file]]
path = "banner.txt"
destination = "share/banner.txt"
[[config]]
text = "{{{{ project.version }}}}"
destination = "etc/version"
[[index]]
name = "site"
url = "{archive.url}"
explicit = true
[[deb]]
suites = ["stable"]
archive = "site"
keyring = "archive-key.asc"
packages = ["hello"]
base = "base.txt"
mode = "prefix"
"""
    first = plant.bundle("1.0", others + an_image(hub, "plc:1", deliver='"podman"') + an_image(hub, "web:1"))
    locked = named(plant.lockfile(), "here")
    assert {one.kind for one in locked.values()} == {"wheel", "file", "config", "image", "deb"}
    assert locked["plc"].digest == hub.digest("plant/plc:1")
    plant.install(first)
    assert (plant.current / "etc/version").read_text() == "1.0"
    assert plant.near.good(str(plant.current / "bin/python"), "-m", "gateway") == "gateway\n"
    assert plant.far.good(str(plant.current / "debs/usr/bin/hello")) == "hello 1.0\n"
    for name in ("plc", "web"):
        seen = out_of("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{plant.current}/images:{name}")
        assert seen == locked[name].digest == hub.digest(f"plant/{name}:1")
    base = locked["plc/layer-1"].digest
    assert base not in {one.digest for name, one in locked.items() if name.startswith("web/")}, "carried once"

    by_digest = f"{hub.host}/plant/plc@{locked['plc'].digest}"
    if os.getuid() == 0:
        assert plant.engine.has_line(by_digest, "/etc/plc", "version 1")

    one = plant.lockfile()
    (plant.folder / "v1.lock").write_bytes((plant.folder / "airlock.lock").read_bytes())
    second = plant.bundle("2.0", others + an_image(hub, "plc:2", deliver='"podman"') + an_image(hub, "web:1"))
    plant.near.airlock("delta", "v1.lock", "airlock.lock", "-o", "carried")
    (delta,) = (plant.folder / "carried").glob("*.airdelta")
    assert 20 * delta.stat().st_size < (plant.folder / second).stat().st_size
    plant.near.airlock("sign", str(delta), "--key", "release.key")
    plant.far.airlock("update", str(delta), "--root", "site")
    assert plant.lockfile() != one
    now = named(plant.lockfile(), "here")
    assert now["plc/layer-1"].digest == base, "what did not change is what it was"
    if os.getuid() == 0:
        by_digest = f"{hub.host}/plant/plc@{now['plc'].digest}"
        assert plant.engine.has_line(by_digest, "/etc/plc", "version 2")
        assert not plant.engine.has_line(by_digest, "/etc/plc", "version 1")
    plant.far.airlock("rollback", "--root", "site")
    tag = f"containers-storage:{hub.host}/plant/plc:1"
    assert plant.engine.run("skopeo", "inspect", "--format", "{{.Digest}}", tag) == locked["plc"].digest


def test_umoci_unpacks_what_lies_at_the_site(hub: Hub, plant: Plant) -> None:
    plant.install(plant.bundle("1.0", an_image(hub, "plc:2") + an_image(hub, "both:1")))
    for name, says in (("plc", "version 2\n"), ("both", "version 1\n")):
        out_of(
            "umoci", "unpack", "--rootless", "--image", f"{plant.current}/images:{name}", plant.folder / name
        )
        assert (plant.folder / name / "rootfs/etc/plc").read_text() == says


def test_what_stands_under_a_tag_of_cosign_is_at_the_site_too(hub: Hub, plant: Plant) -> None:
    """Any manifest will do for a signature here."""
    tag = f"sha256-{hub.digest('plant/web:1').removeprefix('sha256:')}.sig"
    target = f"docker://{hub.host}/plant/web:{tag}"
    out_of("skopeo", "copy", "--dest-tls-verify=false", f"oci:{hub.layout}:arm", target)
    plant.install(plant.bundle("1.0", an_image(hub, "web:1")))
    seen = out_of("skopeo", "inspect", "--raw", f"oci:{plant.current}/images:{tag}")
    beside = named(plant.lockfile(), "here")["web/beside-1"]
    blob = plant.current / "images/blobs/sha256" / hex_of(beside.digest)
    assert json.loads(seen) == json.loads(blob.read_bytes()) and digest_of(blob.read_bytes()) == beside.digest
    assert beside.placement["of"] == hub.digest("plant/web:1")


def test_an_index_is_known_by_both_digests_to_podman(hub: Hub, plant: Plant) -> None:
    plant.install(plant.bundle("1.0", an_image(hub, "both:1", deliver='"podman"')))
    locked = named(plant.lockfile(), "here")
    assert locked["both/manifest"].digest == hub.digest("plant/plc:1")
    for digest in (locked["both"].digest, locked["both/manifest"].digest):
        image = f"{hub.host}/plant/both@{digest}"
        plant.engine.run("podman", "image", "exists", image)


def test_a_registry_on_the_far_side_gets_the_image_with_its_digest(
    hub: Hub, plant: Plant, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with docker_registry(tmp_path_factory.mktemp("far-registry")) as there:
        name = plant.bundle("1.0", an_image(hub, "both:1", deliver=f'"docker://{there}/plant/plc:now"'))
        engine = Engine(plant.folder / "engine", insecure=there)
        with_network = Shell(directory=plant.folder, environment=engine.environment)
        with_network.airlock("install", name, "--trust", "root.json", "--root", "site")
        manifest = named(plant.lockfile(), "here")["both/manifest"].digest
        assert Hub(there, hub.layout).digest("plant/plc:now") == manifest


def test_a_registry_that_does_not_answer_keeps_the_old_version(hub: Hub, plant: Plant) -> None:
    plant.install(plant.bundle("1.0", an_image(hub, "plc:1", deliver='"podman"')))
    bad = an_image(hub, "plc:2", deliver='"docker://127.0.0.1:1/plc:2"')
    told = plant.install(plant.bundle("2.0", bad), code=6)
    assert "image plc 2 could not be activated, and generation 1 is in use again" in told
    seen = out_of("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{plant.current}/images:plc")
    assert seen == hub.digest("plant/plc:1")


def test_an_exported_archive_is_loaded_by_skopeo_and_podman(hub: Hub, plant: Plant) -> None:
    name = plant.bundle("1.0", an_image(hub, "both:1"))
    plant.near.airlock("export", "airlock.lock", "--image", "both", "-o", "near")
    plant.far.airlock("export", name, "--image", "both", "-o", "far")
    archive = plant.folder / "far/both.oci.tar"
    assert archive.read_bytes() == (plant.folder / "near/both.oci.tar").read_bytes()
    locked = named(plant.lockfile(), "here")
    seen = out_of("skopeo", "inspect", "--format", "{{.Digest}}", f"oci-archive:{archive}")
    assert seen == locked["both"].digest
    plant.engine.run("podman", "load", "-i", str(archive))
    plant.engine.run("podman", "image", "exists", f"{hub.host}/plant/both@{locked['both'].digest}")
    refused = plant.near.airlock("export", name, "--image", "bot", code=2)
    assert "there is no such image: expected one of both" in refused.stderr


def test_what_podman_and_buildah_write_is_taken(hub: Hub, plant: Plant) -> None:
    """From their own files: an OCI archive with its digest, and docker's form without."""
    engine = Engine(plant.folder / "builder")
    engine.run("skopeo", "copy", f"oci:{hub.layout}:plc-1", "containers-storage:localhost/plant/base:1")
    container = engine.run("buildah", "from", "--pull-never", "localhost/plant/base:1")
    engine.run("buildah", "config", "--label", "plant=north", container)
    engine.run(
        "buildah", "commit", "--quiet", container, f"oci-archive:{plant.folder}/buildah.tar:localhost/built:2"
    )
    engine.run("buildah", "commit", "--quiet", container, "localhost/built:2")
    engine.run(
        "podman",
        "save",
        "-q",
        "--format",
        "docker-archive",
        "-o",
        str(plant.folder / "saved.tar"),
        "localhost/built:2",
    )
    sections = '[[image]]\npath = "buildah.tar"\n[[image]]\npath = "saved.tar"\ntag = "localhost/built:2"\n'
    name = plant.bundle("1.0", sections)
    locked = named(plant.lockfile(), "here")
    archive = out_of(
        "skopeo", "inspect", "--format", "{{.Digest}}", f"oci-archive:{plant.folder}/buildah.tar"
    )
    assert locked["buildah"].digest == archive
    plant.install(name)
    for image in ("buildah", "saved"):
        told = json.loads(out_of("skopeo", "inspect", f"oci:{plant.current}/images:{image}"))
        assert (told["Labels"]["plant"], told["Digest"]) == ("north", locked[image].digest)


def test_who_is_logged_in_by_skopeo_is_so_for_airlock(hub: Hub, plant: Plant, tmp_path: Path) -> None:
    file = str(tmp_path / "auth.json")
    with docker_registry(tmp_path / "closed", password="secret") as closed:
        flags = ("--tls-verify=false", "--authfile", file)
        out_of("skopeo", "login", *flags, "-u", "plant", "-p", "secret", closed)
        target = f"docker://{closed}/plant/plc:1"
        out_of(
            "skopeo", "copy", "--dest-tls-verify=false", "--authfile", file, f"oci:{hub.layout}:plc-1", target
        )
        inside = replace(plant, environment={"REGISTRY_AUTH_FILE": file})
        inside.bundle("1.0", an_image(Hub(closed, hub.layout), "plc:1"))
        assert named(inside.lockfile(), "here")["plc"].digest == hub.digest("plant/plc:1")
        outside = replace(plant, folder=tmp_path / "outside")
        outside.folder.mkdir()
        shutil.copy(plant.folder / "airlock.toml", outside.folder)
        told = outside.near.airlock("lock", code=4).stderr
        assert "HTTP status 401" in told and "podman login" in told and "secret" not in told


def test_the_signed_index_tells_what_will_be_run(hub: Hub, plant: Plant) -> None:
    name = plant.bundle("1.0", an_image(hub, "plc:1", deliver='"podman"'))
    told = json.loads(plant.far.airlock("inspect", name, "--json").stdout)
    (activation,) = told["activation"]
    assert activation["command"][:3] == ["skopeo", "copy", "--preserve-digests"]
    assert activation["expected"] == [hub.digest("plant/plc:1")]
    assert "runs       skopeo copy" in plant.far.airlock("inspect", name).stdout
    options = (name, "--trust", "root.json", "--root", "site", "--dry-run")
    assert "$ skopeo copy --preserve-digests oci:images:plc" in plant.far.airlock("install", *options).stdout
    assert json.loads(plant.far.airlock("install", *options, "--json").stdout)["runs"] == [
        activation["command"]
    ]
