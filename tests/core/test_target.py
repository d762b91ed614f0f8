"""A target's tags and markers against `packaging`, pip and uv, and markers that a target leaves open."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import Tag, sys_tags

from airlock.airgapped.target import this_machine
from airlock.cli.target import as_toml
from airlock.core.markers import undecided, undecided_python
from airlock.core.target import Target
from airlock.errors import TargetError, UsageError
from airlock.formats.manifest import parse_manifest
from tests.index_server import Index, serving
from tests.wheel_factory import make_wheel

PLATFORMS = [
    "manylinux_2_17_x86_64",
    "manylinux_2_28_aarch64",
    "manylinux_2_5_i686",
    "manylinux_2_35_armv7l",
    "manylinux_2_39_riscv64",
    "manylinux_2_17_ppc64le",
    "manylinux_2_28_s390x",
    "musllinux_1_2_x86_64",
    "macosx_11_0_arm64",
    "macosx_14_0_arm64",
    "macosx_10_13_x86_64",
    "win_amd64",
    "win_arm64",
    "win32",
]

LEGACY = re.compile(r"manylinux\d").match


def target(python: str = "3.11", platform: str = "manylinux_2_28_x86_64", **markers: str) -> Target:
    return Target(
        name="t", python=python, platform=platform, prefix="", markers=tuple(sorted(markers.items()))
    )


def test_this_machine_as_a_target_has_the_tags_and_markers_that_packaging_finds_on_it() -> None:
    machine = this_machine("here", sys.executable)
    assert list(machine.target.tags) == list(sys_tags())
    exact = target(machine.target.python, machine.target.platform, **machine.markers)
    assert exact.environment() == default_environment()


def test_this_machine_can_be_pasted_into_a_manifest() -> None:
    machine = this_machine("here", sys.executable)
    head = '[project]\nname = "a"\nversion = "1"\n'
    pasted = parse_manifest((head + as_toml(machine)).encode(), "airlock.toml", ())
    assert [declared.target for declared in pasted.targets] == [machine.target]
    exact = as_toml(machine).replace("# markers", "markers")
    [declared] = parse_manifest((head + exact).encode(), "airlock.toml", ()).targets
    assert declared.target.exact == machine.markers


def test_a_python_that_is_not_there_is_told() -> None:
    with pytest.raises(TargetError, match="not a Python interpreter that runs"):
        this_machine("here", "/nonexistent/python")


@pytest.mark.parametrize(
    ("python", "platform"),
    [
        ("3.9", "manylinux_2_17_x86_64"),
        ("3.15", "musllinux_1_2_aarch64"),
        ("3.12", "macosx_11_0_arm64"),
        ("3.13", "macosx_14_0_arm64"),
        ("3.9", "macosx_10_13_x86_64"),
        ("3.14", "win_arm64"),
    ],
)
def test_pip_takes_the_same_tags_in_the_same_order(python: str, platform: str) -> None:
    ours = target(python, platform)
    interpreter = f"cp{python.replace('.', '')}"
    # pip knows of no floor of a C library, so it is told every tag of those; macOS it counts down itself.
    named = [platform] if not ours.on.is_linux else [tag for tag in ours.on.tags() if not LEGACY(tag)]
    command = [sys.executable, "-m", "pip", "debug", "--verbose", "--implementation", "cp"]
    command += ["--python-version", python, "--abi", interpreter]
    done = subprocess.run(
        [*command, *(part for one in named for part in ("--platform", one))],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = [line.strip() for line in done.stdout.split("Compatible tags:")[1].splitlines()[1:]]
    expected = [str(tag) for tag in ours.tags if not LEGACY(tag.platform)]
    # Older releases of pip misspell `fat3`.
    assert expected == [line.replace("fat32", "fat3") for line in theirs if line.count("-") == 2]


UV = {
    "x86_64-manylinux_2_28": "manylinux_2_28_x86_64",
    "aarch64-manylinux_2_17": "manylinux_2_17_aarch64",
    "x86_64-unknown-linux-musl": "musllinux_1_2_x86_64",
    "x86_64-pc-windows-msvc": "win_amd64",
}
PROBED = [
    *(f"cp311-cp311-{platform}" for platform in PLATFORMS),
    *("cp311-abi3-manylinux_2_28_x86_64", "cp39-abi3-manylinux2014_aarch64", "cp312-abi3-win_amd64"),
    *("py3-none-win_amd64", "py310-none-any", "py312-none-any", "cp311-none-musllinux_1_1_x86_64"),
    *("cp311-cp311-manylinux1_x86_64", "cp311-cp311-manylinux_2_29_x86_64", "cp311-cp311-linux_x86_64"),
    *("cp311-cp311-musllinux_1_3_x86_64", "cp311-cp311t-win_amd64", "pp311-pypy311_pp73-win_amd64"),
]


@pytest.mark.parametrize("platform", UV)
def test_uv_takes_the_same_files_for_the_same_platform(platform: str, tmp_path: Path) -> None:
    """Of each probe, version 2 has one tag and version 1 fits everything."""
    with serving(Index(metadata="advertised")) as index:
        for number, tag in enumerate(PROBED):
            index.add(make_wheel(f"probe-{number}", "2", tag=tag), make_wheel(f"probe-{number}", "1"))
        wanted = "\n".join(f"probe-{number}" for number in range(len(PROBED)))
        options = ["--python-platform", platform, "--python-version", "3.11", "--no-header", "--no-annotate"]
        options += ["--no-config", "--cache-dir", str(tmp_path), "--index-url", index.simple]
        done = subprocess.run(
            [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-q", "-", *options],
            input=wanted,
            capture_output=True,
            text=True,
            check=True,
        )
    theirs = {PROBED[int(line[6:-3])] for line in done.stdout.splitlines() if line.endswith("==2")}
    ours = {str(tag) for tag in target("3.11", UV[platform]).tags}
    assert theirs == {tag for tag in PROBED if tag in ours}


def test_a_free_threaded_target_takes_its_own_abi_and_no_stable_one_of_the_other() -> None:
    tags = target("3.14t").tags
    assert Tag("cp314", "cp314t", "linux_x86_64") == tags[0]
    assert not any(tag.abi in ("abi3", "cp314") for tag in tags)


@pytest.mark.parametrize(
    ("platform", "system", "machine"),
    [
        ("macosx_11_0_arm64", ("posix", "Darwin", "darwin"), "arm64"),
        ("win_amd64", ("nt", "Windows", "win32"), "AMD64"),
        ("musllinux_1_2_aarch64", ("posix", "Linux", "linux"), "aarch64"),
    ],
)
def test_markers_are_those_of_the_targets_system(
    platform: str, system: tuple[str, str, str], machine: str
) -> None:
    environment = target(platform=platform).environment()
    names = ("os_name", "platform_system", "sys_platform")
    assert tuple(environment[name] for name in names) == system
    assert environment["platform_machine"] == machine


PATCH, RELEASE = ("python_full_version",), ("platform_release",)


@pytest.mark.parametrize(
    ("marker", "floor", "later", "exact"),
    [
        ('python_full_version < "3.11.3"', PATCH, (), ()),
        ('python_full_version != "3.11.7"', PATCH, PATCH, ()),
        ('python_full_version <= "3.11.0a6"', (), (), ()),
        ('python_full_version == "3.11.*"', (), (), ()),
        ('python_full_version < "3.11.3" and sys_platform == "win32"', (), (), ()),
        ('platform_release >= "20.0" and sys_platform == "darwin"', (), (), ()),
        ('"Microsoft" in platform_release', RELEASE, RELEASE, ()),
        ('implementation_version < "3.11.3"', PATCH, (), ()),
        ('extra == "x" and python_full_version < "3.11.3"', (), (), ()),
    ],
)
def test_a_marker_that_a_target_leaves_open_is_seen(
    marker: str, floor: tuple[str, ...], later: tuple[str, ...], exact: tuple[str, ...]
) -> None:
    stated = target("3.11", python_full_version="3.11.2", platform_release="6.1.0")
    parsed = Marker(marker)
    assert undecided(parsed, target("3.11")) == floor
    assert undecided(parsed, target("3.11.4")) == later
    assert undecided(parsed, stated) == exact


def test_requires_python_that_some_patch_releases_meet_is_seen() -> None:
    assert undecided_python("!=3.11.7,>=3.8", target("3.11"))
    assert not undecided_python("!=3.9.7,>=3.8", target("3.11"))
    assert not undecided_python(">=3.11.2", target("3.11.4"))
    assert not undecided_python("not a specifier", target("3.11"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('python = "3.12t"\nplatform = "win_amd64"', "no free-threaded build"),
        ('python = "3.12"\nplatform = "macosx_11_0_ppc"', "is not supported"),
        ('python = "3.12"\nplatform = "win_amd64"\nmarkers = { os_name = "nt" }', "is decided by python"),
        (
            'python = "3.12"\nplatform = "win32"\nmarkers = { python_full_version = "3.11.2" }',
            "not a release",
        ),
        ('python = "3.12"\nplatform = "win32"\nmarkers = { python_full_version = "x" }', "not a version"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    document = f'[project]\nname = "a"\nversion = "1"\n[[target]]\nname = "t"\n{text}\n'
    with pytest.raises(UsageError, match=message):
        parse_manifest(document.encode(), "airlock.toml", ())
