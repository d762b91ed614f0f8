"""Projects whose version comes from version control, which no build sees."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock.connected.fetch import fetch
from airlock.errors import FetchError
from airlock.kinds import Upgrade
from airlock.kinds.wheel.git import tagged
from tests.index_server import Index, serving
from tests.locking import Workplace, pins
from tests.sdist_factory import backend_wheel
from tests.wheel_factory import make_wheel

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VERSIONED = (
    'import os\nname, version = "thing", os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION", "0+unknown")\n'
)
PROJECT = '[build-system]\nrequires = ["mini-backend", "setuptools-scm"]\nbuild-backend = "mini_backend"\n'


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as server:
        server.add(backend_wheel(), make_wheel("setuptools-scm", "9.0"))
        yield server


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    directory = tmp_path / "project"
    directory.mkdir()
    return Workplace(directory=directory, index=index, cache=tmp_path / "cache")


def write(tree: Path, project: str = PROJECT) -> None:
    tree.mkdir(exist_ok=True)
    (tree / "pyproject.toml").write_text(project)
    (tree / "recipe.py").write_text(VERSIONED)


def git(tree: Path, *arguments: str) -> str:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", "-C", str(tree), *names, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits, the first of them tagged v1.2."""
    tree = tmp_path / "thing"
    write(tree)
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "one")
    git(tree, "tag", "v1.2")
    git(tree, "commit", "-q", "--allow-empty", "-m", "two")
    return tree


def test_the_projects_own_tree_has_the_version_of_the_release(place: Workplace) -> None:
    write(place.directory)
    locked = place.lock('source = "."')
    assert pins(locked) == {"thing": "1.0"}
    place.cache = place.cache.parent / "another-machine"
    with place.near() as near:
        fetch(locked, place.manifest('source = "."'), near)


def test_a_version_that_stands_in_the_project_is_its_own(place: Workplace) -> None:
    write(place.directory, PROJECT + '[project]\nname = "thing"\nversion = "7"\n')
    assert pins(place.lock('source = "."')) == {
        "thing": "0+unknown"
    }  # the backend looks at the variable, and none is set


def test_a_commit_has_the_version_of_its_tag(place: Workplace, repository: Path) -> None:
    assert pins(place.lock(f'requirements = ["thing @ git+{repository.as_uri()}@v1.2"]')) == {"thing": "1.2"}


def test_a_commit_after_a_tag_has_the_version_that_setuptools_scm_would_give_it(
    place: Workplace, repository: Path
) -> None:
    head = git(repository, "rev-parse", "HEAD")
    locked = place.lock(f'requirements = ["thing @ git+{repository.as_uri()}"]')
    assert pins(locked) == {"thing": f"1.3.dev1+g{head[:9]}"}


def test_a_tag_that_moves_changes_nothing_that_is_locked(place: Workplace, repository: Path) -> None:
    python = f'requirements = ["thing @ git+{repository.as_uri()}@main"]'
    first = place.lock(python)
    git(repository, "tag", "v2.0")
    changed = f'{python}\nconstraints = ["other<1"]'
    assert pins(place.lock(changed, previous=first)) == pins(first)
    place.cache = place.cache.parent / "another-machine"
    with place.near() as near:
        fetch(first, place.manifest(python), near)
    moved = place.lock(changed, previous=first, upgrade=Upgrade(names=frozenset({"thing"})))
    assert pins(moved) == {"thing": "2.0"}


def test_a_tag_that_was_taken_back_is_forgotten(place: Workplace, repository: Path) -> None:
    python = f'requirements = ["thing @ git+{repository.as_uri()}"]'
    place.lock(python)
    git(repository, "tag", "-d", "v1.2")
    here = pins(place.lock(python))
    place.cache = place.cache.parent / "another-machine"
    assert here == pins(place.lock(python))
    git(repository, "tag", "v3", "HEAD")
    assert pins(place.lock(python)) == {"thing": "3"}
    git(repository, "tag", "-d", "v3")
    with pytest.raises(FetchError, match="git cannot get v3"):
        place.lock(f'requirements = ["thing @ git+{repository.as_uri()}@v3"]')


@pytest.mark.parametrize(
    ("tag", "distance", "version"),
    [
        ("v1.2", 0, "1.2"),
        ("1.2.3", 4, "1.2.4.dev4+g012345678"),
        ("thing-1.2", 1, "1.3.dev1+g012345678"),
        ("release_7", 0, None),
        ("v1.0rc1", 2, "1.0rc2.dev2+g012345678"),
        ("2.0.dev0", 3, "2.0.dev3+g012345678"),
        ("0.0", 12, "0.1.dev12+g012345678"),
        ("v1.x", 0, None),
    ],
)
def test_what_tags_say(tag: str, distance: int, version: str | None) -> None:
    if version is not None:
        assert tagged(tag, distance, COMMIT, "thing") == version
        return
    with pytest.raises(FetchError, match="its version comes from the tag"):
        tagged(tag, distance, COMMIT, "thing")
