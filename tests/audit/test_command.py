"""`airlock audit` as people and timers run it."""

import json
from pathlib import Path

import pytest
from sarif_kit import validation_errors

from airlock import cli
from airlock.formats.findings import parse_report
from airlock.formats.rules import CLASSES
from tests.audit.plant import TRUST, Plant
from tests.far.bundles import signed


@pytest.fixture
def faulty(plant: Plant) -> Plant:
    """Installed, with an import that nothing answers, and an address."""
    plant.own(feed="import orjson\n")
    plant.config("etc/gateway.conf", "broker = mqtt://broker.vendor.io\n")
    plant.site()
    return plant


def root(plant: Plant) -> str:
    return str(plant.site().root)


def test_a_site_with_a_shadow_dependency(faulty: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "--root", root(faulty)]) == CLASSES["python"]
    told = capsys.readouterr().out
    assert "error    python/import  wheel gateway 1.0" in told
    assert "imports orjson, which nothing locked provides" in told
    assert "vendor.io" not in told


def test_notes_are_told_when_they_are_asked_for(faulty: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "--root", root(faulty), "--severity", "note"]) == CLASSES["python"]
    assert "broker.vendor.io" in capsys.readouterr().out


def test_a_site_on_which_there_is_nothing_to_be_found(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant.own(feed="import json\n")
    assert cli.main(["audit", "--root", root(plant)]) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_the_site_remembers_its_last_audit(faulty: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["audit", "--root", root(faulty), "-q"])
    (line,) = [act for act in faulty.site().journal().acts if act.act == "audit"]
    assert line.detail == "generation 1: 1 error, 0 warnings, 1 note; python/import"
    stored = faulty.site().path("state/audit.json").read_bytes()
    assert [one.name for one in parse_report(stored, "audit.json").open("error")] == ["orjson"]
    capsys.readouterr()
    assert cli.main(["status", "--root", root(faulty)]) == 0
    assert "1 error, 0 warnings" in capsys.readouterr().out


def test_an_audit_that_may_not_write_tells_all_the_same(
    faulty: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    site = faulty.site()
    site.path("state/lock").unlink()
    site.path("state/lock").mkdir()
    assert cli.main(["audit", "--root", root(faulty)]) == CLASSES["python"]
    assert "could not be written to the site's journal" in capsys.readouterr().err


def test_the_report_of_one_audit_is_the_baseline_of_the_next(
    faulty: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = str(tmp_path / "known.json")
    assert cli.main(["audit", "--root", root(faulty), "-o", known]) == CLASSES["python"]
    assert cli.main(["audit", "--root", root(faulty), "--baseline", known]) == 0
    assert "2 known before" in capsys.readouterr().out


def test_a_report_as_json_and_as_sarif(
    faulty: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sarif = tmp_path / "audit.sarif"
    cli.main(["audit", "--root", root(faulty), "--json", "--sarif", str(sarif)])
    told = json.loads(capsys.readouterr().out)
    assert (told["subject"], told["generation"]) == ("site", 1)
    assert {one["rule"] for one in told["findings"]} == {"python/import", "network/endpoint"}
    assert validation_errors(json.loads(sarif.read_bytes())) == []


def test_a_bundle_before_it_ships(faulty: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.airlock"
    path.write_bytes(faulty.bundle())
    assert cli.main(["audit", str(path), "--json"]) == CLASSES["python"]
    unsigned = json.loads(capsys.readouterr().out)
    path.write_bytes(signed(faulty.bundle(), TRUST.key))
    assert cli.main(["audit", str(path), "--json"]) == CLASSES["python"]
    told = json.loads(capsys.readouterr().out)
    assert (told["subject"], told["findings"]) == ("bundle", unsigned["findings"])


def test_nothing_below_the_site_changes_but_what_is_remembered(faulty: Plant) -> None:
    def state() -> dict[Path, int]:
        below = faulty.site().root
        return {path: path.lstat().st_mtime_ns for path in below.rglob("*") if "state" not in path.parts}

    before = state()
    cli.main(["audit", "--root", root(faulty), "-q"])
    assert state() == before


@pytest.mark.parametrize(
    "arguments",
    [(), ("--lock", "no.lock"), ("no.airlock",), ("--run", "--", "true"), ("--root", ".", "--run")],
)
def test_what_cannot_be_meant(arguments: tuple[str, ...]) -> None:
    assert cli.main(["audit", *arguments]) == 2


def test_a_root_where_nothing_is_installed(tmp_path: Path) -> None:
    assert cli.main(["audit", "--root", str(tmp_path)]) == 6
