"""The journey over several discs, as a user makes it."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from airlock.connected.build import Workshop, build
from airlock.connected.delta import delta, side_of
from airlock.core.reporter import Silent
from airlock.storage.journal import read_journal
from tests.commands import Shell
from tests.far.bundles import NOW, Trust, bundle, file_item, signed
from tests.media.sets import flip, noise, share_offset
from tests.wheels import two_versions

pytestmark = pytest.mark.journey

PLAIN = bundle([file_item("share/noise", noise(150_000)), file_item("share/more", b"more " * 200)])
FOLDERS = ("disc1", "disc2", "disc3", "disc4", "disc5")


@dataclass(frozen=True)
class Place:
    shell: Shell
    folder: Path
    discs: tuple[Path, ...]
    """Five, in folders of their own, read-only, the last two parity."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    trust = Trust.new()
    (tmp_path / "trust.json").write_bytes(trust.root)
    (tmp_path / "gateway.airlock").write_bytes(signed(PLAIN, trust.key))
    environment = {"SOURCE_DATE_EPOCH": str(NOW), "HOME": str(tmp_path), "AIRLOCK_CACHE": str(tmp_path / "c")}
    shell = Shell(directory=tmp_path, environment=environment)
    split = ("split", "gateway.airlock", "--size", "80k", "--parity", "2", "-o", "out", "--json")
    report = json.loads(shell.airlock(*split).stdout)
    assert (report["data"], report["parity"]) == (3, 2)
    discs = []
    for number, volume in enumerate(report["volumes"], 1):
        disc = tmp_path / f"disc{number}"
        disc.mkdir()
        discs.append(Path(shutil.move(tmp_path / volume["path"], disc)))
        assert discs[-1].name == f"gateway.{number}of5.airvol"
    (tmp_path / "gateway.airlock").rename(tmp_path / "original.airlock")
    return Place(shell=shell.far(), folder=tmp_path, discs=tuple(discs))


def test_five_discs_of_which_one_is_lost_and_one_is_damaged(place: Place) -> None:
    place.discs[1].unlink()
    flip(place.discs[3], share_offset(place.discs[3]))
    folders = [f"disc{number}" for number in (4, 1, 5, 3)]
    checked = place.shell.airlock("verify", *folders, "--trust", "trust.json")
    assert "warning: gateway.2of5: missing" in checked.stderr
    assert "warning: disc4/gateway.4of5.airvol: gateway.4of5: block 0 is damaged" in checked.stderr
    assert "warning: it is checked through parity: what is there suffices" in checked.stderr
    assert "every frame" in checked.stdout
    joined = place.shell.airlock("join", *folders, "-o", "again.airlock")
    assert "restored out of parity: gateway.2of5" in joined.stdout
    original = (place.folder / "original.airlock").read_bytes()
    assert (place.folder / "again.airlock").read_bytes() == original
    installed = place.shell.airlock("install", *folders, "--root", "site", "--trust", "trust.json")
    assert "read through parity: volume 2 of 5 is missing" in installed.stderr
    assert (place.folder / "site/current/share/noise").read_bytes() == noise(150_000)
    receive, install = read_journal(place.folder / "site/state/journal.jsonl").acts
    assert receive.file == install.file == "gateway.airlock"
    assert receive.detail.startswith("from 5 volumes, set sha256:")


def test_a_set_is_used_as_the_file_is(place: Place) -> None:
    report = json.loads(place.shell.airlock("verify", *FOLDERS, "--trust", "trust.json", "--json").stdout)
    whole = json.loads(
        place.shell.airlock("verify", "original.airlock", "--trust", "trust.json", "--json").stdout
    )
    assert report | {"file": ""} == whole | {"file": ""}
    inspected = json.loads(place.shell.airlock("inspect", "disc1", "disc2", "disc3", "--json").stdout)
    assert inspected == json.loads(place.shell.airlock("inspect", "original.airlock", "--json").stdout)
    place.shell.airlock("export", *map(str, place.discs), "--all", "files")
    assert (place.folder / "files/noise").read_bytes() == noise(150_000)


def test_too_few_discs_are_named_and_every_other_fault_too(place: Place) -> None:
    flip(place.discs[3], share_offset(place.discs[3]))
    refused = place.shell.airlock(
        "install", "disc4", "disc1", "--root", "site", "--trust", "trust.json", code=5
    )
    assert "gateway.2of5: missing; gateway.3of5: missing; gateway.5of5: missing; disc4" in refused.stderr
    assert "block 0 is damaged" in refused.stderr
    assert "hint: bring any 2 of gateway.2of5, gateway.3of5, gateway.4of5, gateway.5of5" in refused.stderr
    assert not (place.folder / "site/current").exists()


def test_too_many_damaged_blocks_are_named_at_once(place: Place) -> None:
    for number in (0, 1, 3):
        flip(place.discs[number], share_offset(place.discs[number]))
    for command in (("verify",), ("install", "--root", "site")):
        refused = place.shell.airlock(command[0], *FOLDERS, "--trust", "trust.json", *command[1:], code=5)
        error = next(line for line in refused.stderr.splitlines() if line.startswith("error: "))
        assert error.count("block 0 is damaged or cannot be read") == 3
    assert not (place.folder / "site/current").exists()


def test_disc_after_disc_at_one_mount_point(place: Place) -> None:
    drive = place.folder / "drive"
    for number, code in ((3, 5), (5, 5), (1, 0)):
        drive.unlink(missing_ok=True)
        drive.symlink_to(f"disc{number}")
        done = place.shell.airlock("join", "drive", "-o", "again.airlock", "--json", code=code)
        assert json.loads(done.stdout)["complete"] is (code == 0)
    assert (place.folder / "again.airlock").read_bytes() == (place.folder / "original.airlock").read_bytes()
    assert not list(place.folder.glob(".again*"))


def test_a_step_is_no_error_and_says_how_far_it_is(place: Place) -> None:
    flip(place.discs[1], share_offset(place.discs[1]))
    step = place.shell.airlock("join", "disc1", "-o", "again.airlock", code=5)
    assert "1 of 3 discs read, " in step.stdout and "insert any 2 of gateway.2of5, " in step.stdout
    assert "error" not in step.stderr
    before = int(step.stdout.partition(" % of")[0].rpartition(" ")[2])
    step = place.shell.airlock("join", "disc2", "-o", "again.airlock", code=5)
    assert int(step.stdout.partition(" % of")[0].rpartition(" ")[2]) > before, "most of a damaged disc counts"


def test_a_disc_of_another_set_is_refused_for_the_same_file(place: Place) -> None:
    place.shell.airlock("join", "disc1", "-o", "again.airlock", code=5)
    place.shell.airlock("split", "original.airlock", "--size", "100k", "-o", "other")
    first = next((place.folder / "other").glob("*.1of*"))
    refused = place.shell.airlock("join", str(first), "-o", "again.airlock", code=5)
    assert "this disc is of another set than those that were read for it: expected set " in refused.stderr
    assert len(list(place.folder.glob(".again*"))) == 1
    place.shell.airlock("join", "disc2", "disc3", "-o", "again.airlock")


def test_one_volume_says_what_it_belongs_to(place: Place) -> None:
    told = json.loads(place.shell.airlock("inspect", str(place.discs[4]), "--json").stdout)
    assert (told["number"], told["count"], told["parity"], told["of"]) == (5, 5, 2, "bundle")
    assert told["file"]["name"] == "gateway.airlock"
    assert told["signatures"] == ["trust/targets.json"] and len(told["signers"]) == 1
    assert told["belongs_to"] == "gateway 1.0 for plant"
    partial = place.shell.airlock("verify", str(place.discs[4]), "--trust", "trust.json", code=5)
    assert "checked  signatures: 1 of 1 release keys" in partial.stdout
    assert "volume 5 of 5, 2 of them parity (parity), of the bundle" in (
        place.shell.airlock("inspect", str(place.discs[4])).stdout
    )


def test_a_stranger_s_signature_on_one_volume_is_told(place: Place) -> None:
    stranger = Trust.new()
    (place.folder / "stranger.json").write_bytes(stranger.root)
    partial = place.shell.airlock("verify", "disc1", "--trust", "stranger.json", code=5)
    assert "failed:" in partial.stdout and "not signed by enough trusted keys" in partial.stdout


def test_a_delta_on_discs_is_applied_to_a_base_on_discs(tmp_path: Path) -> None:
    store, old, new = two_versions(tmp_path)
    tools = Workshop(store=store, cache=tmp_path / "cache", reporter=Silent(), jobs=1)
    build(old, "plant", tools, tmp_path / "old.airlock")
    build(new, "plant", tools, tmp_path / "new.airlock")
    before, after = side_of(old, "plant", tools), side_of(new, "plant", tools)
    delta(before, after, tools, tmp_path / "up.airdelta", {})
    shell = Shell(directory=tmp_path, environment={})
    for name, folder in (("old.airlock", "base"), ("up.airdelta", "delta")):
        size = str((tmp_path / name).stat().st_size * 2 // 3)
        told = shell.airlock("split", name, "--size", size, "--parity", "1", "-o", folder)
        assert f"warning: {name} is not signed" in told.stderr
        next((tmp_path / folder).glob("*.1of*")).unlink()
    shell.airlock("apply", "base", "delta", "-o", "again.airlock")
    assert (tmp_path / "again.airlock").read_bytes() == (tmp_path / "new.airlock").read_bytes()


def test_mistakes_of_the_command_line(place: Place) -> None:
    told = place.shell.airlock("split", "original.airlock", "--size", "dvdd", "-o", "x", code=2).stderr
    assert "--size: not a size: expected cd, dvd," in told
    told = place.shell.airlock("split", "original.airlock", "--size", "2k", "-o", "x", code=2).stderr
    assert "needs too many volumes" in told
    told = place.shell.airlock(
        "split", "original.airlock", "--size", "dvd", "--parity", "300", "-o", "x", code=2
    ).stderr
    assert "--parity: out of range" in told
    assert not (place.folder / "x").exists()
    told = place.shell.airlock("join", "disc1", "-o", "disc2", code=2).stderr
    assert "--output: a folder: expected the name of a file" in told
    told = place.shell.airlock(
        "split", "original.airlock", "--size", "dvd", "-o", "trust.json", code=2
    ).stderr
    assert "--output: a file: expected a folder" in told
