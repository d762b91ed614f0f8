"""The dossier tells what whoever signs off asks, and the same facts give the same bytes."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airlock.formats.findings import write_report
from tests.far.bundles import NOW
from tests.report.dossiers import FULL, Place, as_json, audit_of, new_bundle, new_lock, place_in

ROOT = Path(__file__).parents[2]
FORMATS = ("html", "md", "json")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place_in(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def full(place: Place) -> dict[str, Any]:
    return as_json(place, *FULL)


def changes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in document["since"]["changes"]}


@pytest.mark.parametrize("form", FORMATS)
def test_a_second_run_gives_the_same_bytes(place: Place, form: str) -> None:
    elsewhere = {
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "SOURCE_DATE_EPOCH": str(NOW + 9),
    }
    for name, changed in (("one", {}), ("two", elsewhere)):
        shell = replace(place.shell, environment=dict(place.shell.environment) | changed)
        shell.airlock(*FULL, "--format", form, "-o", f"{name}.{form}")
    assert (place.folder / f"one.{form}").read_bytes() == (place.folder / f"two.{form}").read_bytes()


def test_what_changed_is_told_with_the_gravest_first(full: dict[str, Any]) -> None:
    rows = [(row["change"], row["name"]) for row in full["since"]["changes"]]
    assert rows == [
        ("downgraded", "silent"),
        ("added", "fresh"),
        ("removed", "gone"),
        ("changed", "share/points.csv"),
        ("upgraded", "classified"),
        ("upgraded", "relicensed"),
    ]
    assert changes(full)["share/points.csv"]["grown"] == 2
    assert (changes(full)["relicensed"]["before"], changes(full)["relicensed"]["after"]) == ("1.0", "1.1")


def test_a_licence_that_became_another_is_told_and_another_spelling_is_not(full: dict[str, Any]) -> None:
    assert changes(full)["relicensed"]["license_before"] == "MIT"
    assert changes(full)["relicensed"]["license_after"] == "Apache-2.0"
    assert "license_before" not in changes(full)["classified"]


def test_licences_come_from_the_expression_then_the_classifiers_then_the_line(full: dict[str, Any]) -> None:
    said = {row["name"]: row.get("license", "") for row in full["artifacts"]}
    assert said == {
        "steady": "MIT",
        "relicensed": "Apache-2.0",
        "classified": "BSD License",
        "silent": "",
        "fresh": "ISC",
        "share/points.csv": "",
    }
    assert {"license": "not stated", "artifacts": 1} in full["licenses"]


def test_it_says_whether_anybody_verified_it(place: Place, full: dict[str, Any]) -> None:
    assert any("1 of 1 release keys" in line for line in full["verified"])
    alone = as_json(place, "report", "new.airlock")
    assert alone["verified"] == []
    assert "not verified" in place.shell.airlock("report", "new.airlock", "--format", "md").stdout


def test_a_bundle_that_somebody_else_signed_is_no_dossier_with_a_trust_root(
    place: Place, tmp_path: Path
) -> None:
    other = place_in(tmp_path)
    (place.folder / "other.json").write_bytes(other.trust.root)
    outcome = place.shell.airlock("report", "new.airlock", "--trust", "other.json", code=5)
    assert outcome.stdout == ""


def test_the_audit_and_what_runs_there_are_told(place: Place, full: dict[str, Any]) -> None:
    assert full["audit"]["findings"][0]["rule"] == "python/import"
    assert full["health"]["command"] == ["gateway", "--self-test"]
    page = place.shell.airlock(*FULL).stdout
    assert "gateway --self-test" in page
    assert "imports &lt;psycopg&gt;, which nothing locked provides" in page, "and it is escaped"


def test_an_audit_of_another_bundle_is_called_one(place: Place) -> None:
    options = ("report", "old.airlock", "--audit", "audit.json", "--format", "md")
    assert "**Audit**: of another bundle" in place.shell.airlock(*options).stdout


def test_an_audit_of_a_lock_is_of_the_bundle_that_it_would_make(place: Place) -> None:
    of_lock = replace(audit_of(new_bundle()), subject="lock", index=None)
    (place.folder / "lock.json").write_bytes(write_report(of_lock))
    told = place.shell.airlock("report", "new.airlock", "--audit", "lock.json", "--format", "md").stdout
    assert "**Audit**: 1 error" in told
    told = place.shell.airlock("report", "old.airlock", "--audit", "lock.json", "--format", "md").stdout
    assert "**Audit**: of another bundle" in told


def test_the_journal_beside_the_bundle_is_told_as_far_as_it_is_about_it(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.shell.airlock("verify", "new.airlock", "--trust", "trust.json")
    place.shell.airlock("key", "new", "other", "--no-passphrase")
    place.shell.airlock("sign", "old.airlock", "--key", "other.key", "-o", "elsewhere.airlock", "--anew")
    acts = as_json(place, "report", "new.airlock")["acts"]
    assert acts == [], "the line is about another bundle"
    acts = as_json(place, "report", "elsewhere.airlock")["acts"]
    assert isinstance(acts, list)
    assert [(act["act"], act["file"]) for act in acts] == [("sign", "elsewhere.airlock")]


def test_a_site_gives_its_root_its_journal_and_what_is_in_use(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    site = ("--root", "site")
    place.shell.airlock("install", "old.airlock", *site, "--trust", "trust.json")
    document = as_json(place, "report", "new.airlock", *site)
    assert document["since"]["what"] == "gateway 1.0, generation 1"  # type: ignore[index]
    assert document["verified"]
    assert [act["act"] for act in as_json(place, "report", "old.airlock", *site)["acts"]] == [  # type: ignore[attr-defined]
        "receive",
        "install",
    ]


def test_a_lock_says_where_all_of_it_came_from(place: Place) -> None:
    (place.folder / "new.lock").write_bytes(
        new_lock({"index": "corp", "publisher": "GitHub", "repository": "acme/x"})
    )
    rows = as_json(place, "report", "new.airlock", "--lock", "new.lock")["artifacts"]
    assert {row["origin"] for row in rows} == {"corp GitHub acme/x"}  # type: ignore[attr-defined]
    assert "origin" not in json.dumps(as_json(place, "report", "new.airlock")), "which a bundle does not know"


def test_discs_are_named_as_they_are_to_be_printed(place: Place) -> None:
    place.shell.airlock("split", "new.airlock", "--size", "70k", "--parity", "1", "-o", "discs")
    document = as_json(place, "report", "discs")
    labels = [row["label"] for row in document["media"]]  # type: ignore[attr-defined]
    assert labels == [f"new.{number}of{len(labels)}" for number in range(1, len(labels) + 1)]
    assert len({row["set"] for row in document["media"]}) == 1  # type: ignore[attr-defined]


def test_what_is_no_bundle_is_refused(place: Place) -> None:
    (place.folder / "x.airdelta").write_bytes(b"")
    place.shell.airlock("report", "x.airdelta", code=5)
    place.shell.airlock("report", "none.airlock", code=2)


def test_the_json_is_as_its_schema_says(place: Place, full: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "schema" / "report.json").read_text())
    Draft202012Validator.check_schema(schema)
    assert list(Draft202012Validator(schema).iter_errors(full)) == []
    document = as_json(place, "report", "old.airlock")
    assert list(Draft202012Validator(schema).iter_errors(document)) == []
    assert not Draft202012Validator(schema).is_valid(full | {"clock": 1})


def test_markdown_has_no_markup_that_an_artifact_could_put_there(place: Place) -> None:
    text = place.shell.airlock(*FULL, "--format", "md").stdout
    assert "imports \\<psycopg\\>" in text
    assert "provides \\| \\[here\\](x)" in text
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1
    assert len(tables) >= 4


def test_the_page_names_no_address_and_holds_no_script(place: Place) -> None:
    page = place.shell.airlock(*FULL).stdout
    assert "<script" not in page
    assert re.findall(r"(?:\bsrc|href|action)=|url\(|@import", page) == []
    assert "default-src 'none'" in page
