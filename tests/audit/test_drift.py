"""Changes on the disk of an installed generation, each planted and each told by its own rule."""

import importlib.util
import os
import py_compile
from pathlib import Path

import pytest

from airlock.airgapped.audit.drift import unchecked
from tests.audit.plant import SITE_PACKAGES, Plant
from tests.far.bundles import PYTHON


@pytest.fixture
def plain(plant: Plant) -> Plant:
    """A small application on which nothing is to be found."""
    plant.own(main="import json\n")
    plant.config("etc/gateway.toml", "workers = 4\n")
    plant.file("share/points.csv", b"1,2\n")
    assert plant.audit().grave() == []
    return plant


def test_a_file_that_was_changed(plain: Plant) -> None:
    (plain.packages / "gateway/main.py").write_text("import json, sys\n")
    one = plain.audit().one("drift/changed")
    assert one.path == f"{SITE_PACKAGES}/gateway/main.py"
    assert one.artifact == "wheel gateway 1.0"
    assert "17 bytes" in one.evidence[1]


def test_a_file_that_was_changed_and_kept_its_size_and_time(plain: Plant) -> None:
    path = plain.packages / "gateway/main.py"
    before = path.stat()
    path.write_text("import mmap\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert plain.audit().one("drift/changed").severity == "error"


def test_configuration_that_was_edited_is_told_as_edited(plain: Plant) -> None:
    (plain.current / "etc/gateway.toml").write_text("workers = 5\n")
    found = plain.audit()
    assert found.one("drift/edited").severity == "warning"
    assert not found.of("drift/changed")


def test_a_data_file_that_was_changed_is_not_told_as_edited(plain: Plant) -> None:
    (plain.current / "share/points.csv").write_text("1,3\n")
    assert plain.audit().one("drift/changed").artifact == "file share/points.csv"


def test_a_file_that_is_gone(plain: Plant) -> None:
    (plain.current / "share/points.csv").unlink()
    assert plain.audit().one("drift/missing").path == "share/points.csv"


def test_a_file_that_was_added(plain: Plant) -> None:
    (plain.current / "share/extra.csv").write_text("x")
    assert plain.audit().one("drift/added").path == "share/extra.csv"


def test_a_folder_that_was_added_is_told_once(plain: Plant) -> None:
    inner = plain.current / "opt/agent/bin"
    inner.mkdir(parents=True)
    for name in ("one", "two", "three"):
        (inner / name).write_text(name)
    one = plain.audit().one("drift/added")
    assert one.path == "opt"
    assert len(one.evidence) == 3


def test_a_link_that_leads_elsewhere(plain: Plant) -> None:
    link = plain.current / "bin/python"
    link.unlink()
    link.symlink_to("/bin/true")
    assert plain.audit().one("drift/relinked").path == "bin/python"


def test_a_file_that_became_a_link(plain: Plant) -> None:
    path = plain.current / "share/points.csv"
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert "link to /etc/passwd" in plain.audit().one("drift/relinked").message


def test_a_folder_that_became_a_link_to_a_copy(plain: Plant, tmp_path: Path) -> None:
    folder = plain.current / "share"
    folder.rename(tmp_path / "copy")
    folder.symlink_to(tmp_path / "copy")
    found = plain.audit()
    assert found.one("drift/missing").path == "share/points.csv"
    assert found.one("drift/added").path == "share"


def test_a_file_with_another_mode(plain: Plant) -> None:
    (plain.current / "share/points.csv").chmod(0o755)
    one = plain.audit().one("drift/mode")
    assert "0755" in one.message and "0644" in one.message


def test_a_folder_that_others_may_write_to(plain: Plant) -> None:
    (plain.packages / "gateway").chmod(0o777)
    assert plain.audit().one("drift/writable").path == f"{SITE_PACKAGES}/gateway"


def test_a_pipe_is_told_and_not_waited_for(plain: Plant) -> None:
    os.mkfifo(plain.current / "share/pipe")
    assert plain.audit().one("drift/special").message == "is a pipe"


def test_a_file_that_became_a_pipe(plain: Plant) -> None:
    path = plain.packages / "gateway/main.py"
    path.unlink()
    os.mkfifo(path)
    found = plain.audit()
    assert found.one("drift/special").path == found.one("drift/missing").path


def test_a_name_that_no_path_can_have(plain: Plant) -> None:
    (plain.current / "share" / "a\nb").write_text("x")
    assert plain.audit().one("drift/special").path == "share/a\\nb"


def test_byte_code_that_python_wrote_is_a_note(plain: Plant) -> None:
    py_compile.compile(str(plain.packages / "gateway/main.py"))
    found = plain.audit()
    assert found.one("drift/bytecode").severity == "note"
    assert found.grave() == []


def test_byte_code_that_is_used_without_its_source(plain: Plant) -> None:
    source = plain.packages / "gateway/main.py"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), invalidation_mode=mode)
    tag = f"cpython-{PYTHON.replace('.', '')}"
    assert plain.audit().one("drift/bytecode-unchecked").path.endswith(f"main.{tag}.pyc")


@pytest.mark.parametrize(("flags", "answer"), [(0, False), (1, True), (3, False)])
def test_the_flags_of_byte_code_are_those_of_pep_552(flags: int, answer: bool) -> None:
    assert unchecked(importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + bytes(8)) is answer
