"""`airlock init` writes what the project already says."""

from pathlib import Path

import pytest

from airlock.connected.init import Found, Host, compose, find
from airlock.connected.own_version import differing_version
from airlock.connected.requirements import read_requirements
from airlock.errors import UsageError
from airlock.formats.manifest import Manifest, parse_manifest
from tests.manifests import SECTIONS, write

HOST = Host(python="3.12", machine="x86_64")


def manifest(found: Found, host: Host = HOST) -> Manifest:
    return parse_manifest(compose(found, host).encode(), "airlock.toml", SECTIONS)


def test_a_pyproject_gives_name_version_and_its_tree_which_brings_the_dependencies(tmp_path: Path) -> None:
    project = "[project]\nname = 'Plant.Gateway'\nversion = '1.2'\ndependencies = ['numpy>=2', \"tomli; python_version<'3.11'\"]\n"
    write(tmp_path / "pyproject.toml", project)
    parsed = manifest(find(tmp_path))
    assert (parsed.project.name, parsed.project.version) == ("plant-gateway", "1.2")
    assert parsed.sections["python"] == {
        "requirements": [],
        "constraints": [],
        "source": ".",
    }


def test_a_version_that_stands_twice_is_compared(tmp_path: Path) -> None:
    project = "[project]\nname = 'gateway'\nversion = '{}'\n"
    write(tmp_path / "pyproject.toml", project.format("1.2"))
    parsed = manifest(find(tmp_path))
    assert differing_version(parsed, tmp_path) is None
    write(tmp_path / "pyproject.toml", project.format("1.3.0"))
    assert "of version 1.2, and pyproject.toml" in str(differing_version(parsed, tmp_path))
    write(tmp_path / "pyproject.toml", "[project]\nname = 'gateway'\ndynamic = ['version']\n")
    assert differing_version(parsed, tmp_path) is None


def test_requirements_in_is_preferred_and_its_files_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "requirements.txt", "wrong==1\n")
    write(tmp_path / "requirements.in", "numpy>=2  # fast\n\n# comment\n-r more/base.in\n-c limits.txt\n")
    write(
        tmp_path / "more" / "base.in",
        "uvicorn[standard] \\\n  >=0.30\n--constraint=../limits.txt\nnumpy>=2\n",
    )
    write(tmp_path / "limits.txt", "urllib3<3\n")
    found = find(tmp_path)
    assert found.requirements == ("numpy>=2", "uvicorn[standard]   >=0.30")
    assert found.constraints == ("urllib3<3",)
    assert manifest(found).sections["python"] == {
        "requirements": list(found.requirements),
        "constraints": ["urllib3<3"],
    }


def test_hashes_and_indexes_are_left_out_with_a_warning(tmp_path: Path) -> None:
    text = "--index-url https://user:secret@index.example/simple/\nnumpy==2.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    found = find(write(tmp_path / "requirements.txt", text).parent)
    assert found.requirements == ("numpy==2.0",)
    assert len(found.warnings) == 2
    assert "secret" not in "".join(found.warnings)
    assert found.warnings[1].startswith("requirements.txt: hashes are left out")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("-e .", "airlock has no -e"),
        ("--no-binary :all:", "airlock has no --no-binary"),
        ("./wheels/a.whl", "not a PEP 508 requirement"),
        ("a @ https://index.example/a.whl", "a requirement with a URL"),
        ("a --config-settings x=y", "airlock has no --config-settings"),
        ("-r missing.in", "cannot be read"),
    ],
)
def test_what_a_manifest_cannot_say_is_refused_with_file_and_line(
    tmp_path: Path, line: str, what: str
) -> None:
    path = write(tmp_path / "requirements.in", f"numpy\n{line}\n")
    with pytest.raises(UsageError, match=what) as caught:
        read_requirements(path)
    assert caught.value.where == "requirements.in: line 2" or "missing.in" in caught.value.where


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    write(tmp_path / "a.in", "-r b.in\nnumpy\n")
    write(tmp_path / "b.in", "-r a.in\nhttpx\n")
    assert list(read_requirements(tmp_path / "a.in").requirements) == ["httpx", "numpy"]


def test_an_empty_project_still_gives_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "My Plant!").mkdir()
    parsed = manifest(find(tmp_path / "My Plant!"))
    assert parsed.project.name == "my-plant"
    assert parsed.sections["python"] == {"requirements": [], "constraints": []}


@pytest.mark.parametrize(
    ("machine", "platform"),
    [("x86_64", "manylinux_2_28_x86_64"), ("arm64", "manylinux_2_28_aarch64")],
)
def test_the_first_target_is_like_this_machine(machine: str, platform: str) -> None:
    (declared,) = manifest(Found(name="a", version="1"), Host(python="3.13", machine=machine)).targets
    assert (declared.target.python, declared.target.platform) == ("3.13", platform)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[project", "pyproject.toml: not valid TOML"),
        ("[project]\nname = 'a'\nversion = 'one'", "pyproject.toml: project.version: not a PEP 440 version"),
        ("[project]\nname = 'a'\ndependencies = ['a b']", r"project.dependencies\[0\]: not a PEP 508"),
    ],
)
def test_a_broken_pyproject_is_told_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    write(tmp_path / "pyproject.toml", text)
    with pytest.raises(UsageError, match=what):
        find(tmp_path)


def test_dynamic_fields_are_warned_of(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[project]\nname = 'a'\ndynamic = ['version', 'dependencies']\n")
    found = find(tmp_path)
    assert len(found.warnings) == 2
    assert manifest(found).project.version == "0.1.0"


def test_an_editable_project_is_told_where_a_manifest_has_its_own_tree(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_requirements(write(tmp_path / "requirements.in", "-e .\n"))
    assert caught.value.hint is not None
    assert 'source = "."' in caught.value.hint
