"""What becomes of findings: exceptions, baselines, exit codes, SARIF."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sarif_kit import validation_errors

from airlock.core.digest import digest_of
from airlock.formats.exceptions import Exempted, except_from, unused
from airlock.formats.findings import (
    MAX_EVIDENCE,
    MAX_TEXT,
    Advisories,
    Baseline,
    Finding,
    Ran,
    Report,
    found,
    ordered,
    parse_report,
    write_report,
)
from airlock.formats.rules import CLASSES, RULES, SEVERITIES
from airlock.formats.sarif import write_sarif
from tests.audit.plant import Plant

MISSING = found(
    "python/import", "imports orjson", artifact="wheel gateway 1.0", path="a.py", line=3, name="orjson"
)
CHANGED = found("drift/changed", "is not what was installed", artifact="wheel gateway 1.0", path="a.py")
ADDRESS = found(
    "network/endpoint", "names an address", artifact="config etc/a", path="etc/a", name="vendor.io"
)


def report(*findings: Finding) -> Report:
    return Report(
        subject="site",
        project="gateway",
        version="1.0",
        target="plant",
        index=digest_of(b""),
        generation=1,
        time=0,
        findings=ordered(findings),
    )


def test_every_rule_is_of_a_class_that_has_an_exit_code_of_its_own() -> None:
    assert {rule.category for rule in RULES.values()} == set(CLASSES)
    assert len(set(CLASSES.values())) == len(CLASSES)
    assert all(rule.severity in SEVERITIES for rule in RULES.values())


@pytest.mark.parametrize(
    ("findings", "least", "code"),
    [
        ((), "note", 0),
        ((ADDRESS,), "warning", 0),
        ((ADDRESS,), "note", CLASSES["network"]),
        ((ADDRESS, MISSING), "note", CLASSES["python"]),
        ((CHANGED, MISSING), "warning", CLASSES["drift"]),
        ((replace(CHANGED, standing="excepted"), MISSING), "warning", CLASSES["python"]),
        ((replace(MISSING, standing="known"),), "note", 0),
    ],
)
def test_the_exit_code_is_that_of_the_first_class_with_something_open(
    findings: tuple[Finding, ...], least: str, code: int
) -> None:
    assert report(*findings).exit_code(least) == code  # type: ignore[arg-type]


def test_a_finding_is_the_same_in_another_version_and_on_another_line() -> None:
    moved = replace(MISSING, artifact="wheel gateway 2.0", line=30, path="b.py")
    assert moved.fingerprint == MISSING.fingerprint
    assert replace(MISSING, name="ujson").fingerprint != MISSING.fingerprint
    assert replace(MISSING, artifact="wheel other 1.0").fingerprint != MISSING.fingerprint


def test_what_was_in_the_baseline_counts_no_more() -> None:
    baseline = Baseline.of(parse_report(write_report(report(MISSING)), "earlier"))
    later = [baseline.mark(one) for one in (replace(MISSING, line=9), CHANGED)]
    assert [one.standing for one in later] == ["known", "open"]


@pytest.mark.parametrize(
    ("exception", "covered"),
    [
        ({"rule": "python/import", "name": "orjson"}, True),
        ({"rule": "python", "artifact": "wheel gateway"}, True),
        ({"rule": "python/import", "name": "or*", "path": "*.py"}, True),
        ({"rule": "python/import", "name": "Orjson"}, False),
        ({"rule": "python/import-lazy", "name": "orjson"}, False),
        ({"rule": "python/import", "artifact": "wheel gate"}, False),
        ({"rule": "drift", "name": "orjson"}, False),
    ],
)
def test_an_exception_covers_what_all_of_its_patterns_match(exception: dict[str, str], covered: bool) -> None:
    (one,) = except_from([MISSING], [Exempted(**exception, reason="because")])
    assert (one.standing, one.reason) == (("excepted", "because") if covered else ("open", ""))


def test_an_exception_that_covers_nothing_is_told() -> None:
    used, idle = (Exempted(rule="python", name=name, reason="because") for name in ("orjson", "ujson"))
    assert unused([MISSING], [used, idle]) == (idle,)


def test_exceptions_travel_in_the_signed_index(plant: Plant) -> None:
    plant.exceptions = (Exempted(rule="python/import", name="orjson", reason="only on the test bench"),)
    plant.own(feed="import orjson\nimport redis\n")
    found = plant.audit()
    assert found.one("python/import", "orjson").reason == "only on the test bench"
    assert [one.name for one in found.grave()] == ["redis"]


def test_what_comes_from_files_is_cut_and_nothing_that_a_terminal_obeys() -> None:
    one = found("python/import", "\x1b[2J" + "x" * 9_000, name="a\u202eb", evidence=["y\n"] * 100)
    assert len(one.message) == MAX_TEXT
    assert one.message.startswith("\\x1b[2J")
    assert one.name == "a\\u202eb"
    assert one.evidence == ("y\\n",) * MAX_EVIDENCE


TEXT = st.text(max_size=20)
FINDINGS = st.builds(
    lambda rule, message, **more: found(rule, message, **more),
    rule=st.sampled_from(sorted(RULES)),
    message=TEXT,
    artifact=TEXT,
    path=TEXT,
    line=st.integers(0, 10),
    name=TEXT,
    evidence=st.lists(TEXT, max_size=2),
    severity=st.sampled_from(SEVERITIES),
)


@given(st.lists(FINDINGS, max_size=4))
def test_a_report_is_read_as_it_was_written(findings: list[Finding]) -> None:
    whole = replace(
        report(*findings),
        ran=Ran(command=("a", "-b"), exit_code=3, means=("strace",)),
        advisories=Advisories(file="osv.zip", digest=digest_of(b"x"), modified="", records=3),
    )
    assert parse_report(write_report(whole), "audit.json") == whole


def test_the_gravest_come_first_and_each_once() -> None:
    assert ordered([ADDRESS, MISSING, CHANGED, MISSING]) == (CHANGED, MISSING, ADDRESS)


@given(st.lists(FINDINGS, max_size=4))
def test_sarif_is_what_its_schema_says(findings: list[Finding]) -> None:
    assert validation_errors(json.loads(write_sarif([report(*findings)]))) == []


def test_sarif_tells_place_level_and_what_is_settled() -> None:
    excepted = replace(ADDRESS, standing="excepted", reason="of the plant itself")
    (run,) = json.loads(write_sarif([report(MISSING, excepted)]))["runs"]
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("python/import", "error")
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert second["suppressions"][0]["justification"] == "of the plant itself"
    assert "suppressions" not in first
