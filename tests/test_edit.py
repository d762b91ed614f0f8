"""`airlock add` and `airlock remove` change one list and nothing else."""

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from airlock.connected.edit import add_requirements, remove_requirements
from airlock.errors import UsageError

MANIFEST = """\
# my plant
[project]
name = "plant"      # ours
version = "1"

[python]
requirements = [
    # the server
    "aiohttp>=3",  # why it is here
    "numpy",
    "zope-interface; python_version < '3.12'"
]

[[target]]
name = 'north'
"""


def test_a_sorted_list_stays_sorted_and_all_comments_stay() -> None:
    edited = add_requirements(MANIFEST, ["httpx>=0.27"], "airlock.toml")
    assert edited.text == MANIFEST.replace('    "numpy",\n', '    "httpx>=0.27",\n    "numpy",\n')
    assert [str(edit) for edit in edited.edits] == ["added httpx>=0.27"]


def test_the_same_name_in_any_spelling_is_replaced() -> None:
    edited = add_requirements(MANIFEST, ["Zope.Interface>=7"], "airlock.toml")
    assert edited.text == MANIFEST.replace("zope-interface; python_version < '3.12'", "Zope.Interface>=7")
    assert str(edited.edits[0]) == "Zope.Interface>=7 replaces zope-interface; python_version < '3.12'"


def test_what_is_there_changes_nothing() -> None:
    edited = add_requirements(MANIFEST, ["numpy"], "airlock.toml")
    assert edited.text == MANIFEST
    assert str(edited.edits[0]) == "numpy was there"


def test_an_unsorted_list_on_one_line_grows_at_its_end() -> None:
    edited = add_requirements("[python]\nrequirements = ['b', 'a']\n", ["aa"], "airlock.toml")
    assert edited.text == "[python]\nrequirements = ['b', 'a', \"aa\"]\n"


def test_a_manifest_without_the_list_gets_one() -> None:
    text = "[project]\nname = 'x'\n\n[[file]]\npath = 'a'\n"
    edited = add_requirements(text, ["numpy"], "airlock.toml")
    assert edited.text.startswith(text)
    assert tomlkit.parse(edited.text).unwrap()["python"] == {"requirements": ["numpy"]}


def test_removing_takes_the_line_alone() -> None:
    edited = remove_requirements(MANIFEST, ["NumPy"], "airlock.toml")
    assert edited.text == MANIFEST.replace('    "numpy",\n', "")
    assert [str(edit) for edit in edited.edits] == ["removed numpy"]


def test_a_name_that_is_not_there_is_refused_with_a_guess() -> None:
    with pytest.raises(UsageError, match="no requirement named 'nmupy'") as caught:
        remove_requirements(MANIFEST, ["nmupy"], "airlock.toml")
    assert caught.value.hint == "did you mean 'numpy'?"


@pytest.mark.parametrize(
    ("requirement", "what"),
    [
        ("numpy>>2", "at character 6"),
        ("", "at character 1"),
        ("numpy @ https://index.example/numpy.whl", "a requirement with a URL"),
    ],
)
def test_what_is_no_requirement_is_refused_with_the_place(requirement: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        add_requirements(MANIFEST, [requirement], "airlock.toml")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[python", "not valid TOML"),
        ("python = 1", "expected a table"),
        ("[python]\nrequirements = 'numpy'", "expected an array"),
        ("[python]\nrequirements = ['a b']", r"python.requirements\[0\]: not a PEP 508 requirement"),
    ],
)
def test_a_broken_manifest_is_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        add_requirements(text, ["numpy"], "airlock.toml")


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=1, unique=True), st.data())
def test_removing_undoes_adding(names: list[str], data: st.DataObject) -> None:
    manifest = MANIFEST.replace("'3.12'\"\n]", "'3.12'\",\n]")
    added = add_requirements(manifest, names, "airlock.toml").text
    listed = tomlkit.parse(added).unwrap()["python"]["requirements"]
    new = data.draw(st.permutations([name for name in names if name != "numpy"]))
    assert set(new) <= set(listed)
    if new:
        assert remove_requirements(added, new, "airlock.toml").text == manifest
