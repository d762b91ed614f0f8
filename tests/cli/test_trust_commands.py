"""What the commands on trust say when they are used in the wrong place, and what programs get from them."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock import cli
from airlock.formats.journal import NAME, parse_journal
from tests.far.bundles import archive_of, bundle, file_item, members_in

PLAIN = bundle([file_item("share/a", b"a")])


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Path]:
    """A directory to work in, with keys and a trust root."""
    (tmp_path / "b.airlock").write_bytes(PLAIN)
    delta = {"delta.json": b"{}\n", "index.json": members_in(PLAIN)["index.json"]}
    (tmp_path / "d.airdelta").write_bytes(archive_of(delta))
    (tmp_path / "v1.lock").write_text("format = 1\n")
    with contextlib.chdir(tmp_path):
        for name in ("root", "release", "other"):
            assert cli.main(["key", "new", name, "--no-passphrase"]) == 0
        init = ["trust", "init", "--root", "root.key", "--release", "release.pub", "other.pub"]
        assert cli.main([*init, "--threshold", "2"]) == 0
        assert cli.main([*init, "--approver", "quality"]) == 0
        capsys.readouterr()
        yield tmp_path


HINTS = {
    "sign v1.lock --key release.key": "`airlock build --lock v1.lock` makes the bundles",
    "install d.airdelta --root site --trust trust-root.json": "`airlock update d.airdelta` installs it",
    "update b.airlock --root site --trust trust-root.json": "`airlock install b.airlock` takes it",
    "sign b.airlock --key release.key --trust quality.json": "`airlock approve` signs under it",
    "approve b.airlock --key release.key --trust trust-root.json": "`airlock sign` signs releases",
    "approve b.airlock --key release.key --trust quality.json": "first `airlock sign`",
    "trust rotate trust-root.json --retire": "",
    "trust init --root root.pub --release release.pub -o x.json": "one root key has to sign it first",
    "trust init --root root.key --release release.pub --approver A/B -o x.json": "",
    "key new other --no-passphrase": "choose another name",
    "sign b.airlock --key release.key --counter 0": "",
    "trust accept trust-root.json --root site": "pins the roots",
    "inspect --signatures v1.lock": "`airlock build",
    "inspect trust-root.json": "`airlock trust show trust-root.json`",
}


@pytest.mark.parametrize("command", list(HINTS))
def test_a_command_in_the_wrong_place_says_what_to_do(
    desk: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in desk.iterdir())
    assert cli.main(command.split()) in (2, 5, 6)
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and HINTS[command] in said.err and said.out == ""
    assert sorted(path.name for path in desk.iterdir()) == before


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(command.split()) == 0
    return capsys.readouterr().out


def test_programs_are_told_who_has_signed(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once = json.loads(run("sign b.airlock --key release.key --json", capsys))
    assert once["quorum"]["missing"] == 1
    assert once["quorum"]["unsigned"] == [json.loads((desk / "other.pub").read_text())["keyid"]]
    run("sign b.airlock --key other.key", capsys)
    approved = json.loads(run("approve b.airlock --key other.key --trust quality.json --json", capsys))
    assert (approved["approver"], approved["release"]) == ("quality", once["release"])
    found = json.loads(run("inspect --signatures b.airlock --json", capsys))
    assert found["release"]["quorum"]["missing"] == 0
    assert [one["approver"] for one in found["approvals"]] == ["quality"]
    assert [(root["approver"], root["complete"]) for root in found["roots"]] == [
        (None, True),
        ("quality", True),
    ]
    verified = json.loads(
        run("verify b.airlock --trust trust-root.json --require-approval quality.json --json", capsys)
    )
    assert {one["short"] for one in (once, approved, found, verified)} == {once["short"]}
    assert len(once["short"].split()) == 4


def test_two_bundles_signed_at_once_have_different_counters(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "c.airlock").write_bytes(bundle([], version="2.0"))
    first = json.loads(run("sign b.airlock --key release.key --json", capsys))["release"]
    time.sleep(0.002)
    assert first < json.loads(run("sign c.airlock --key release.key --json", capsys))["release"]


def test_a_key_that_is_not_trusted_and_a_root_that_does_not_count_are_warned_of(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["sign", "b.airlock", "--key", "root.key"]) == 0
    assert "no release key of the newest trust root" in capsys.readouterr().err
    assert cli.main(["trust", "rotate", "trust-root.json", "--threshold", "1"]) == 0
    assert "airlock trust sign trust-root.2.json" in capsys.readouterr().err
    assert cli.main(["sign", "b.airlock", "--key", "release.key"]) == 0
    said = capsys.readouterr()
    assert "trust-root.2.json lacks signatures and is not carried" in said.err
    assert "1 of 2 release keys" in said.out
    again = ["trust", "rotate", "trust-root.json", "--threshold", "1"]
    assert cli.main(again) == 2
    assert "still to be signed" in capsys.readouterr().err
    (desk / "trust-root.json").unlink()
    assert cli.main(["trust", "sign", "trust-root.2.json", "--key", "root.key"]) == 0
    assert "version 1 does not lie beside" in capsys.readouterr().err


def test_signatures_are_counted_by_the_newest_root_of_those_here_and_those_in_the_file(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("trust rotate trust-root.json --remove-release other.pub --threshold 1 --key root.key", capsys)
    run("sign b.airlock --key release.key", capsys)
    (desk / "trust-root.2.json").unlink()
    assert "1 of 1 release keys: complete" in run("sign b.airlock --key release.key", capsys)
    (desk / "trust-root.json").unlink()
    assert cli.main(["sign", "b.airlock", "--key", "other.key"]) == 0
    said = capsys.readouterr()
    assert "1 of 1 release keys: complete" in said.out
    assert "was taken out in root version 2" in said.err and "will not find it" not in said.err
    (desk / "b.airlock").write_bytes(PLAIN)
    assert cli.main(["sign", "b.airlock", "--key", "release.key"]) == 0
    assert "will not find it in this file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "sign b.airlock --key release.key",
        "sign b.airlock --key release.key --trust trust-root.3.json",
        "trust rotate trust-root.json",
    ],
)
def test_a_gap_in_the_roots_that_lie_beside_each_other_is_refused(
    desk: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        run("trust rotate trust-root.json --key root.key", capsys)
    (desk / "trust-root.2.json").unlink()
    assert cli.main(command.split()) == 5
    assert "trust-root.2.json: missing, so that later trust roots" in capsys.readouterr().err
    assert (desk / "b.airlock").read_bytes() == PLAIN and not (desk / "trust-root.4.json").exists()


@pytest.mark.parametrize("command", ["sign", "approve --trust quality.json"])
def test_volumes_are_not_signed(desk: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("sign b.airlock --key release.key", capsys)
    run("split b.airlock --size dvd -o discs", capsys)
    (volume,) = (desk / "discs").glob("*.airvol")
    before = volume.read_bytes()
    assert cli.main([*command.split(), "--key", "release.key", str(volume)]) == 2
    said = capsys.readouterr().err
    assert "a volume" in said and "before `airlock split`, or approve with --detached" in said
    assert volume.read_bytes() == before
    assert cli.main([*command.split(), "--key", "release.key", "discs"]) == 2
    assert "discs: a folder" in capsys.readouterr().err


def test_a_volume_can_be_approved_by_a_file_of_its_own(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("release", "other"):
        run(f"sign b.airlock --key {key}.key", capsys)
    run("split b.airlock --size dvd -o discs", capsys)
    (volume,) = (desk / "discs").glob("*.airvol")
    run(f"approve {volume} --key release.key --trust quality.json --detached out.approval", capsys)
    run(f"approve {volume} --key other.key --trust quality.json --detached out.approval", capsys)
    run(
        "verify b.airlock --trust trust-root.json --require-approval quality.json --approval out.approval",
        capsys,
    )


def test_an_approval_of_another_release_is_not_overwritten(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "c.airlock").write_bytes(bundle([], version="2.0"))
    approve = "approve {} --key release.key --trust quality.json --detached out.approval"
    for name in ("b.airlock", "c.airlock"):
        run(f"sign {name} --key release.key --counter 7", capsys)
    run(approve.format("b.airlock"), capsys)
    before = (desk / "out.approval").read_bytes()
    assert cli.main(approve.format("c.airlock").split()) == 2
    said = capsys.readouterr().err
    assert "out.approval: approves another release: " in said and "release 7" in said
    assert "another name" in said
    run("sign b.airlock --key release.key --anew --counter 8", capsys)
    assert cli.main(approve.format("b.airlock").split()) == 2
    assert (desk / "out.approval").read_bytes() == before


def test_the_journal_names_the_keys_that_approved(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("sign b.airlock --key release.key", capsys)
    run("approve b.airlock --key other.key --trust quality.json", capsys)
    last = parse_journal((desk / NAME).read_bytes(), NAME).acts[-1]
    assert last.keys == (json.loads((desk / "other.pub").read_text())["keyid"],)


def test_a_root_has_a_short_form_to_compare_that_signatures_do_not_change(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init = "trust init --root root.key other.pub --root-threshold 2 --release release.pub -o two.json"
    made = run(init, capsys)
    (aloud,) = [line for line in made.splitlines() if line.startswith("  aloud: ")]
    key = json.loads((desk / "release.pub").read_text())["keyid"][:8]
    assert f"  release keys: 1 of {key}\n" in made
    assert aloud in run("trust show two.json", capsys)
    assert aloud in run("trust sign two.json --key other.key", capsys)
    assert aloud.endswith(json.loads(run("trust show two.json --json", capsys))["short"])


def test_who_was_taken_out_is_told_since_when(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for root in ("trust-root.json", "quality.json"):
        run(f"trust rotate {root} --remove-release other.pub --threshold 1 --key root.key", capsys)
    run("trust rotate trust-root.json --key root.key", capsys)
    run("sign b.airlock --key release.key", capsys)
    key = json.loads((desk / "other.pub").read_text())["keyid"][:8]
    assert cli.main(["approve", "b.airlock", "--key", "other.key", "--trust", "quality.json"]) == 2
    assert f"{key}, taken out in root version 2" in capsys.readouterr().err
    assert cli.main(["sign", "b.airlock", "--key", "other.key"]) == 0
    assert f"{key} was taken out in root version 2" in capsys.readouterr().err
    assert "good, but taken out in root version 2" in run("inspect --signatures b.airlock", capsys)


def test_who_signs_first_is_told_that_copies_cannot_be_joined(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "next: the others sign this very b.airlock, one after the other"
    assert cli.main(["sign", "b.airlock", "--key", "release.key"]) == 0
    assert told in capsys.readouterr().err
    assert cli.main(["sign", "b.airlock", "--key", "other.key"]) == 0
    assert told not in capsys.readouterr().err


def test_who_joins_a_statement_cannot_ask_for_another(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("sign b.airlock --key release.key --counter 9 --expires-days 30", capsys)
    before = (desk / "b.airlock").read_bytes()
    for option in ("--expires-days 31", "--counter 10"):
        assert cli.main(f"sign b.airlock --key other.key {option}".split()) == 2
        said = capsys.readouterr().err
        assert (
            said.startswith(f"error: {option.split()[0]}: others signed it with another") and "--anew" in said
        )
    assert (desk / "b.airlock").read_bytes() == before
    run("sign b.airlock --key other.key --counter 9 --expires-days 30", capsys)
    assert cli.main(["sign", "b.airlock", "--key", "other.key"]) == 0
    assert "signed with this key already" in capsys.readouterr().err


def test_a_counter_that_goes_back_is_warned_of(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for counter, warned in ((9, False), (9, False), (8, True)):
        assert cli.main(["sign", "b.airlock", "--key", "release.key", "--counter", str(counter)]) == 0
        assert ("--counter is lower than 9" in capsys.readouterr().err) is warned


HINTS_FOR_A_DISC = {
    "sign disc/b.airlock --key locked.key": "elsewhere with -o FILE",
    "approve disc/b.airlock --key locked.key --trust quality.json": "elsewhere with --detached FILE",
}


@pytest.mark.parametrize("command", list(HINTS_FOR_A_DISC))
def test_a_disc_that_cannot_be_written_is_told_of_before_the_passphrase_is_asked(
    desk: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "secret").write_text("secret\n")
    run("key new locked --passphrase-file secret", capsys)
    disc = desk / "disc"
    disc.mkdir()
    (disc / "b.airlock").write_bytes(PLAIN)
    disc.chmod(0o555)
    if os.access(disc, os.W_OK):
        pytest.skip("whoever runs this may write everywhere")
    try:
        assert cli.main(command.split()) == 2
    finally:
        disc.chmod(0o755)
    said = capsys.readouterr().err
    assert "nothing can be written" in said and HINTS_FOR_A_DISC[command] in said and "passphrase" not in said


def test_an_approval_says_what_it_approves(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = json.loads(run("sign b.airlock --key release.key --json", capsys))["index"]
    run("approve b.airlock --key other.key --trust quality.json --detached b.approval", capsys)
    shown = run("inspect --signatures b.approval", capsys)
    assert f"  index    {index}\n  aloud    " in shown
    assert json.loads(run("inspect --signatures b.approval --json", capsys))["approvals"][0]["index"] == index
    assert cli.main(["inspect", "b.approval"]) == 2
    assert "`airlock inspect --signatures b.approval`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("v1.lock", "error: v1.lock: another file, not a trust root"),
        ("b.airlock", "error: b.airlock: a bundle, a delta or approvals, not a trust root"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        "verify b.airlock --trust",
        "install b.airlock --root site --trust",
        "sign b.airlock --key release.key --trust",
    ],
)
def test_what_is_no_trust_root_is_named(
    desk: Path, command: str, given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command.split(), given]) == 5
    told = capsys.readouterr().err
    assert told.startswith(said) and "hint: it is the file trust-root.json" in told


def test_every_command_on_a_release_shows_what_to_compare_aloud(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("sign b.airlock --key release.key", capsys)
    signed = run("sign b.airlock --key other.key", capsys)
    (aloud,) = [line.split(maxsplit=1)[1] for line in signed.splitlines() if line.startswith("  aloud ")]
    for command in (
        "inspect b.airlock",
        "inspect --signatures b.airlock",
        "approve b.airlock --key other.key --trust quality.json",
        "verify b.airlock --trust trust-root.json",
        "install b.airlock --root site --trust trust-root.json",
        "status --root site",
    ):
        said = [line.split(maxsplit=1) for line in run(command, capsys).splitlines()]
        assert ["aloud", aloud] in said, command
