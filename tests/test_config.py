"""The kind `config`."""

from dataclasses import replace
from pathlib import Path

import pytest

from airlock.errors import AirlockError, IntegrityError, UsageError
from airlock.formats.lockfile import LockedArtifact
from airlock.kinds.config import ConfigKind
from tests.manifests import manifest_of, pin_request, write
from tests.near_side import Placed, artifact_of, near_side, raw_contents, stored

KIND = ConfigKind()


def a_config(text: str, variables: str = "", more: str = "") -> str:
    return f"[[config]]\ntext = '''{text}'''\ndestination = 'etc/a.conf'\n{more}\n[config.variables]\n{variables}\n"


def rows(tmp_path: Path, text: str) -> tuple[LockedArtifact, ...]:
    return KIND.pin(pin_request(text, near_side(tmp_path)))


def texts(tmp_path: Path, text: str) -> list[str]:
    return [row.artifact.origin["text"] for row in rows(tmp_path, text)]


def refusal(tmp_path: Path, text: str) -> AirlockError:
    with pytest.raises(UsageError) as caught:
        rows(tmp_path, text)
    return caught.value


def test_what_renders_alike_for_all_targets_is_one_row(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, a_config("{{ project.name }} {{ workers }}\n", "workers = 4", "mode = '0600'"))
    assert row.targets == ("north", "south")
    assert row.artifact.origin == {"text": "plant-gateway 4\n"}
    assert row.artifact.placement == {"destination": "etc/a.conf", "mode": "0600"}
    assert (row.artifact.name, row.artifact.file) == ("etc/a.conf", "a.conf")


def test_what_differs_between_targets_is_a_row_for_each(tmp_path: Path) -> None:
    north, south = rows(tmp_path, a_config("{{ values.site }} {{ target.platform }} {{ target.prefix }}"))
    assert (north.targets, north.artifact.origin["text"]) == (
        ("north",),
        "north manylinux_2_28_x86_64 /opt/plant",
    )
    assert (south.targets, south.artifact.origin["text"]) == (
        ("south",),
        "south manylinux_2_28_aarch64 /opt/plant",
    )


def test_a_template_file_may_include_another_of_the_project(tmp_path: Path) -> None:
    write(tmp_path / "config" / "a.j2", "{% include 'config/b.j2' %}!\n")
    write(tmp_path / "config" / "b.j2", "{{ project.version }}")
    (row,) = rows(tmp_path, "[[config]]\ntemplate = 'config/a.j2'\ndestination = 'etc/a'\n")
    assert row.artifact.origin["text"] == "2.0.0!\n"


@pytest.mark.parametrize("path", ["../outside.j2", "/etc/passwd", "link.j2"])
def test_no_template_reads_outside_of_the_project(tmp_path: Path, path: str) -> None:
    write(tmp_path / "outside.j2", "secret")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link.j2").symlink_to(tmp_path / "outside.j2")
    refusal(tmp_path / "project", a_config("{% include '" + path + "' %}"))
    refusal(tmp_path / "project", f"[[config]]\ntemplate = '{path}'\ndestination = 'etc/a'\n")


@pytest.mark.parametrize(
    ("template", "line", "what"),
    [
        ("a\n{{ missing }}", 2, "'missing' is undefined"),
        ("a\n\n{{ values.sight }}", 3, "no attribute 'sight'"),
        ("{% if %}", 1, "Expected an expression"),
        ("a\n{{ 1 / 0 }}", 2, "ZeroDivisionError"),
        ("a\n{{ ''.__class__.__mro__ }}", 2, "unsafe"),
        ("{{ [1, 2] | random }}", 1, "No filter named 'random'"),
        ("{{ lipsum() }}", 1, "'lipsum' is undefined"),
        ("{{ [1] | map('string') }}", 1, "has no text that is the same everywhere"),
        ("{% for i in range(10000000) %}{% endfor %}", 1, "Range too big"),
    ],
)
def test_a_fault_in_a_template_is_told_with_its_line(
    tmp_path: Path, template: str, line: int, what: str
) -> None:
    error = refusal(tmp_path, a_config(template))
    assert error.where == f"airlock.toml: config[0].text: line {line}"
    assert what in error.what


def test_a_fault_in_an_included_template_is_told_with_that_file(tmp_path: Path) -> None:
    write(tmp_path / "b.j2", "\n{{ missing }}")
    error = refusal(tmp_path, a_config("{% include 'b.j2' %}", "workers = 4"))
    assert error.where == "b.j2: line 2"
    assert error.hint == "names that the template has: project, target, values, workers"


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("[[config]]\ndestination = 'etc/a'", "config[0]", "expected either template or text"),
        ("[[config]]\ntemplate = 'no.j2'\ndestination = 'etc/a'", "config[0].template", "no such file"),
        (a_config("", "project = 1"), "config[0].variables.project", "not a name"),
        (a_config("", "'a-b' = 1"), "config[0].variables.a-b", "not a name"),
        (a_config("", more="mode = '7777'"), "config[0].mode", "not a file mode"),
        (a_config("a") + a_config("b"), "config[1].destination", "also the destination of config[0]"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, text: str, place: str, what: str
) -> None:
    error = refusal(tmp_path, text)
    assert error.where == f"airlock.toml: {place}"
    assert what in str(error)


def test_an_unknown_key_is_refused_with_a_guess(tmp_path: Path) -> None:
    assert refusal(tmp_path, a_config("", more="mod = '0644'")).hint == "did you mean 'mode'?"


def test_an_endless_rendering_is_stopped(tmp_path: Path) -> None:
    loops = "{% for i in range(9999) %}{% for i in range(9999) %}0123456789{% endfor %}{% endfor %}"
    assert "renders to too much" in str(refusal(tmp_path, a_config(loops)))


def test_empty_text_and_the_final_newline_are_kept(tmp_path: Path) -> None:
    assert texts(tmp_path, a_config("")) == [""]
    assert texts(tmp_path, a_config("a\n")) == ["a\n"]


def test_the_fingerprint_follows_values_and_included_files(tmp_path: Path) -> None:
    path = write(tmp_path / "b.j2", "one")
    manifest = manifest_of(a_config("{% include 'b.j2' %}"))
    before = KIND.fingerprint(manifest, "airlock.toml", tmp_path)
    path.write_text("two")
    assert KIND.fingerprint(manifest, "airlock.toml", tmp_path) != before


def test_the_text_comes_from_the_lock_alone(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "a", a_config("hello"))
    elsewhere = near_side(tmp_path / "b")
    KIND.obtain(row.artifact, None, elsewhere)
    assert stored(elsewhere, row.artifact.digest) == b"hello"


def test_a_text_that_was_edited_in_the_lock_is_refused(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, a_config("hello"))
    edited = replace(row.artifact, origin={"text": "hellO"})
    with pytest.raises(IntegrityError, match="does not match its digest"):
        KIND.obtain(edited, None, near_side(tmp_path))


def test_a_text_is_placed_with_its_mode() -> None:
    placed = Placed()
    artifact = replace(artifact_of(b"x", kind="config"), placement={"destination": "etc/a", "mode": "0640"})
    KIND.place(artifact, raw_contents(b"x"), placed.room)
    assert placed.files == {"etc/a": (b"x", 0o640)}


def test_a_hostile_placement_writes_nothing() -> None:
    placed = Placed()
    artifact = replace(
        artifact_of(b"x", kind="config"), placement={"destination": "bin/python", "mode": "0644"}
    )
    with pytest.raises(IntegrityError, match="reserved"):
        KIND.place(artifact, raw_contents(b"x"), placed.room)
    assert placed.files == {}
