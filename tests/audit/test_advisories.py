"""Advisories from a database that somebody carried here."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from airlock import cli
from airlock.airgapped.audit.advisories import advisory_findings
from airlock.errors import IntegrityError
from airlock.formats.findings import parse_report
from airlock.formats.osv import Affected, parse_advisories
from airlock.formats.rules import CLASSES
from airlock.kinds.registry import kind_named
from tests.audit.plant import TRUST, Plant


def record(name: str = "client", number: str = "GHSA-1", **more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "1.5"}]
    affected = {
        "package": {"ecosystem": "PyPI", "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {
        "id": number,
        "modified": "2026-08-01T00:00:00Z",
        "aliases": ["CVE-2026-1"],
        "summary": "everything is readable",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
        "affected": [affected],
        **more,
    }


def zipped(*records: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for one in records:
            archive.writestr(f"{one['id']}.json", json.dumps(one))
    return out.getvalue()


def findings(plant: Plant, data: bytes) -> list[tuple[str, str]]:
    path = plant.folder / "osv.db"
    path.write_bytes(data)
    index = TRUST.verified(plant.bundle()).index
    told, _ = advisory_findings(path, index, kind_named)
    return [(one.rule, one.name) for one in told]


@pytest.fixture
def client(plant: Plant) -> Plant:
    """Has a wheel `client` of version 1.0."""
    plant.wheel("client", {"client.py": ""})
    return plant


def test_a_locked_version_that_is_affected(client: Plant) -> None:
    assert findings(client, json.dumps(record()).encode()) == [("advisory/affected", "GHSA-1")]


def test_a_zip_of_records_and_a_list_of_them(client: Plant) -> None:
    both = [record(), record("other", "GHSA-2"), record("Client", "GHSA-3")]
    assert [name for _, name in findings(client, zipped(*both))] == ["GHSA-1", "GHSA-3"]
    assert [name for _, name in findings(client, json.dumps({"vulns": both}).encode())] == [
        "GHSA-1",
        "GHSA-3",
    ]


def test_what_was_withdrawn_is_a_note(client: Plant) -> None:
    data = json.dumps(record(withdrawn="2026-08-02T00:00:00Z")).encode()
    assert findings(client, data) == [("advisory/withdrawn", "GHSA-1")]


def test_another_ecosystem_is_another_package(client: Plant) -> None:
    other = record()
    other["affected"][0]["package"]["ecosystem"] = "npm"
    assert findings(client, json.dumps(other).encode()) == []


@pytest.mark.parametrize(
    ("events", "versions", "affected"),
    [
        ([{"introduced": "0"}], [], True),
        ([{"introduced": "1.0"}, {"fixed": "1.1"}], [], True),
        ([{"introduced": "0"}, {"fixed": "1.0"}], [], False),
        ([{"introduced": "1.1"}], [], False),
        ([{"introduced": "0"}, {"last_affected": "1.0"}], [], True),
        ([{"introduced": "0"}, {"last_affected": "0.9"}], [], False),
        ([{"introduced": "0"}, {"fixed": "0.5"}, {"introduced": "0.9"}, {"fixed": "2"}], [], True),
        ([{"introduced": "nonsense"}], [], False),
        ([], ["1.0"], True),
        ([], ["1.0.1"], False),
        ([{"fixed": "2"}], [], False),
    ],
)
def test_ranges_are_read_as_the_schema_says(
    events: list[dict[str, str]], versions: list[str], affected: bool
) -> None:
    row = {"versions": versions, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    (advisory,) = parse_advisories(json.dumps({"id": "X", "affected": [row]}).encode(), "osv")
    one: Affected = advisory.affected[0]
    assert one.covers("1.0", Version) is affected


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"PK\x03\x04 cut off", zipped(), b"[" * 100_000, b'{"id": 7}'],
    ids=["empty", "cut", "no record", "bad zip", "empty zip", "nested", "no id"],
)
def test_what_is_no_database_is_refused(client: Plant, data: bytes) -> None:
    with pytest.raises(IntegrityError):
        findings(client, data)


def test_records_that_are_odd_are_read_as_far_as_they_go(client: Plant) -> None:
    odd = {
        "id": "X",
        "affected": [7, {"package": "client", "ranges": {"a": 1}, "versions": [1, None]}],
        "aliases": 3,
    }
    assert findings(client, zipped(odd, record())) == [("advisory/affected", "GHSA-1")]


def test_the_report_says_how_old_the_database_is(
    client: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database, out = tmp_path / "osv.zip", tmp_path / "report.json"
    database.write_bytes(zipped(record(), record(number="GHSA-9", modified="2026-09-01T00:00:00Z")))
    command = ["audit", "--root", str(client.site().root), "--osv", str(database), "-o", str(out)]
    assert cli.main(command) == CLASSES["advisory"]
    told = capsys.readouterr().out
    assert "2 records, the newest of 2026-09-01T00:00:00Z" in told
    assert "fixed in 1.5" in told
    base = parse_report(out.read_bytes(), "report").advisories
    assert base is not None
    assert (base.file, base.records) == ("osv.zip", 2)


def test_what_the_sender_found_is_no_baseline_of_a_site(
    client: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, report = tmp_path / "a.airlock", tmp_path / "sender.json"
    bundle.write_bytes(client.bundle())
    assert cli.main(["audit", str(bundle), "-o", str(report)]) == 0
    assert cli.main(["audit", "--root", str(client.site().root), "--baseline", str(report)]) == 2
    assert "does not count at a site" in capsys.readouterr().err
