"""Bills of materials and provenance: by their own libraries and for their own validators, the same bytes every time."""

import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import Parse
from in_toto.exceptions import SignatureVerificationError
from in_toto.models.metadata import Envelope
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as InTotoStatement
from securesystemslib.signer import CryptoSigner
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from airlock.airgapped.apply import apply
from airlock.airgapped.verify import verify
from airlock.connected.build import Workshop, build
from airlock.connected.delta import delta, read_trust, side_of
from airlock.connected.documents import pin_documents
from airlock.connected.sign import Statement, sign
from airlock.core.artifact import Project
from airlock.core.digest import digest_of
from airlock.core.reporter import Silent
from airlock.errors import IntegrityError, TargetError
from airlock.formats.index import parse_index
from airlock.formats.lockfile import Cutoff, LockedArtifact, Lockfile
from airlock.formats.provenance import PAYLOAD_TYPE, check_provenance
from airlock.formats.trust import PROVENANCE
from airlock.storage.archive import Archive
from airlock.storage.documents import read_document
from airlock.storage.frames import DEFAULT_LEVEL, this_encoder
from airlock.storage.restore import BundleFrames
from airlock.storage.store import Store
from tests.far.bundles import NOW, TARGET, Item, Trust, archive_of, file_item, members_in, signer, wheel_item
from tests.wheel_factory import make_wheel

NAMES = ["sbom.cdx.json", "sbom.spdx.json"]


def items(release: str) -> list[Item]:
    def wheel(name: str, version: str, headers: list[str], requires: list[str] | None = None) -> Item:
        data = make_wheel(name, version, headers=headers, requires=requires or [], stored=True).data
        return wheel_item(name, version, data)

    return [
        wheel(
            "gateway", release, ["License-Expression: Apache-2.0 OR MIT", "Summary: A <gateway>"], ["driver"]
        ),
        wheel(
            "driver",
            "1.0",
            ["Classifier: License :: OSI Approved :: BSD License"],
            ["wire; python_version > '3'"],
        ),
        wheel("wire", "2.0", ["License-Expression: LicenseRef-Acme-Corp"]),
        file_item("share/points.csv", b"1,2\n"),
    ]


def locked(store: Store, release: str = "1.0", cutoff: str = "") -> Lockfile:
    rows = items(release)
    for one in rows:
        store.put([one.data])
    return Lockfile(
        project=Project(name="gateway", version=release),
        encoder=this_encoder(DEFAULT_LEVEL, "portable/1"),
        inputs={},
        targets=(TARGET,),
        health=None,
        artifacts=tuple(LockedArtifact(artifact=one.artifact, targets=("plant",)) for one in rows),
        cutoff=Cutoff(instant=cutoff) if cutoff else None,
        documents=pin_documents(("cyclonedx", "spdx"), "airlock.toml"),
    )


def workshop(folder: Path, store: Store, name: str = "frames") -> Workshop:
    return Workshop(store=store, cache=folder / name, reporter=Silent(), jobs=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    store = Store(folder / "store")
    build(locked(store), "plant", workshop(folder, store), folder / "one.airlock")
    build(locked(store, "2.0"), "plant", workshop(folder, store), folder / "two.airlock")
    return folder


@pytest.fixture(scope="module")
def documents(folder: Path) -> Mapping[str, bytes]:
    with (folder / "one.airlock").open("rb") as stream:
        archive = Archive(stream, "one")
        index = parse_index(archive.read("index.json", 1 << 20), "index.json")
        return {one.name: read_document(archive, one) for one in index.documents}


def test_the_index_names_each_document_with_its_digest(folder: Path, documents: Mapping[str, bytes]) -> None:
    rows = json.loads(members_in((folder / "one.airlock").read_bytes())["index.json"])["documents"]
    assert [row["name"] for row in rows] == NAMES
    assert [f"sha256:{row['sha256']}" for row in rows] == [digest_of(documents[name]) for name in NAMES]


def test_plain_tools_read_a_document(folder: Path, documents: Mapping[str, bytes]) -> None:
    command = "tar -xOf one.airlock documents/sbom.cdx.json.zst | zstd -dcq"
    shown = subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=True).stdout
    assert shown == documents["sbom.cdx.json"]


def test_cyclonedx_takes_it(documents: Mapping[str, bytes]) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(documents["sbom.cdx.json"].decode()) is None


def test_spdx_takes_it(documents: Mapping[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "sbom.spdx.json"
    path.write_bytes(documents["sbom.spdx.json"])
    assert validate_full_spdx_document(parse_file(str(path))) == []


def test_cyclonedx_names_what_crosses_and_who_needs_what(documents: Mapping[str, bytes]) -> None:
    bom = json.loads(documents["sbom.cdx.json"])
    rows = {row["name"]: row for row in bom["components"]}
    digests = {item.artifact.name: item.artifact.digest for item in items("1.0")}
    assert {name: f"sha256:{row['hashes'][0]['content']}" for name, row in rows.items()} == digests
    assert rows["gateway"]["purl"] == "pkg:pypi/gateway@1.0"
    assert rows["gateway"]["licenses"] == [{"expression": "Apache-2.0 OR MIT"}]
    assert rows["driver"]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert rows["gateway"]["description"] == "A <gateway>"
    assert rows["share/points.csv"]["type"] == "file"
    needs = {row["ref"]: row.get("dependsOn", []) for row in bom["dependencies"]}
    assert needs["bundle"] == ["file:share/points.csv", "wheel:gateway"]
    assert (needs["wheel:gateway"], needs["wheel:driver"]) == (["wheel:driver"], ["wheel:wire"])
    assert "timestamp" not in bom["metadata"]


def test_spdx_declares_a_licence_only_where_its_author_wrote_an_expression(
    documents: Mapping[str, bytes],
) -> None:
    rows = {
        row["name"]: row
        for row in json.loads(documents["sbom.spdx.json"])["packages"]
        if row["SPDXID"] != "SPDXRef-bundle"
    }
    assert rows["gateway"]["licenseDeclared"] == "Apache-2.0 OR MIT"
    assert rows["driver"]["licenseDeclared"] == "NOASSERTION"
    assert rows["driver"]["licenseComments"] == "In the words of its author: BSD License"


def test_the_time_in_spdx_is_the_cutoff_of_the_lock_and_no_clock(
    tmp_path: Path, documents: Mapping[str, bytes]
) -> None:
    assert json.loads(documents["sbom.spdx.json"])["creationInfo"]["created"] == "1970-01-01T00:00:00Z"
    store = Store(tmp_path / "store")
    build(
        locked(store, cutoff="2026-08-01T00:00:00Z"),
        "plant",
        workshop(tmp_path, store),
        tmp_path / "a.airlock",
    )
    with (tmp_path / "a.airlock").open("rb") as stream:
        archive = Archive(stream, "a")
        index = parse_index(archive.read("index.json", 1 << 20), "index.json")
        document = json.loads(read_document(archive, index.documents[1]))
    assert document["creationInfo"]["created"] == "2026-08-01T00:00:00Z"


def test_built_again_it_is_the_same_to_the_bit(folder: Path) -> None:
    store = Store(folder / "store")
    build(locked(store), "plant", workshop(folder, store, "others"), folder / "again.airlock")
    assert (folder / "again.airlock").read_bytes() == (folder / "one.airlock").read_bytes()


def test_another_release_of_a_library_than_the_lock_pins_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    lockfile = locked(store)
    assert lockfile.documents is not None
    assert lockfile.documents.tools["spdx-tools"] == version("spdx-tools")
    tools = dict(lockfile.documents.tools) | {"spdx-tools": "0.0.1"}
    other = replace(lockfile, documents=replace(lockfile.documents, tools=tools))
    with pytest.raises(TargetError, match=r"the spdx-tools at hand may write other bytes: expected 0\.0\.1"):
        build(other, "plant", workshop(tmp_path, store), tmp_path / "a.airlock")
    assert not (tmp_path / "a.airlock").exists()


def test_without_documents_nothing_is_added(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    build(replace(locked(store), documents=None), "plant", workshop(tmp_path, store), tmp_path / "a.airlock")
    assert not [
        name for name in members_in((tmp_path / "a.airlock").read_bytes()) if name.startswith("documents/")
    ]


def signed(data: bytes, *keys: CryptoSigner, counter: int = 1) -> bytes:
    for key in keys:
        out = io.BytesIO()
        sign(
            Archive(io.BytesIO(data), "bundle"),
            key,
            Statement(counter=counter, fixed=False, expires=NOW + 1000),
            out,
        )
        data = out.getvalue()
    return data


def check(data: bytes, trust: Trust) -> Any:
    return verify(Archive(io.BytesIO(data), "bundle"), trust.root, NOW)


def test_verify_checks_documents(folder: Path) -> None:
    trust = Trust.new()
    data = signed((folder / "one.airlock").read_bytes(), trust.key)
    assert any(line.startswith("document sbom.cdx.json: ") for line in check(data, trust).checked)
    members = members_in(data)
    other = members_in((folder / "two.airlock").read_bytes())
    name = "documents/sbom.spdx.json.zst"
    with pytest.raises(IntegrityError, match=r"sbom\.spdx\.json\.zst"):
        check(archive_of(members | {name: other[name]}), trust)
    with pytest.raises(IntegrityError, match="missing, though the index names it"):
        check(archive_of({key: value for key, value in members.items() if key != name}), trust)
    extra = {"documents/vex.json.zst": members[name]}
    with pytest.raises(IntegrityError, match="the index does not name it"):
        check(archive_of(members | extra), trust)


def test_a_delta_brings_the_documents_of_the_new_version(folder: Path, tmp_path: Path) -> None:
    trust, store = Trust.new(), Store(folder / "store")
    old, new = (folder / "one.airlock").read_bytes(), signed((folder / "two.airlock").read_bytes(), trust.key)
    tools = workshop(folder, store)
    before, after = (side_of(locked(store, release), "plant", tools) for release in ("1.0", "2.0"))
    signatures = read_trust(Archive(io.BytesIO(new), "new"), after.digest)
    delta(before, after, tools, tmp_path / "up.airdelta", signatures)
    update = (tmp_path / "up.airdelta").read_bytes()
    out = io.BytesIO()
    apply(BundleFrames(Archive(io.BytesIO(old), "old")), Archive(io.BytesIO(update), "up"), out, tmp_path)
    assert out.getvalue() == new
    members = members_in(update)
    name = "documents/sbom.spdx.json.zst"
    spoilt = archive_of(members | {name: members_in(old)[name]})
    with pytest.raises(IntegrityError, match=r"sbom\.spdx\.json\.zst"):
        apply(
            BundleFrames(Archive(io.BytesIO(old), "old")),
            Archive(io.BytesIO(spoilt), "up"),
            io.BytesIO(),
            tmp_path,
        )


def envelope_of(data: bytes) -> Envelope:
    return Envelope.from_dict(json.loads(members_in(data)[PROVENANCE]))


def test_an_in_toto_library_verifies_the_provenance(folder: Path) -> None:
    trust = Trust.new()
    envelope = envelope_of(signed((folder / "one.airlock").read_bytes(), trust.key))
    key = trust.key.public_key
    envelope.verify_signature(key.to_dict() | {"keyid": key.keyid})
    stranger = signer().public_key
    with pytest.raises(SignatureVerificationError):
        envelope.verify_signature(stranger.to_dict() | {"keyid": stranger.keyid})


def test_the_statement_is_one_of_in_toto_and_names_what_was_built_of_what(folder: Path) -> None:
    data = signed((folder / "one.airlock").read_bytes(), Trust.new().key)
    envelope = envelope_of(data)
    assert envelope.payload_type == PAYLOAD_TYPE
    InTotoStatement.copy_from_pb(Parse(envelope.payload, statement_pb2.Statement())).validate()
    document = json.loads(envelope.payload)
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    assert f"sha256:{document['subject'][0]['digest']['sha256']}" == digest_of(members_in(data)["index.json"])
    materials = document["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {f"sha256:{one['digest']['sha256']}" for one in materials} == {
        one.artifact.digest for one in items("1.0")
    }


def test_everybody_who_signs_the_bundle_signs_its_provenance(folder: Path) -> None:
    keys = [signer(), signer()]
    data = signed((folder / "one.airlock").read_bytes(), *keys)
    assert set(envelope_of(data).signatures) == {key.public_key.keyid for key in keys}
    index = parse_index(members_in(data)["index.json"], "index.json")
    publics = [key.public_key for key in keys]
    assert check_provenance(members_in(data)[PROVENANCE], index, publics, "x") == 2
    assert signed(data, keys[0]) == data, "and again changes nothing"


def test_the_provenance_of_another_bundle_is_refused(folder: Path) -> None:
    trust = Trust.new()
    one, two = (signed((folder / f"{name}.airlock").read_bytes(), trust.key) for name in ("one", "two"))
    assert any(
        line.startswith("provenance (SLSA): of this bundle, signed by 1 of 1")
        for line in check(one, trust).checked
    )
    swapped = archive_of(members_in(one) | {PROVENANCE: members_in(two)[PROVENANCE]})
    with pytest.raises(IntegrityError, match="not the provenance of this bundle"):
        check(swapped, trust)
    with pytest.raises(IntegrityError, match="not a DSSE envelope"):
        check(archive_of(members_in(one) | {PROVENANCE: b"{}\n"}), trust)
