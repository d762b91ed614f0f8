"""`airlock lock` as it is typed."""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock.cli import main
from tests.commands import Shell
from tests.index_server import Index, serving
from tests.locking import Workplace
from tests.wheel_factory import make_wheel


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as running:
        running.add(make_wheel("app", "1.0", requires=["lib"]), make_wheel("lib", "1.0"))
        yield running


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    return Workplace(directory=tmp_path, index=index, cache=tmp_path / "cache")


@pytest.fixture
def shell(place: Workplace) -> Shell:
    write(place, 'requirements = ["app"]')
    return Shell(directory=place.directory, environment={"AIRLOCK_CACHE": str(place.cache)})


def write(place: Workplace, python: str) -> None:
    (place.directory / "airlock.toml").write_text(place.text(python))


def test_a_lock_is_written_and_told_and_then_nothing_is_asked_or_written(
    shell: Shell, place: Workplace, index: Index
) -> None:
    outcome = shell.airlock("lock")
    assert outcome.stdout == ""
    assert outcome.stderr == "+ app 1.0\n+ lib 1.0\nairlock.lock has 2 artifacts for 1 target(s)\n"
    lockfile = place.directory / "airlock.lock"
    before = lockfile.stat()
    index.log.clear()
    again = shell.airlock("lock")
    assert again.stderr == "airlock.lock is up to date: 2 artifacts for 1 target(s)\n"
    assert index.log == []
    after = lockfile.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert shell.airlock("lock", "--check").stderr == ""


def level_of(place: Workplace) -> object:
    return tomllib.loads((place.directory / "airlock.lock").read_text())["encoder"]["level"]


def test_a_level_is_pinned_and_kept_until_another_is_asked_for(
    shell: Shell, place: Workplace, index: Index
) -> None:
    shell.airlock("lock", "-q", "--level", "12")
    assert level_of(place) == 12
    shell.airlock("lock", "-q", "--upgrade")
    assert level_of(place) == 12
    index.log.clear()
    shell.airlock("lock", "-q", "--smallest")
    assert (level_of(place), index.log) == (19, [])


def test_what_moved_is_told_from_old_to_new(shell: Shell, place: Workplace, index: Index) -> None:
    index.etags = True
    shell.airlock("lock", "-q")
    index.add(make_wheel("lib", "1.1"), make_wheel("app", "1.1"))
    assert shell.airlock("lock", "--upgrade-package", "Lib").stderr == (
        "↑ lib 1.0 → 1.1\nairlock.lock has 2 artifacts for 1 target(s)\n"
    )
    told = json.loads(shell.airlock("lock", "-q", "--upgrade", "--dry-run", "--json").stdout)
    rows = [(one["name"], one["how"], one["before"], one["after"]) for one in told["changes"]]
    assert rows == [("app", "up", ["1.0"], ["1.1"]), ("lib", "removed", ["1.1"], [])]
    document = tomllib.loads((place.directory / "airlock.lock").read_text())
    assert [one["version"] for one in document["artifacts"]] == ["1.0", "1.1"]


def test_the_lock_is_named_after_its_manifest(shell: Shell, place: Workplace) -> None:
    (place.directory / "airlock.toml").rename(place.directory / "v1.toml")
    shell.airlock("lock", "--manifest", "v1.toml")
    assert (place.directory / "v1.lock").exists()


def test_check_says_which_part_changed_and_exits_with_3(shell: Shell, place: Workplace) -> None:
    missing = shell.airlock("lock", "--check", code=3)
    assert missing.stderr == "error: airlock.lock: there is no lock\nhint: run `airlock lock`\n"
    shell.airlock("lock", "-q")
    write(place, 'requirements = ["app", "lib<2"]')
    stale = shell.airlock("lock", "--check", "--json", code=3)
    assert json.loads(stale.stdout) == {
        "lockfile": "airlock.lock",
        "up_to_date": False,
        "changed_inputs": ["python"],
        "problems": [],
    }
    assert stale.stderr == (
        "error: airlock.lock: does not answer airlock.toml, where this changed: python\nhint: run `airlock lock`\n"
    )


def test_another_mirror_or_another_order_is_no_change(shell: Shell, place: Workplace) -> None:
    write(place, 'requirements = ["app", "lib"]')
    shell.airlock("lock", "-q")
    place.index.url = "http://127.0.0.1:9"
    write(place, 'requirements = ["lib", "app"]')
    shell.airlock("lock", "--check")


def test_a_new_target_is_a_change_of_targets_and_of_what_is_pinned_for_them(
    shell: Shell, place: Workplace
) -> None:
    shell.airlock("lock", "-q")
    place.targets = (*place.targets, ("ship", "3.12", "musllinux_1_2_aarch64"))
    write(place, 'requirements = ["app"]')
    assert "where this changed: python, targets\n" in shell.airlock("lock", "--check", code=3).stderr
    shell.airlock("lock", "-q")
    document = tomllib.loads((place.directory / "airlock.lock").read_text())
    assert [one["targets"] for one in document["artifacts"]] == [["plant", "ship"]] * 2


def test_a_new_project_version_keeps_the_pins_without_asking_the_index(
    shell: Shell, place: Workplace, index: Index
) -> None:
    shell.airlock("lock", "-q")
    index.log.clear()
    manifest = place.directory / "airlock.toml"
    manifest.write_text(manifest.read_text().replace('version = "1.0"', 'version = "1.1"'))
    assert shell.airlock("lock").stderr == "airlock.lock has 2 artifacts for 1 target(s)\n"
    assert index.log == []


def test_no_answer_exits_with_3_and_leaves_the_lock_alone(shell: Shell, place: Workplace) -> None:
    shell.airlock("lock", "-q")
    before = (place.directory / "airlock.lock").read_bytes()
    write(place, 'requirements = ["app", "lib>1"]')
    outcome = shell.airlock("lock", code=3)
    assert outcome.stderr.startswith(
        "error: airlock.toml: the index 'default' has no version of lib that is >1"
    )
    assert (place.directory / "airlock.lock").read_bytes() == before


def test_an_index_out_of_reach_exits_with_4(shell: Shell, place: Workplace) -> None:
    place.index.url = "http://127.0.0.1:9"
    write(place, 'requirements = ["app"]')
    assert "hint: check the network" in shell.airlock("lock", code=4).stderr


def test_without_a_manifest_the_way_to_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", "--manifest", str(tmp_path / "airlock.toml")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/airlock.toml: no such file\nhint: start with `airlock init`\n"
    )


def test_a_check_through_main_touches_no_network(place: Workplace, shell: Shell) -> None:
    shell.airlock("lock", "-q")
    assert main(["lock", "--manifest", str(place.directory / "airlock.toml"), "--check"]) == 0


def test_a_no_op_imports_nothing_that_it_does_not_need(shell: Shell) -> None:
    shell.airlock("lock", "-q")
    code = (
        "import sys; from airlock.cli import main; assert main(['lock']) == 0; "
        "print(sorted({'requests', 'resolvelib', 'rich', 'truststore', 'zstandard', 'urllib3', 'tomlkit'}"
        " & sys.modules.keys()))"
    )
    assert shell.good(sys.executable, "-c", code) == "[]\n"


def test_a_file_and_a_configuration_with_one_destination_are_refused_when_locking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("x")
    manifest = tmp_path / "airlock.toml"
    manifest.write_text(
        '[project]\nname = "app"\nversion = "1.0"\n'
        '[[target]]\nname = "t"\npython = "3.11"\nplatform = "manylinux_2_28_x86_64"\n'
        '[[file]]\npath = "data"\ndestination = "etc/app"\n[[config]]\ntext = "y"\ndestination = "etc/app"\n'
    )
    assert main(["lock", "-q", "--manifest", str(manifest)]) == 2
    assert "file etc/app and config etc/app have one destination on 't'" in capsys.readouterr().err
    assert not (tmp_path / "airlock.lock").exists()


def test_where_targets_differ_is_told(shell: Shell, place: Workplace, index: Index) -> None:
    index.add(
        make_wheel("old", "1", requires_python="<3.12"), make_wheel("old", "2", requires_python=">=3.12")
    )
    place.targets = (*place.targets, ("ship", "3.12", "musllinux_1_2_aarch64"))
    write(place, 'requirements = ["old"]')
    told = shell.airlock("lock", "--json")
    assert "old differs: 1 on plant; 2 on ship\n" in told.stderr
    [row] = json.loads(told.stdout)["versions_apart"]
    assert row == {"kind": "wheel", "name": "old", "versions": {"1": ["plant"], "2": ["ship"]}}


def test_this_machine_is_shown_as_a_target_without_a_network(shell: Shell) -> None:
    far = shell.far()
    printed = far.airlock("target", "show", "--name", "here").stdout
    assert printed.startswith('[[target]]\nname = "here"\npython = "')
    assert json.loads(far.airlock("target", "show", "--json").stdout)["exact"]["python_full_version"]
