"""Everything that `[python]` can say: groups, overrides, excludes, policies, rules for names, direct references."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock.errors import FetchError, IntegrityError, ResolutionError, UsageError
from airlock.formats.lockfile import Lockfile
from airlock.kinds import Upgrade
from airlock.kinds.wheel.obtain import obtain
from tests.index_server import Index, serving
from tests.locking import PLANT, Workplace, pins
from tests.wheel_factory import make_wheel

MUSL = ("edge", "3.12", "musllinux_1_2_aarch64")


@pytest.fixture
def index() -> Iterator[Index]:
    with serving(Index()) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, index: Index) -> Workplace:
    (tmp_path / "project").mkdir()
    return Workplace(directory=tmp_path / "project", index=index, cache=tmp_path / "cache")


def origin(locked: Lockfile, name: str, target: str = "plant") -> dict[str, str]:
    [found] = [one for one in locked.artifacts_for(target) if one.name == name]
    return dict(found.origin)


# Groups


def test_dependency_groups_are_taken_with_what_they_include(place: Workplace, index: Index) -> None:
    index.add(make_wheel("web", "1"), make_wheel("base", "1"), make_wheel("lint", "1"))
    (place.directory / "pyproject.toml").write_text(
        "[dependency-groups]\n"
        'prod = ["web", { include-group = "Common" }, "other; python_version < \'3.9\'"]\n'
        'common = ["base>=1"]\ndev = ["lint"]\n'
    )
    assert place.pins('groups = ["prod"]') == {"web": "1", "base": "1"}


def test_a_group_that_changes_is_a_change_of_the_manifest(place: Workplace, index: Index) -> None:
    index.add(make_wheel("web", "1"), make_wheel("base", "1"))
    project = place.directory / "pyproject.toml"
    project.write_text('[dependency-groups]\nprod = ["web"]\n')
    first = place.lock('groups = ["prod"]')
    project.write_text('[dependency-groups]\nprod = ["base"]\n')
    assert pins(place.lock('groups = ["prod"]', previous=first)) == {"base": "1"}


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("prod = ['a b']", "groups of pyproject.toml cannot be read"),
        ("prod = [{ include-group = 'prod' }]", "[Cc]yclic"),
        ("other = []", "'prod' not found"),
        ("prod = ['a @ /srv/a.whl']", "a path is relative to the manifest"),
    ],
)
def test_a_group_that_cannot_be_meant_is_told(place: Workplace, groups: str, message: str) -> None:
    (place.directory / "pyproject.toml").write_text(f"[dependency-groups]\n{groups}\n")
    with pytest.raises(UsageError, match=message) as caught:
        place.lock('groups = ["prod"]')
    assert caught.value.where == "airlock.toml: python.groups"


# Overrides and excludes


def test_an_override_takes_the_place_of_what_packages_and_the_manifest_ask_for(
    place: Workplace, index: Index
) -> None:
    index.add(
        make_wheel("app", "1", requires=["lib[fast]<2"]), make_wheel("lib", "1"), make_wheel("speed", "1")
    )
    index.add(make_wheel("lib", "2", requires=["speed; extra == 'fast'"], extras=["fast"]))
    asked = 'requirements = ["app", "lib<2"]\n'
    assert place.pins(asked)["lib"] == "1"
    overridden = place.pins(asked + 'overrides = [{ requirement = "lib>=2", reason = "1 loses data" }]')
    assert overridden == {"app": "1", "lib": "2", "speed": "1"}, "extras that were asked for stay"


def test_an_override_of_one_package_leaves_the_others_alone(place: Workplace, index: Index) -> None:
    index.add(make_wheel("old", "1", requires=["lib<2"]), make_wheel("lib", "1"), make_wheel("lib", "2"))
    index.add(make_wheel("new", "1", requires=["lib>=2"]))
    python = 'requirements = ["old", "new"]\noverrides = [{ requirement = "lib", of = "old" }]'
    assert place.pins(python) == {"old": "1", "new": "1", "lib": "2"}
    assert place.pins(python.replace('of = "old"', 'of = "new"'))["lib"] == "1"


def test_an_override_whose_marker_does_not_hold_takes_the_requirement_away(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("app", "1", requires=["lib"]))
    assert place.pins('requirements = ["app"]\noverrides = ["lib; sys_platform == \'win32\'"]') == {
        "app": "1"
    }


def test_an_excluded_package_is_not_even_asked_for(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1", requires=["telemetry"]), make_wheel("telemetry", "1"))
    python = 'requirements = ["app"]\nexcludes = [{ requirement = "telemetry", reason = "no network there" }]'
    assert place.pins(python) == {"app": "1"}
    assert index.asked("telemetry") == []


def test_the_reason_of_a_constraint_is_told_in_a_conflict_and_changes_no_lock(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1"), make_wheel("lib", "2"))
    reasoned = 'constraints = [{ requirement = "lib<2", reason = "2 needs AVX" }]'
    with pytest.raises(ResolutionError, match=r"airlock.toml constrains lib<2 \(2 needs AVX\)"):
        place.lock(f'requirements = ["lib>=2"]\n{reasoned}')
    plain = place.lock('requirements = ["lib"]\nconstraints = ["lib<2"]')
    assert place.lock(f'requirements = ["lib"]\n{reasoned}').inputs == plain.inputs


# Policies


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("", {"both": "1", "early": "1rc1", "named": "2rc1"}),
        ('prereleases = "allow"', {"both": "2rc1", "early": "1rc1", "named": "2rc1"}),
        ('[python.packages.both]\nprereleases = "allow"', {"both": "2rc1", "early": "1rc1", "named": "2rc1"}),
        ('[python.packages."b*"]\nprereleases = "allow"', {"both": "2rc1", "early": "1rc1", "named": "2rc1"}),
    ],
)
def test_pre_releases_are_taken_as_the_policy_says(
    place: Workplace, index: Index, policy: str, expected: dict[str, str]
) -> None:
    index.add(make_wheel("both", "1"), make_wheel("both", "2rc1"), make_wheel("early", "1rc1"))
    index.add(make_wheel("named", "1"), make_wheel("named", "2rc1"))
    assert place.pins(f'requirements = ["both", "early", "named>=2rc1"]\n{policy}') == expected


@pytest.mark.parametrize(("policy", "asked"), [("explicit", "early"), ("never", "early>=1rc1")])
def test_a_policy_without_pre_releases_takes_none_where_nothing_else_is_left(
    place: Workplace, index: Index, policy: str, asked: str
) -> None:
    index.add(make_wheel("early", "1rc1"))
    with pytest.raises(ResolutionError, match="early"):
        place.lock(f'requirements = ["{asked}"]\nprereleases = "{policy}"')


def test_one_package_can_have_another_cutoff_or_none(place: Workplace, index: Index) -> None:
    for name in ("all", "own", "acme-core"):
        index.add(make_wheel(name, "1"), upload_time="2026-01-01T00:00:00Z")
        index.add(make_wheel(name, "2"), upload_time="2026-05-01T00:00:00Z")
        index.add(make_wheel(name, "3"), upload_time="2026-09-01T00:00:00Z")
    index.add(make_wheel("acme-core", "4"))
    assert place.pins(
        'requirements = ["all", "own", "acme-core"]\nexclude-newer = 2026-03-01T00:00:00Z\n'
        "[python.packages.own]\nexclude-newer = 2026-06-01T00:00:00Z\n"
        '[python.packages."acme-*"]\nexclude-newer = false\n'
    ) == {"all": "1", "own": "2", "acme-core": "4"}


def test_a_file_without_an_upload_time_does_not_exist_before_any_cutoff_and_is_told(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("lib", "1"))
    with pytest.raises(ResolutionError, match="has no upload time, which exclude-newer needs"):
        place.lock('requirements = ["lib"]\nexclude-newer = 2026-03-01T00:00:00Z')


def test_local_versions_answer_their_public_version_and_can_be_named(place: Workplace, index: Index) -> None:
    index.add(make_wheel("torch", "2.0"), make_wheel("torch", "2.0+cpu"), make_wheel("torch", "2.0+cu118"))
    assert place.pins('requirements = ["torch==2.0"]') == {"torch": "2.0+cu118"}
    assert place.pins('requirements = ["torch==2.0+cpu"]') == {"torch": "2.0+cpu"}


def test_a_withdrawn_file_stands_back_behind_others_of_its_version(place: Workplace, index: Index) -> None:
    index.add(make_wheel("lib", "1", tag="cp311-cp311-manylinux_2_28_x86_64"), yanked="broken build")
    index.add(make_wheel("lib", "1"))
    [artifact] = place.lock('requirements = ["lib"]').artifacts_for("plant")
    assert artifact.file == "lib-1-py3-none-any.whl"
    assert place.reporter.warnings == []


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("status", ["archived", "deprecated"])
def test_a_project_without_a_future_is_told_once(
    place: Workplace, index: Index, status: str, json: bool
) -> None:
    index.json = json
    index.add(make_wheel("lib", "1"))
    index.status["lib"] = {"status": status, "reason": "use other"}
    assert place.pins('requirements = ["lib"]') == {"lib": "1"}
    assert place.reporter.warnings == [f"lib is {status}: use other"]


@pytest.mark.parametrize("said", [{"status": "quarantined", "reason": "malware"}, "quarantined"])
def test_a_project_in_quarantine_is_refused(
    place: Workplace, index: Index, said: dict[str, str] | str
) -> None:
    index.add(make_wheel("app", "1", requires=["lib"]), make_wheel("lib", "1"))
    index.status["lib"] = said
    with pytest.raises(ResolutionError, match="lib is in quarantine on the index 'default', quarantined"):
        place.lock('requirements = ["app"]')


# Markers


def test_what_one_allowed_patch_release_needs_is_carried_to_all(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1", requires=["backport; python_full_version < '3.11.3'"]))
    index.add(make_wheel("backport", "1"))
    assert place.pins('requirements = ["app"]') == {"app": "1", "backport": "1"}
    place.targets = (("plant", "3.11.4", PLANT[2]),)
    assert place.pins('requirements = ["app"]') == {"app": "1"}
    place.exact = {"python_full_version": "3.11.2"}
    place.targets = (PLANT,)
    assert place.pins('requirements = ["app"]') == {"app": "1", "backport": "1"}


def test_a_python_that_only_some_patch_releases_are_is_told(place: Workplace, index: Index) -> None:
    index.add(
        make_wheel("lib", "1", requires_python=">=3.8,!=3.11.7"),
        make_wheel("fine", "1", requires_python="!=3.9.7"),
    )
    assert place.pins('requirements = ["lib", "fine"]') == {"lib": "1", "fine": "1"}
    [warning] = place.reporter.warnings
    assert warning.startswith(("lib 1 needs Python !=3.11.7,>=3.8", "lib 1 needs Python >=3.8,!=3.11.7"))


def test_a_marker_that_asks_for_the_kernel_demands_an_exact_value(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1", requires=["driver; platform_release >= '5'"]), make_wheel("driver", "1"))
    with pytest.raises(ResolutionError, match="target plant does not say what markers ask for") as caught:
        place.lock('requirements = ["app"]')
    assert "driver; platform_release >= " in str(caught.value)
    assert 'markers = { platform_release = "…" }' in str(caught.value.hint)
    place.exact = {"platform_release": "6.1.0"}
    assert place.pins('requirements = ["app"]') == {"app": "1", "driver": "1"}


# Indexes


def test_dependency_confusion_is_refused_and_the_lines_to_write_are_told(
    place: Workplace, index: Index
) -> None:
    """An attacker puts a name of the company's own onto the public index, with a version that wins."""
    index.add(make_wheel("app", "1", requires=["acme-core"]), make_wheel("acme-core", "99"))
    with serving(Index()) as corp:
        corp.add(make_wheel("acme-core", "1"))
        place.indexes = {"corp": corp.simple}
        with pytest.raises(
            ResolutionError, match=r"stands on more than one index \(default, corp\)"
        ) as caught:
            place.lock('requirements = ["app"]')
        line = 'acme-core = "corp"'
        assert line in str(caught.value.hint)
        asked = len(index.asked("acme-core"))
        assert place.pins(f'requirements = ["app"]\n[python.sources]\n{line}') == {
            "app": "1",
            "acme-core": "1",
        }
        assert len(index.asked("acme-core")) == asked, "the public index is not even asked"


def test_a_pattern_sends_what_is_needed_further_down_to_its_index_too(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1", requires=["acme-core"]), make_wheel("acme-util", "99"))
    with serving(Index()) as corp, serving(Index()) as labs:
        corp.add(
            make_wheel("acme-core", "1", requires=["ACME_util", "acme-lab-x"]), make_wheel("acme-util", "1")
        )
        labs.add(make_wheel("acme-lab-x", "1"))
        place.indexes = {"corp": corp.simple, "labs": labs.simple}
        python = 'requirements = ["app"]\n[python.sources]\n"acme-*" = "corp"\n"acme-lab-*" = "labs"'
        locked = place.lock(python)
        found = {one.name: one.origin["index"] for one in locked.artifacts_for("plant")}
        assert found == {"app": "default", "acme-core": "corp", "acme-util": "corp", "acme-lab-x": "labs"}


def test_an_explicit_index_is_asked_only_for_what_is_sent_there(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1"))
    with serving(Index()) as corp:
        corp.add(make_wheel("app", "2"))
        place.indexes, place.explicit = {"corp": corp.simple}, {"corp"}
        assert place.pins('requirements = ["app"]') == {"app": "1"}
        assert corp.log == []
        assert place.pins('requirements = ["app"]\nsources = { app = "corp" }') == {"app": "2"}


def test_an_index_that_fails_is_never_passed_over_for_another(place: Workplace, index: Index) -> None:
    index.add(make_wheel("app", "1"))
    with serving(Index()) as corp:
        corp.raw["/simple/app/"] = (403, {}, b"")
        place.indexes = {"corp": corp.simple}
        with pytest.raises(FetchError, match="index corp: app: the server refused"):
            place.lock('requirements = ["app"]')


# Attestations


def publisher(**claims: str) -> dict[str, object]:
    return {
        "version": 1,
        "attestation_bundles": [{"publisher": {"kind": "GitHub", **claims}, "attestations": [{}]}],
    }


@pytest.mark.parametrize("json", [True, False])
def test_who_published_a_file_is_recorded_and_a_change_is_told(
    place: Workplace, index: Index, json: bool
) -> None:
    index.json = json
    for version in ("1", "2", "3"):
        index.add(make_wheel("lib", version))
    file = "lib-{}-py3-none-any.whl"
    index.provenance[file.format(1)] = publisher(repository="acme/lib", workflow="release.yml")
    index.provenance[file.format(2)] = publisher(repository="evil/lib", workflow="release.yml")
    upgrade = Upgrade(everything=True)
    first = place.lock('requirements = ["lib==1"]')
    assert origin(first, "lib") | {"metadata": ""} == {
        "index": "default",
        "metadata": "",
        "publisher": "GitHub",
        "repository": "acme/lib",
        "workflow": "release.yml",
    }
    second = place.lock('requirements = ["lib==2"]', previous=first, upgrade=upgrade)
    assert place.reporter.warnings == [
        "lib 2 has another publisher than before: GitHub evil/lib release.yml, was GitHub acme/lib release.yml"
    ]
    place.lock('requirements = ["lib==3"]', previous=second, upgrade=upgrade)
    assert place.reporter.warnings[1:] == [
        "lib 3 has no attestation of its publisher any more, was GitHub evil/lib release.yml"
    ]


@pytest.mark.parametrize(
    "document", [[], {"attestation_bundles": [{"publisher": 7}]}, {"attestation_bundles": 1}]
)
def test_attestations_that_make_no_sense_are_none(place: Workplace, index: Index, document: object) -> None:
    index.add(make_wheel("lib", "1"))
    index.provenance["lib-1-py3-none-any.whl"] = document or {"x": 1}
    assert "publisher" not in origin(place.lock('requirements = ["lib"]'), "lib")


def test_attestations_are_not_asked_for_where_nobody_wants_them(place: Workplace, index: Index) -> None:
    index.add(make_wheel("lib", "1"))
    index.provenance["lib-1-py3-none-any.whl"] = publisher(repository="acme/lib")
    assert "publisher" not in origin(place.lock('requirements = ["lib"]\nattestations = false'), "lib")
    assert index.asked("/provenance/") == []


# Direct references


def test_a_wheel_at_an_address_is_pinned_without_its_host(place: Workplace, index: Index) -> None:
    index.add(make_wheel("dep", "1"), make_wheel("lib", "66"))
    with serving(Index()) as elsewhere:
        wheel = make_wheel("lib", "1", requires=["dep; extra == 'x'"], extras=["x"])
        elsewhere.add(wheel)
        url = f"{elsewhere.url}/files/{wheel.file}"
        locked = place.lock(f'requirements = ["lib[x] @ {url}"]')
        assert pins(locked) == {"lib": "1", "dep": "1"}
        assert origin(locked, "lib") == {"reference": "url"}
        hashed = place.lock(f'requirements = ["lib @ {url}#sha256={wheel.sha256}"]')
        assert pins(hashed) == {"lib": "1"}
        with pytest.raises(IntegrityError, match="is another file than the manifest says"):
            place.lock(f'requirements = ["lib @ {url}#sha256={"0" * 64}"]')
        [artifact] = [one for one in locked.artifacts_for("plant") if one.name == "lib"]
        place.cache = place.cache.parent / "another-machine"
        with place.near() as near:
            obtain(artifact, place.manifest(f'requirements = ["lib[x] @ {url}"]'), near)
            assert near.store.path(artifact.digest).read_bytes() == wheel.data
            with pytest.raises(IntegrityError, match="no manifest beside the lock has it"):
                place.cache = place.cache.parent / "a-third"
                with place.near() as third:
                    obtain(artifact, place.manifest("requirements = []"), third)


def test_an_address_that_serves_another_file_since_is_refused(place: Workplace) -> None:
    with serving(Index()) as elsewhere:
        elsewhere.add(make_wheel("lib", "1"))
        python = f'requirements = ["lib @ {elsewhere.url}/files/lib-1-py3-none-any.whl"]'
        first = place.lock(python)
        elsewhere.projects["lib"] = []
        elsewhere.add(make_wheel("lib", "1", files={"lib.py": b"evil = 1\n"}))
        place.cache = place.cache.parent / "another-machine"
        changed = python + '\nconstraints = ["other<1"]'
        with pytest.raises(IntegrityError, match="is another file than was locked") as caught:
            place.lock(changed, previous=first)
        assert "--upgrade-package lib" in str(caught.value.hint)
        moved = place.lock(changed, previous=first, upgrade=Upgrade(names=frozenset({"lib"})))
        assert moved.artifacts[0].artifact.digest != first.artifacts[0].artifact.digest


def test_a_local_wheel_is_pinned_by_its_path_and_each_target_has_its_own(place: Workplace) -> None:
    place.targets = (PLANT, MUSL)
    wheels = [
        make_wheel("lib", "1", tag="cp311-cp311-manylinux_2_17_x86_64"),
        make_wheel("lib", "1", tag="cp312-cp312-musllinux_1_1_aarch64"),
    ]
    for wheel in wheels:
        (place.directory / wheel.file).write_bytes(wheel.data)
    glibc, musl = (
        f"lib @ ./{wheel.file} ; python_version == '{minor}'"
        for wheel, minor in zip(wheels, ("3.11", "3.12"), strict=True)
    )
    locked = place.lock(f'requirements = ["{glibc}", "{musl}"]')
    assert {one.artifact.file: one.targets for one in locked.artifacts} == {
        wheels[0].file: ("plant",),
        wheels[1].file: ("edge",),
    }
    assert origin(locked, "lib") == {"reference": "path", "path": wheels[0].file}
    with pytest.raises(UsageError, match="lib comes from two places on target plant"):
        place.lock(f'requirements = ["lib @ ./{wheels[0].file}", "lib @ ./{wheels[1].file}"]')
    with pytest.raises(ResolutionError, match="named for lib does not fit target edge"):
        place.lock(f'requirements = ["lib @ ./{wheels[0].file}"]')


def test_a_local_wheel_that_changes_is_a_change_of_the_manifest(place: Workplace) -> None:
    path, python = (
        place.directory / "lib-1-py3-none-any.whl",
        'requirements = ["lib @ file:lib-1-py3-none-any.whl"]',
    )
    path.write_bytes(make_wheel("lib", "1").data)
    first = place.lock(python)
    path.write_bytes(make_wheel("lib", "1", files={"lib.py": b"new = 1\n"}).data)
    second = place.lock(python, previous=first)
    assert second.artifacts[0].artifact.digest != first.artifacts[0].artifact.digest


@pytest.mark.parametrize(
    ("file", "name", "message"),
    [
        ("lib-1-py3-none-any.whl", "other", "is another package"),
        ("lib.whl", "lib", "[Ii]nvalid wheel filename"),
        ("gone-1-py3-none-any.whl", "gone", "cannot be read"),
        ("lib-2-py3-none-any.whl", "lib", "says it is lib 1"),
    ],
)
def test_a_local_wheel_that_is_something_else_is_refused(
    place: Workplace, file: str, name: str, message: str
) -> None:
    for copy in ("lib-1-py3-none-any.whl", "lib-2-py3-none-any.whl", "lib.whl"):
        (place.directory / copy).write_bytes(make_wheel("lib", "1").data)
    with pytest.raises((UsageError, ResolutionError), match=message):
        place.lock(f'requirements = ["{name} @ ./{file}"]')


def test_an_override_may_be_a_direct_reference_and_asks_for_nothing_by_itself(
    place: Workplace, index: Index
) -> None:
    index.add(
        make_wheel("app", "1", requires=["lib @ https://index.example/lib.whl"]), make_wheel("other", "1")
    )
    (place.directory / "lib-1-py3-none-any.whl").write_bytes(make_wheel("lib", "1").data)
    override = 'overrides = ["lib @ ./lib-1-py3-none-any.whl"]'
    assert place.pins(f'requirements = ["app"]\n{override}') == {"app": "1", "lib": "1"}
    assert place.pins(f'requirements = ["other"]\n{override}') == {"other": "1"}


# Repositories

BACKEND = """
import base64, hashlib, pathlib, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(directory, config_settings=None, metadata_directory=None):
    version = pathlib.Path("VERSION").read_text().strip()
    name = f"lib-{version}-py3-none-any.whl"
    info = f"lib-{version}.dist-info"
    files = {
        "lib.py": pathlib.Path("lib.py").read_text(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: lib\\nVersion: {version}\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def git(directory: Path, *arguments: str) -> str:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", "-C", str(directory), *names, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(directory: Path, version: str) -> str:
    (directory / "VERSION").write_text(version)
    (directory / "lib.py").write_text(f"VERSION = {version!r}\n")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", version)
    return git(directory, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    directory = tmp_path / "repository"
    directory.mkdir()
    git(directory, "init", "-q")
    (directory / "backend.py").write_text(BACKEND)
    (directory / "pyproject.toml").write_text(PROJECT)
    return directory


def test_a_repository_is_pinned_to_a_commit_and_stays_there_until_an_upgrade(
    place: Workplace, repository: Path
) -> None:
    first = commit(repository, "1")
    python = f'requirements = ["lib @ git+file://{repository}@main"]'
    locked = place.lock(python)
    assert pins(locked) == {"lib": "1"}
    found = origin(locked, "lib")
    assert (found["reference"], found["commit"], found["revision"]) == ("git", first, "main")
    assert found["tree"] == git(repository, "rev-parse", "HEAD^{tree}")
    assert str(repository) not in str(found)
    second = commit(repository, "2")
    changed = python + '\nconstraints = ["other<1"]'
    kept = place.lock(changed, previous=locked)
    assert (pins(kept), origin(kept, "lib")["commit"]) == ({"lib": "1"}, first)
    moved = place.lock(changed, previous=locked, upgrade=Upgrade(names=frozenset({"lib"})))
    assert (pins(moved), origin(moved, "lib")["commit"]) == ({"lib": "2"}, second)


def test_a_commit_or_a_tag_may_be_named_and_the_archive_is_the_same_from_another_machine(
    place: Workplace, repository: Path
) -> None:
    first = commit(repository, "1")
    git(repository, "tag", "v1")
    commit(repository, "2")
    by_tag = place.lock(f'requirements = ["lib @ git+file://{repository}@v1"]')
    place.cache = place.cache.parent / "another-machine"
    by_commit = place.lock(f'requirements = ["lib @ git+file://{repository}@{first[:10]}"]')
    one, two = origin(by_tag, "lib"), origin(by_commit, "lib")
    assert (pins(by_tag), pins(by_commit)) == ({"lib": "1"}, {"lib": "1"})
    assert one["archive-sha256"] == two["archive-sha256"]
    assert [a.artifact.digest for a in by_tag.artifacts] == [a.artifact.digest for a in by_commit.artifacts]


def test_a_wheel_of_a_commit_is_built_again_where_the_store_lost_it(
    place: Workplace, repository: Path
) -> None:
    commit(repository, "1")
    python = f'requirements = ["lib @ git+file://{repository}@main"]'
    locked = place.lock(python)
    commit(repository, "2")
    place.cache = place.cache.parent / "another-machine"
    [artifact] = locked.artifacts_for("plant")
    with place.near() as near:
        obtain(artifact, place.manifest(python), near)
        assert artifact.digest in near.store


def test_no_code_runs_for_a_lock_that_no_manifest_stands_beside(place: Workplace, repository: Path) -> None:
    commit(repository, "1")
    [artifact] = place.lock(f'requirements = ["lib @ git+file://{repository}@main"]').artifacts_for("plant")
    place.cache = place.cache.parent / "another-machine"
    with place.near() as near, pytest.raises(IntegrityError, match="no manifest beside the lock has it"):
        obtain(artifact, None, near)


def test_a_project_below_a_repositorys_top_is_built_alone(place: Workplace, repository: Path) -> None:
    below = repository / "packages" / "lib"
    below.mkdir(parents=True)
    for file in ("backend.py", "pyproject.toml"):
        (repository / file).rename(below / file)
    commit(below, "3")
    locked = place.lock(f'requirements = ["lib @ git+file://{repository}#subdirectory=packages/lib"]')
    assert pins(locked) == {"lib": "3"}
    assert origin(locked, "lib")["subdirectory"] == "packages/lib"


def test_a_repository_or_revision_that_is_not_there_is_told_without_its_address(
    place: Workplace, repository: Path
) -> None:
    commit(repository, "1")
    with pytest.raises(FetchError, match="git cannot get v9 of the repository") as caught:
        place.lock(f'requirements = ["lib @ git+file://{repository}@v9"]')
    assert str(repository) not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(FetchError, match="git cannot get its default branch"):
        place.lock(f'requirements = ["lib @ git+file://{repository}-gone"]')


def test_a_repository_with_submodules_is_refused(place: Workplace, repository: Path) -> None:
    inner = commit(repository, "1")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{inner},vendored")
    git(repository, "commit", "-q", "-m", "module")
    with pytest.raises(FetchError, match="has submodules"):
        place.lock(f'requirements = ["lib @ git+file://{repository}"]')


def test_a_directory_is_built_and_a_change_of_it_is_a_change_of_the_manifest(
    place: Workplace, repository: Path
) -> None:
    tree = place.directory / "libs" / "lib"
    tree.parent.mkdir()
    repository.rename(tree)
    commit(tree, "1")
    python = 'requirements = ["lib @ ./libs/lib"]'
    first = place.lock(python)
    assert pins(first) == {"lib": "1"}
    assert origin(first, "lib")["path"] == "libs/lib"
    (tree / "VERSION").write_text("2")
    assert pins(place.lock(python, previous=first)) == {"lib": "2"}


def test_a_source_archive_at_an_address_or_path_is_built_and_pinned(
    place: Workplace, repository: Path
) -> None:
    commit(repository, "1")
    archive = place.directory / "lib-1.tar.gz"
    git(repository, "archive", "--format=tar.gz", "--prefix=lib-1/", "-o", str(archive), "HEAD")
    locked = place.lock('requirements = ["lib @ ./lib-1.tar.gz"]')
    assert pins(locked) == {"lib": "1"}
    with serving(Index()) as elsewhere:
        elsewhere.raw["/lib-1.tar.gz"] = (200, {}, archive.read_bytes())
        python = f'requirements = ["lib @ {elsewhere.url}/lib-1.tar.gz"]'
        remote = place.lock(python)
        assert origin(remote, "lib")["archive-sha256"] == origin(locked, "lib")["archive-sha256"]
        place.cache = place.cache.parent / "another-machine"
        with place.near() as near:
            [artifact] = remote.artifacts_for("plant")
            obtain(artifact, place.manifest(python), near)
            assert artifact.digest in near.store


def test_a_project_below_the_top_of_a_source_archive_is_built_alone(
    place: Workplace, repository: Path
) -> None:
    (repository / "packages").mkdir()
    commit(repository, "1")
    for file in ("backend.py", "pyproject.toml", "VERSION", "lib.py"):
        git(repository, "mv", file, f"packages/{file}")
    git(repository, "commit", "-q", "-m", "below")
    archive = place.directory / "all-1.tar.gz"
    git(repository, "archive", "--format=tar.gz", "--prefix=all-1/", "-o", str(archive), "HEAD")
    python = 'requirements = ["lib @ ./all-1.tar.gz#subdirectory=packages"]'
    locked = place.lock(python)
    assert pins(locked) == {"lib": "1"}
    assert origin(locked, "lib")["subdirectory"] == "packages"
    place.cache = place.cache.parent / "another-machine"
    with place.near() as near:
        [artifact] = locked.artifacts_for("plant")
        obtain(artifact, place.manifest(python), near)
        assert artifact.digest in near.store
    with pytest.raises(ResolutionError, match="has no directory 'elsewhere', which #subdirectory= names"):
        place.lock('requirements = ["lib @ ./all-1.tar.gz#subdirectory=elsewhere"]')
    with pytest.raises(UsageError, match=r"leads out of the archive"):
        place.lock('requirements = ["lib @ ./all-1.tar.gz#subdirectory=../x"]')
    with pytest.raises(UsageError, match=r"#subdirectory= is of source archives and git repositories alone"):
        place.lock('requirements = ["lib @ ./lib-1-py3-none-any.whl#subdirectory=x"]')


# Targets


def both(place: Workplace) -> None:
    place.targets = (PLANT, MUSL)


def test_an_earlier_target_takes_the_version_that_a_later_one_is_bound_to(
    place: Workplace, index: Index
) -> None:
    both(place)
    index.add(make_wheel("app", "1"), make_wheel("app", "2"))
    index.add(make_wheel("fast", "1"), make_wheel("fast", "2", tag="cp311-cp311-manylinux_2_28_x86_64"))
    locked = place.lock('requirements = ["app", "fast"]')
    assert pins(locked, "plant") == pins(locked, "edge") == {"app": "2", "fast": "1"}
    assert locked.versions_apart() == {}


def test_what_cannot_be_the_same_differs_and_the_lock_says_where(place: Workplace, index: Index) -> None:
    both(place)
    index.add(
        make_wheel("old", "1", requires_python="<3.12"), make_wheel("old", "2", requires_python=">=3.12")
    )
    index.add(make_wheel("same", "1"), make_wheel("same", "2", requires_python="<3.12"))
    locked = place.lock('requirements = ["old", "same"]')
    assert pins(locked, "plant") == {"old": "1", "same": "1"}
    assert locked.versions_apart() == {("wheel", "old"): {"1": ("plant",), "2": ("edge",)}}


def test_pins_of_the_lock_before_are_not_moved_for_the_sake_of_agreement(
    place: Workplace, index: Index
) -> None:
    index.add(make_wheel("fast", "1"), make_wheel("fast", "2", tag="cp311-cp311-manylinux_2_28_x86_64"))
    python = 'requirements = ["fast"]'
    first = place.lock(python)
    both(place)
    second = place.lock(python, previous=first)
    assert second.versions_apart() == {("wheel", "fast"): {"1": ("edge",), "2": ("plant",)}}
    moved = place.lock(python, previous=second, upgrade=Upgrade(names=frozenset({"fast"})))
    assert moved.versions_apart() == {}
