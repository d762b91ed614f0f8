"""Wheels become an environment that Python, and other installers, take for their own."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airlock.errors import IntegrityError
from airlock.storage.tree_scan import drift
from tests.far.bundles import PYTHON, Item, Trust, bundle, file_item, put, site_at, wheel, wheel_item

CODE = b"def main():\n    print('hello from', __name__)\n"
DEMO = wheel(
    "demo",
    "1.0",
    {
        "demo/__init__.py": CODE,
        "demo-1.0.data/data/share/demo.txt": b"shared",
        "demo-1.0.data/scripts/demo-script": b"#!python\nprint('script runs')\n",
        "demo-1.0.data/scripts/demo-shell": b"#!/bin/sh\necho shell runs\n",
        "demo-1.0.data/headers/demo.h": b"#define DEMO 1\n",
        "demo-1.0.data/purelib/demo_extra.py": b"x = 1\n",
    },
    "[console_scripts]\ndemo = demo:main\n[gui_scripts]\ndemo-gui = demo:main\n",
)
SITE = f"lib/python{PYTHON}/site-packages"


def installed(root: Path, items: list[Item]) -> Path:
    trust = Trust.new()
    put(site_at(root), trust.verified(bundle(items)))
    return root / "generations/1"


def refusal(root: Path, items: list[Item]) -> IntegrityError:
    with pytest.raises(IntegrityError) as caught:
        installed(root, items)
    assert not (root / "current").exists()
    return caught.value


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("demo", "hello from demo"),
        ("demo-gui", "hello from demo"),
        ("demo-script", "script runs"),
        ("demo-shell", "shell runs"),
    ],
)
def test_every_script_runs(tmp_path: Path, script: str, says: str) -> None:
    generation = installed(tmp_path / "site", [wheel_item("demo", "1.0", DEMO)])
    assert output(generation / "bin" / script).strip() == says


def test_scripts_run_below_a_path_that_the_kernel_would_cut(tmp_path: Path) -> None:
    root = tmp_path / ("long name " * 12) / ("deeper" * 10)
    generation = installed(root, [wheel_item("demo", "1.0", DEMO)])
    assert output(generation / "bin/demo").strip() == "hello from demo"
    assert output(generation / "bin/demo-script").strip() == "script runs"


def test_the_schemes_go_where_a_virtual_environment_has_them(tmp_path: Path) -> None:
    generation = installed(tmp_path / "site", [wheel_item("demo", "1.0", DEMO)])
    assert (generation / "share/demo.txt").read_text() == "shared"
    assert (generation / f"include/site/python{PYTHON}/demo/demo.h").exists()
    assert (generation / SITE / "demo_extra.py").exists()
    assert (generation / SITE / "demo-1.0.dist-info/INSTALLER").read_text() == "airlock\n"


def test_python_takes_it_for_a_virtual_environment(tmp_path: Path) -> None:
    generation = installed(tmp_path / "site", [wheel_item("demo", "1.0", DEMO)])
    code = (
        "import json, sys, demo, importlib.metadata as m; "
        "print(json.dumps([sys.prefix, sys.prefix != sys.base_prefix, m.version('demo'), demo.__file__]))"
    )
    prefix, virtual, version, file = json.loads(output(generation / "bin/python", "-c", code))
    assert (Path(prefix), virtual, version) == (generation.resolve(), True, "1.0")
    assert Path(file) == generation.resolve() / SITE / "demo/__init__.py"


def test_record_lists_every_file_with_its_digest_relative_to_site_packages(tmp_path: Path) -> None:
    generation = installed(tmp_path / "site", [wheel_item("demo", "1.0", DEMO)])
    site = generation / SITE
    rows = list(csv.reader((site / "demo-1.0.dist-info/RECORD").read_text().splitlines()))
    listed = {(site / row[0]).resolve() for row in rows}
    placed = {path.resolve() for path in generation.rglob("*") if path.is_file() and not path.is_symlink()}
    assert placed - listed == {(generation / "pyvenv.cfg").resolve()}
    assert listed <= placed
    code = (
        "import importlib.metadata as m, base64, hashlib; "
        "files = [f for f in m.files('demo') if f.hash]; "
        "print(len(files), all(base64.urlsafe_b64encode(hashlib.sha256(f.read_binary()).digest())"
        ".rstrip(b'=').decode() == f.hash.value for f in files))"
    )
    assert output(generation / "bin/python", "-c", code).split() == [str(len(rows) - 1), "True"]


def test_pip_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    generation = installed(tmp_path / "site", [wheel_item("demo", "1.0", DEMO)])
    pip = [sys.executable, "-m", "pip", "--python", str(generation / "bin/python")]
    assert "No broken requirements" in output(*pip, "check")
    report = json.loads(output(*pip, "inspect"))
    assert [(one["metadata"]["name"], one["installer"]) for one in report["installed"]] == [
        ("demo", "airlock")
    ]


def test_what_was_recorded_is_what_lies_there(tmp_path: Path) -> None:
    generation = installed(
        tmp_path / "site", [wheel_item("demo", "1.0", DEMO), file_item("etc/a", b"a", "0600")]
    )
    tree = site_at(tmp_path / "site").generation(1).tree
    assert list(drift(generation, tree)) == []
    (generation / "etc/a").write_text("changed")
    assert [change.path for change in drift(generation, tree)] == ["etc/a"]
    assert (generation / "etc/a").stat().st_mode & 0o777 == 0o600


def spoil(change: Callable[[list[list[str]]], None]) -> Item:
    return wheel_item("demo", "1.0", wheel("demo", "1.0", {"demo.py": CODE}, change_record=change))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda rows: rows.pop(0), "RECORD does not list it"),
        (lambda rows: rows[0].__setitem__(1, "sha256=" + "A" * 43), "not what RECORD says"),
        (lambda rows: rows[0].__setitem__(2, "1"), "not what RECORD says"),
        (lambda rows: rows[0].__setitem__(1, ""), "RECORD has no digest of it"),
        (lambda rows: rows[0].__setitem__(1, "md5=AAAA"), "weak digest"),
        (lambda rows: rows[0].append("x"), "cannot be read"),
    ],
)
def test_a_file_that_record_does_not_vouch_for_is_refused(
    tmp_path: Path, change: Callable[[list[list[str]]], None], what: str
) -> None:
    assert what in str(refusal(tmp_path / "site", [spoil(change)]))


@pytest.mark.parametrize(
    "path",
    [
        "../evil.py",
        "/evil.py",
        "a/../../evil.py",
        "demo-1.0.data/scripts/../../evil",
        "demo-1.0.data/data/../evil",
    ],
)
def test_a_wheel_that_reaches_outside_is_refused(tmp_path: Path, path: str) -> None:
    refusal(tmp_path / "site", [wheel_item("demo", "1.0", wheel("demo", "1.0", {path: b"x"}))])
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("path", ["pyvenv.cfg", "bin/python", "lib64/x.py", "bin/python3/x"])
def test_a_wheel_that_replaces_the_environment_is_refused(tmp_path: Path, path: str) -> None:
    data = wheel("demo", "1.0", {f"demo-1.0.data/data/{path}": b"x"})
    assert "the virtual environment" in str(refusal(tmp_path / "site", [wheel_item("demo", "1.0", data)]))


def test_an_entry_point_that_is_not_a_file_name_is_refused(tmp_path: Path) -> None:
    data = wheel("demo", "1.0", {}, "[console_scripts]\n../../evil = demo:main\n")
    assert "not a file name" in str(refusal(tmp_path / "site", [wheel_item("demo", "1.0", data)]))


@pytest.mark.parametrize(
    "entry_points", ["[console_scripts]\na = \n", "no section", "[console_scripts]\na = b\n"]
)
def test_entry_points_that_cannot_be_read_are_refused(tmp_path: Path, entry_points: str) -> None:
    data = wheel("demo", "1.0", {}, entry_points)
    assert "cannot be read" in str(refusal(tmp_path / "site", [wheel_item("demo", "1.0", data)]))


def test_the_wheel_of_another_project_is_refused(tmp_path: Path) -> None:
    data = wheel("demo", "1.0", {"demo.py": CODE})
    assert "not a wheel" in str(refusal(tmp_path / "site", [wheel_item("other", "1.0", data)]))


def test_two_artifacts_that_claim_one_path_are_both_named(tmp_path: Path) -> None:
    error = refusal(
        tmp_path / "site",
        [
            wheel_item("demo", "1.0", wheel("demo", "1.0", {"tests/__init__.py": b"1"})),
            wheel_item("other", "2.0", wheel("other", "2.0", {"tests/__init__.py": b"2"})),
        ],
    )
    assert "wheel demo 1.0" in str(error) and "wheel other 2.0" in str(error)


def test_the_very_same_file_in_two_wheels_is_no_conflict(tmp_path: Path) -> None:
    items = [
        wheel_item(name, "1.0", wheel(name, "1.0", {"space/__init__.py": b"", f"space/{name}.py": b"1"}))
        for name in ("one", "two")
    ]
    generation = installed(tmp_path / "site", items)
    assert (generation / SITE / "space/two.py").exists()


@pytest.mark.parametrize(
    ("one", "other"), [("share/A", "share/a"), ("share/a", "share/a/b"), ("share/straße", "share/STRASSE")]
)
def test_paths_that_some_file_systems_take_for_one_are_refused(tmp_path: Path, one: str, other: str) -> None:
    error = refusal(tmp_path / "site", [file_item(one, b"1"), file_item(other, b"2")])
    assert "claimed by" in str(error)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    item = file_item("a", b"a")
    strange = Item(
        type(item.artifact)(kind="rune", name="a", version="", file="a", size=1, digest=item.artifact.digest),
        b"a",
    )
    assert "unknown kind" in str(refusal(tmp_path / "site", [strange]))
