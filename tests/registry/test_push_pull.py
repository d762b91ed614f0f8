"""Bundles and deltas go into a registry and come back to the bit; only what is lacking travels."""

import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock.connected.push import push
from airlock.core.digest import digest_of
from airlock.core.reporter import Silent
from airlock.errors import FetchError
from airlock.net import Network, PipConfiguration
from airlock.net.credentials import Credentials
from airlock.oci.carried import BUNDLE, MEMBER, TITLE
from airlock.oci.documents import OCI_MANIFEST
from airlock.oci.reference import locate
from airlock.oci.upload import Blob
from airlock.oci.upload import Uploads as Client
from airlock.storage.archive import Archive
from tests.commands import Shell
from tests.far.bundles import archive_of, bundle, file_item
from tests.images.factory import Thing, sha256
from tests.images.registry_server import Registry, serving
from tests.registry.real import docker_registry
from tests.registry.uploads import Uploads, taking

LARGE = os.urandom(900_000)
OLD = bundle([file_item("share/large", LARGE), file_item("share/version", b"1")])
NEW = bundle([file_item("share/large", LARGE), file_item("share/version", b"2")], version="2.0")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "old.airlock").write_bytes(OLD)
    (tmp_path / "new.airlock").write_bytes(NEW)
    return Shell(directory=tmp_path, environment={"AIRLOCK_CACHE": str(tmp_path / "cache")})


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def scripted() -> Iterator[Registry]:
    with serving() as running:
        yield running


def pushed(shell: Shell, file: str, place: str) -> dict[str, object]:
    return dict(json.loads(shell.airlock("push", file, place, "--json").stdout))


def test_a_bundle_comes_back_to_the_bit_under_its_own_name(shell: Shell, host: str) -> None:
    pushed(shell, "old.airlock", f"oci://{host}/plant/gateway:1.0")
    (there := shell.directory / "there").mkdir()
    Shell(directory=there, environment=shell.environment).airlock("pull", f"oci://{host}/plant/gateway:1.0")
    assert (there / "old.airlock").read_bytes() == OLD


def test_of_the_next_version_only_what_is_new_is_sent(shell: Shell, host: str) -> None:
    first = pushed(shell, "old.airlock", f"oci://{host}/only/new:1.0")
    second = pushed(shell, "new.airlock", f"oci://{host}/only/new:2.0")
    again = pushed(shell, "new.airlock", f"oci://{host}/only/new:2.0")
    assert int(str(first["sent"])) > len(LARGE)
    assert int(str(second["sent"])) < 10_000
    assert (again["sent"], again["digest"]) == (0, second["digest"])


def test_a_digest_pins_what_a_tag_leads_to(shell: Shell, host: str) -> None:
    digest = pushed(shell, "old.airlock", f"oci://{host}/by/digest:latest")["digest"]
    pushed(shell, "new.airlock", f"oci://{host}/by/digest:latest")
    shell.airlock("pull", f"oci://{host}/by/digest@{digest}", "-o", "pulled")
    assert (shell.directory / "pulled").read_bytes() == OLD


def test_a_delta_travels_as_a_bundle_does(shell: Shell, host: str) -> None:
    delta = archive_of({"delta.json": b"{}\n", "index.json": b"{}\n"})
    (shell.directory / "d.airdelta").write_bytes(delta)
    pushed(shell, "d.airdelta", f"oci://{host}/a/delta:1")
    shell.airlock("pull", f"oci://{host}/a/delta:1", "-o", "again")
    assert (shell.directory / "again").read_bytes() == delta


def test_skopeo_reads_what_was_pushed(shell: Shell, host: str, tmp_path: Path) -> None:
    digest = pushed(shell, "old.airlock", f"oci://{host}/for/skopeo:1")["digest"]
    command = ("skopeo", "copy", "--src-tls-verify=false", "--preserve-digests")
    subprocess.run((*command, f"docker://{host}/for/skopeo:1", f"oci:{tmp_path}/layout:1"), check=True)
    index = json.loads((tmp_path / "layout/index.json").read_bytes())
    assert [one["digest"] for one in index["manifests"]] == [digest]


def test_what_is_pulled_is_no_more_trusted_than_a_disc(shell: Shell, host: str) -> None:
    pushed(shell, "old.airlock", f"oci://{host}/not/trusted:1")
    shell.airlock("pull", f"oci://{host}/not/trusted:1", "-o", "pulled.airlock")
    shell.airlock("key", "new", "--no-passphrase", "root")
    shell.airlock("trust", "init", "--root", "root.key", "--release", "root.pub", "-o", "trust.json")
    refused = shell.airlock("verify", "pulled.airlock", "--trust", "trust.json", code=5)
    assert "sign" in refused.stderr


def test_both_acts_are_in_the_journal(shell: Shell, host: str) -> None:
    digest = pushed(shell, "old.airlock", f"oci://{host}/in/journal:1")["digest"]
    shell.airlock("pull", f"oci://{host}/in/journal:1", "-o", "pulled.airlock")
    told = json.loads(shell.airlock("history", "--journal", "airlock.journal", "--json").stdout)
    assert [(line["act"], str(digest) in line["detail"]) for line in told["acts"]] == [
        ("push", True),
        ("pull", True),
    ]


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("registry.example/a:1", "not a place in a registry"),
        ("oci://registry.example/a", "neither a tag nor a digest"),
        ("oci://registry.example/A:1", "not the name of a repository"),
        ("oci://registry.example/a@sha256:" + "0" * 64, "give a tag alone"),
    ],
)
def test_a_place_that_cannot_be_meant_is_told_so(shell: Shell, place: str, what: str) -> None:
    assert what in shell.airlock("push", "old.airlock", place, code=2).stderr


def carried(data: bytes, **changes: object) -> Thing:
    """As `push` puts it there; `changes` are to the manifest."""
    archive = Archive(io.BytesIO(data), "bundle")
    members = {name: archive.read(name, 1 << 30) for name in archive.members}
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": sha256(b"{}"),
            "size": 2,
        },
        "layers": [
            {
                "mediaType": MEMBER,
                "digest": sha256(member),
                "size": len(member),
                "annotations": {TITLE: name},
            }
            for name, member in members.items()
        ],
        "annotations": {TITLE: "old.airlock"},
    }
    written = json.dumps(document | changes).encode()
    blobs = {sha256(member): member for member in members.values()}
    return Thing(data=written, media_type=OCI_MANIFEST, blobs={**blobs, sha256(written): written})


def test_a_pull_that_broke_off_goes_on_where_it_was(shell: Shell, scripted: Registry) -> None:
    scripted.push("plant/gateway", carried(OLD), "1")
    scripted.cut, scripted.cuts = 100_000, 1000
    place = f"oci://{scripted.host}/plant/gateway:1"
    shell.airlock("pull", place, "-o", "pulled.airlock", code=4)
    assert not (shell.directory / "pulled.airlock").exists()
    scripted.cut = 0
    told = json.loads(shell.airlock("pull", place, "-o", "pulled.airlock", "--json").stdout)
    assert told["kept"] >= 300_000
    assert told["kept"] + told["received"] == sum(map(len, carried(OLD).blobs.values())) - len(
        carried(OLD).data
    )
    assert (shell.directory / "pulled.airlock").read_bytes() == OLD


def test_a_registry_without_ranges_is_asked_for_all_of_it_again(shell: Shell, scripted: Registry) -> None:
    scripted.push("plant/gateway", carried(OLD), "1")
    scripted.ranges = False
    scripted.cut, scripted.cuts = 300_000, 1
    place = f"oci://{scripted.host}/plant/gateway:1"
    shell.airlock("pull", place, "-o", "pulled.airlock")
    assert (shell.directory / "pulled.airlock").read_bytes() == OLD


def test_what_lies_there_of_something_else_is_not_told_as_kept(shell: Shell, scripted: Registry) -> None:
    scripted.push("plant/gateway", carried(OLD), "1")
    (shell.directory / ".pulled.airlock.airpull").write_bytes(os.urandom(len(OLD)))
    place = f"oci://{scripted.host}/plant/gateway:1"
    told = json.loads(shell.airlock("pull", place, "-o", "pulled.airlock", "--json").stdout)
    assert told["kept"] == 0
    assert (shell.directory / "pulled.airlock").read_bytes() == OLD


def test_other_bytes_than_the_manifest_names_are_refused(shell: Shell, scripted: Registry) -> None:
    thing = carried(OLD)
    scripted.push("plant/gateway", thing, "1")
    victim = max(thing.blobs, key=lambda digest: len(thing.blobs[digest]))
    scripted.blobs["plant/gateway", victim] = os.urandom(len(thing.blobs[victim]))
    refused = shell.airlock("pull", f"oci://{scripted.host}/plant/gateway:1", "-o", "pulled.airlock", code=5)
    assert "other bytes" in refused.stderr
    assert not (shell.directory / "pulled.airlock").exists()


def test_a_blob_that_does_not_end_is_refused(shell: Shell, scripted: Registry) -> None:
    thing = carried(OLD)
    scripted.push("plant/gateway", thing, "1")
    victim = max(thing.blobs, key=lambda digest: len(thing.blobs[digest]))
    scripted.blobs["plant/gateway", victim] = thing.blobs[victim] + b"x" * 1_000_000
    refused = shell.airlock("pull", f"oci://{scripted.host}/plant/gateway:1", "-o", "p", code=5)
    assert "longer than was said" in refused.stderr


def layer(name: str, size: int = 2) -> dict[str, object]:
    return {"mediaType": MEMBER, "digest": sha256(b"{}"), "size": size, "annotations": {TITLE: name}}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"artifactType": "application/vnd.example.thing"}, "neither a bundle nor a delta"),
        ({"layers": [layer("../escaped")]}, "no archive has such a member"),
        ({"layers": [layer("/etc/escaped")]}, "no archive has such a member"),
        ({"layers": [layer("")]}, "no archive has such a member"),
        ({"layers": [layer("index.json"), layer("index.json")]}, "a member stands twice"),
        ({"layers": [layer("index.json", 1 << 60)]}, "layers[0].size"),
    ],
    ids=["kind", "above", "absolute", "nameless", "twice", "huge"],
)
def test_a_manifest_that_push_would_not_write_is_refused(
    shell: Shell, scripted: Registry, changes: dict[str, object], what: str
) -> None:
    scripted.push("plant/gateway", carried(OLD, **changes), "1")
    refused = shell.airlock("pull", f"oci://{scripted.host}/plant/gateway:1", "-o", "p", code=5)
    assert what in refused.stderr
    assert not list(shell.directory.glob("**/*escaped*"))


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", ".hidden", "a/b", "", "a\nb"])
def test_the_name_that_a_registry_gives_is_nobodys_path(shell: Shell, scripted: Registry, name: str) -> None:
    scripted.push("plant/gateway", carried(OLD, annotations={TITLE: name}), "1")
    shell.airlock("pull", f"oci://{scripted.host}/plant/gateway:1", code=5)
    assert sorted(path.name for path in shell.directory.iterdir() if path.is_file()) == [
        "new.airlock",
        "old.airlock",
    ]


def test_more_than_the_disk_has_is_refused_before_anything_is_written(
    shell: Shell, scripted: Registry
) -> None:
    scripted.push("plant/gateway", carried(OLD, layers=[layer("index.json", 1 << 39)]), "1")
    refused = shell.airlock("pull", f"oci://{scripted.host}/plant/gateway:1", "-o", "p", code=6)
    assert "not enough room" in refused.stderr
    assert not list(shell.directory.glob(".p*"))


def client(uploads: Uploads, tmp_path: Path, piece: int = 1 << 20) -> Client:
    pip = PipConfiguration({}, Silent())
    network = Network(tmp_path / "http", pip, Credentials(pip, {}), attempts=2, backoff=0.001)
    return Client(web=network, location=locate(uploads.host, "u", None), name="registry/u", piece=piece)


def send(uploads: Uploads, tmp_path: Path, piece: int = 1 << 20) -> None:
    with_client = client(uploads, tmp_path, piece)
    push(Archive(io.BytesIO(OLD), "old"), "old.airlock", "1", with_client, Silent())


@pytest.fixture
def uploads() -> Iterator[Uploads]:
    with taking() as running:
        yield running


def test_a_large_blob_goes_in_pieces(uploads: Uploads, tmp_path: Path) -> None:
    send(uploads, tmp_path, piece=100_000)
    pieces = [size for method, _, size in uploads.log if method == "PATCH"]
    assert len(pieces) >= 8 and set(pieces) == {100_000}
    layers = json.loads(uploads.manifests["1"])["layers"]
    assert {one["digest"] for one in layers} <= set(uploads.blobs)


def test_a_piece_that_broke_off_goes_on_where_the_registry_says(uploads: Uploads, tmp_path: Path) -> None:
    uploads.cut = 60_000
    send(uploads, tmp_path, piece=100_000)
    layers = json.loads(uploads.manifests["1"])["layers"]
    assert {one["digest"] for one in layers} <= set(uploads.blobs)
    received = sum(size for method, _, size in uploads.log if method in ("PATCH", "PUT"))
    assert received < len(OLD) + 150_000


@pytest.mark.parametrize("fault", ["deaf", "beyond"])
def test_a_registry_that_tells_nonsense_of_an_upload_is_refused(
    uploads: Uploads, tmp_path: Path, fault: str
) -> None:
    setattr(uploads, fault, True)
    with pytest.raises(FetchError, match="says that it has what cannot be"):
        send(uploads, tmp_path, piece=100_000)
    assert len(uploads.log) < 40
    assert not uploads.manifests


def test_progress_of_an_upload_never_goes_backwards(uploads: Uploads, tmp_path: Path) -> None:
    uploads.cut = 60_000
    told: list[int] = []
    data = os.urandom(450_000)
    blob = Blob(digest=digest_of(data), size=len(data), read=lambda at, size: iter((data[at : at + size],)))
    client(uploads, tmp_path, piece=100_000).put(blob, told.append)
    assert min(told) >= 0 and sum(told) == len(data)


def test_a_registry_that_wants_a_token_gets_one_that_may_write(uploads: Uploads, tmp_path: Path) -> None:
    uploads.token = "secret-token"
    send(uploads, tmp_path)
    assert uploads.manifests
    assert any(scope.endswith("pull,push") for scope in uploads.scopes)


@pytest.mark.parametrize(("status", "hint"), [(403, "log in"), (405, "read only"), (400, "")])
def test_a_refusal_is_told_with_the_way_on(uploads: Uploads, tmp_path: Path, status: int, hint: str) -> None:
    uploads.status = status
    with pytest.raises(FetchError, match=f"HTTP status {status}") as caught:
        send(uploads, tmp_path)
    assert hint in (caught.value.hint or "")
    assert not uploads.manifests


def test_a_manifest_is_put_last(uploads: Uploads, tmp_path: Path) -> None:
    send(uploads, tmp_path)
    assert [path for _, path, _ in uploads.log if "/manifests/" in path] == [uploads.log[-1][1]]
