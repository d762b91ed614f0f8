"""Two bundles that differ in every way a dossier tells, and the near side's files beside them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from airlock.core.artifact import HealthCheck
from airlock.core.digest import digest_of
from airlock.formats.findings import Finding, Report, found, write_report
from airlock.formats.index import parse_index
from airlock.formats.lockfile import LockedArtifact, Lockfile, write_lockfile
from tests.commands import Shell
from tests.far.bundles import NOW, Trust, bundle, file_item, members_in, signed, wheel_item
from tests.wheel_factory import make_wheel

HEADERS = {
    "steady": ["License-Expression: MIT", "Summary: Stays as it <is> & was"],
    "relicensed": ["License-Expression: Apache-2.0"],
    "classified": ["Classifier: License :: OSI Approved :: BSD License", "License: a whole text"],
    "silent": [],
    "fresh": ["License: ISC"],
    "gone": ["License-Expression: MIT"],
}


def wheel(name: str, version: str, size: int, headers: list[str] | None = None) -> bytes:
    files = {f"{name}/__init__.py": bytes(f"# {name} {version}\n" * (size // 20), "ascii")}
    said = HEADERS[name] if headers is None else headers
    return make_wheel(name, version, files=files, headers=said, stored=True).data


def old_bundle() -> bytes:
    return bundle(
        [
            wheel_item("steady", "1.0", wheel("steady", "1.0", 40_000)),
            wheel_item("relicensed", "1.0", wheel("relicensed", "1.0", 9_000, ["License-Expression: MIT"])),
            wheel_item("classified", "2.0", wheel("classified", "2.0", 5_000)),
            wheel_item("silent", "3.0", wheel("silent", "3.0", 5_000)),
            wheel_item("gone", "1.0", wheel("gone", "1.0", 5_000)),
            file_item("share/points.csv", b"1,2,3\n"),
        ],
        version="1.0",
    )


def new_bundle() -> bytes:
    return bundle(
        [
            wheel_item("steady", "1.0", wheel("steady", "1.0", 40_000)),
            wheel_item("relicensed", "1.1", wheel("relicensed", "1.1", 12_000)),
            wheel_item("classified", "2.1", wheel("classified", "2.1", 5_000)),
            wheel_item("silent", "2.9", wheel("silent", "2.9", 5_000)),
            wheel_item("fresh", "0.1", wheel("fresh", "0.1", 5_000)),
            file_item("share/points.csv", b"1,2,3,4\n"),
        ],
        version="2.0",
        health=HealthCheck(command=("gateway", "--self-test"), timeout=30),
    )


def new_lock(origin: dict[str, str]) -> bytes:
    """The lock of the new bundle, as if all of it came from there."""
    index = parse_index(members_in(new_bundle())["index.json"], "index.json")
    rows = [replace(entry.artifact, origin=origin) for entry in index.entries]
    return write_lockfile(
        Lockfile(
            project=index.project,
            encoder=index.encoder,
            inputs={},
            targets=(index.target,),
            health=index.health,
            artifacts=tuple(LockedArtifact(artifact=row, targets=(index.target.name,)) for row in rows),
        )
    )


def audit_of(data: bytes) -> Report:
    return Report(
        subject="bundle",
        project="gateway",
        version="2.0",
        target="plant",
        index=digest_of(members_in(data)["index.json"]),
        generation=0,
        time=NOW,
        findings=(_finding(),),
    )


def _finding() -> Finding:
    return found(
        "python/import",
        "imports <psycopg>, which nothing locked provides | [here](x)",
        artifact="wheel fresh 0.1",
        path="lib/fresh/__init__.py",
        name="psycopg",
    )


@dataclass(frozen=True)
class Place:
    shell: Shell
    folder: Path
    trust: Trust


def place_in(folder: Path) -> Place:
    trust = Trust.new()
    (folder / "old.airlock").write_bytes(signed(old_bundle(), trust.key, counter=1))
    data = new_bundle()
    (folder / "new.airlock").write_bytes(signed(data, trust.key, counter=2))
    (folder / "trust.json").write_bytes(trust.root)
    (folder / "audit.json").write_bytes(write_report(audit_of(data)))
    environment = {"SOURCE_DATE_EPOCH": str(NOW), "HOME": str(folder), "AIRLOCK_CACHE": str(folder / "cache")}
    return Place(shell=Shell(directory=folder, environment=environment), folder=folder, trust=trust)


FULL = ("report", "new.airlock", "--since", "old.airlock", "--trust", "trust.json", "--audit", "audit.json")


def as_json(place: Place, *options: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(place.shell.airlock(*options, "--format", "json").stdout)
    return document
