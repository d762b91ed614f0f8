"""The kind `file`."""

from dataclasses import replace
from pathlib import Path

import pytest

from airlock.core.digest import digest_of, hex_of
from airlock.core.expanded import Member
from airlock.errors import AirlockError, FetchError, IntegrityError, UsageError
from airlock.kinds.file import FileKind
from tests.manifests import manifest_of, pin_request, write
from tests.near_side import FakeWeb, Placed, artifact_of, near_side, raw_contents, stored

URL = "https://files.example/model%20a.bin"
KIND = FileKind()


def a_file(**keys: str) -> str:
    keys = {"path": "'files/banner.txt'", "destination": "'share/banner.txt'"} | keys
    return "[[file]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value)


def refusal(tmp_path: Path, text: str) -> AirlockError:
    write(tmp_path / "files" / "banner.txt", "hello\n")
    with pytest.raises(UsageError) as caught:
        KIND.pin(pin_request(text, near_side(tmp_path)))
    return caught.value


def test_a_local_file_is_pinned_and_stored(tmp_path: Path) -> None:
    write(tmp_path / "files" / "banner.txt", "hello\n")
    near = near_side(tmp_path)
    (row,) = KIND.pin(pin_request(a_file(mode="'0755'"), near))
    assert row.targets == ("north", "south")
    assert row.artifact.key == ("file", "share/banner.txt")
    assert (row.artifact.file, row.artifact.size) == ("banner.txt", 6)
    assert row.artifact.placement == {"destination": "share/banner.txt", "mode": "0755"}
    assert row.artifact.origin == {"path": "files/banner.txt"}
    assert stored(near, row.artifact.digest) == b"hello\n"


def test_a_url_is_asked_once_to_learn_its_size(tmp_path: Path) -> None:
    web = FakeWeb({URL: b"model"})
    text = a_file(path="", url=f"'{URL}'", sha256=f"'{hex_of(digest_of(b'model'))}'", targets="['south']")
    near = near_side(tmp_path, web)
    (row,) = KIND.pin(pin_request(text, near))
    assert (row.artifact.file, row.artifact.size, row.targets) == ("model a.bin", 5, ("south",))
    assert row.artifact.origin == {"url": URL}
    KIND.obtain(row.artifact, None, near)
    assert web.asked == [(URL, 0)]


def test_a_url_that_serves_something_else_is_refused(tmp_path: Path) -> None:
    text = a_file(path="", url=f"'{URL}'", sha256=f"'{'0' * 64}'")
    with pytest.raises(IntegrityError, match="content does not match its digest"):
        KIND.pin(pin_request(text, near_side(tmp_path, FakeWeb({URL: b"model"}))))


@pytest.mark.parametrize(
    ("keys", "place", "what"),
    [
        ({"path": "'../etc/passwd'"}, "file[0].path", "unsafe path"),
        ({"path": "'/etc/passwd'"}, "file[0].path", "unsafe path"),
        ({"path": "'files/missing.txt'"}, "file[0].path", "no such file"),
        ({"path": "'files'"}, "file[0].path", "not a regular file"),
        ({"path": ""}, "file[0]", "expected either path or url"),
        ({"url": f"'{URL}'"}, "file[0]", "expected either path or url"),
        ({"path": "", "url": f"'{URL}'"}, "file[0].sha256", "missing"),
        ({"path": "", "url": f"'{URL}'", "sha256": "'abc'"}, "file[0].sha256", "not a digest"),
        ({"path": "", "url": "'ftp://x/y'", "sha256": f"'{'0' * 64}'"}, "file[0].url", "expected an http"),
        ({"path": "", "url": "'https://u:p@x/y'", "sha256": f"'{'0' * 64}'"}, "file[0].url", "password"),
        ({"sha256": f"'{'0' * 64}'"}, "file[0].sha256", "belongs to a url"),
        ({"destination": "''"}, "file[0].destination", "unsafe path"),
        ({"destination": "'../x'"}, "file[0].destination", "unsafe path"),
        ({"destination": "'bin/python3'"}, "file[0].destination", "reserved"),
        ({"destination": "'pyvenv.cfg'"}, "file[0].destination", "reserved"),
        ({"mode": "'4755'"}, "file[0].mode", "not a file mode"),
        ({"mode": "'0666'"}, "file[0].mode", "not a file mode"),
        ({"mode": "420"}, "file[0].mode", "expected a string"),
        ({"targets": "[]"}, "file[0].targets", "expected a target"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, keys: dict[str, str], place: str, what: str
) -> None:
    error = refusal(tmp_path, a_file(**keys))
    assert error.where == f"airlock.toml: {place}"
    assert what in str(error)


def test_an_unknown_target_or_key_is_refused_with_a_guess(tmp_path: Path) -> None:
    assert refusal(tmp_path, a_file(targets="['nort']")).hint == "did you mean 'north'?"
    assert refusal(tmp_path, a_file(destinaton="'x'")).hint == "did you mean 'destination'?"


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "secret", "secret")
    (tmp_path / "project" / "files").mkdir(parents=True)
    (tmp_path / "project" / "files" / "banner.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match="a link leads out"):
        KIND.fingerprint(manifest_of(a_file()), "airlock.toml", tmp_path / "project")


def test_two_files_for_one_place_of_one_target_are_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, a_file() + a_file(targets="['south']"))
    assert str(error) == (
        "airlock.toml: file[1].destination: 'share/banner.txt' is also the destination of file[0], "
        "for the target 'south'"
    )


def test_a_file_below_another_file_is_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, a_file(destination="'share/a/b'") + a_file(destination="'share/a'"))
    assert "is below the file of file[1]" in str(error)


def test_two_targets_may_have_their_own_file_in_one_place(tmp_path: Path) -> None:
    write(tmp_path / "files" / "banner.txt", "hello\n")
    text = a_file(targets="['north']") + a_file(targets="['south']")
    assert len(KIND.pin(pin_request(text, near_side(tmp_path)))) == 2


def test_the_fingerprint_follows_the_content_of_a_local_file(tmp_path: Path) -> None:
    path = write(tmp_path / "files" / "banner.txt", "hello\n")
    manifest = manifest_of(a_file())
    before = KIND.fingerprint(manifest, "airlock.toml", tmp_path)
    assert KIND.fingerprint(manifest, "airlock.toml", tmp_path) == before
    path.write_text("bye\n")
    assert KIND.fingerprint(manifest, "airlock.toml", tmp_path) != before


def test_a_file_that_changed_since_the_lock_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "files" / "banner.txt", "hello\n")
    (row,) = KIND.pin(pin_request(a_file(), near_side(tmp_path)))
    path.write_text("bye\n")
    empty = near_side(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="the file changed since it was locked") as caught:
        KIND.obtain(row.artifact, None, replace(empty, directory=tmp_path))
    assert "airlock lock" in str(caught.value.hint)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    artifact = replace(artifact_of(b"x"), origin={"path": "files/gone"})
    with pytest.raises(FetchError, match="file share/data: files/gone: no such file"):
        KIND.obtain(artifact, None, near_side(tmp_path))


def test_a_lock_that_reaches_out_of_the_project_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "secret", "secret")
    artifact = replace(artifact_of(b"secret"), origin={"path": "../secret"})
    with pytest.raises(IntegrityError, match="unsafe path"):
        KIND.obtain(artifact, None, near_side(tmp_path / "project"))


def test_a_file_is_placed_with_its_mode() -> None:
    placed = Placed()
    artifact = replace(artifact_of(b"x"), placement={"destination": "share/data", "mode": "0640"})
    KIND.place(artifact, raw_contents(b"x"), placed.room)
    assert placed.files == {"share/data": (b"x", 0o640)}


@pytest.mark.parametrize(
    "placement",
    [
        {},
        {"destination": "a"},
        {"destination": "a", "mode": "0644", "owner": "root"},
        {"destination": "../a", "mode": "0644"},
        {"destination": "/a", "mode": "0644"},
        {"destination": "bin/python3.11", "mode": "0644"},
        {"destination": "pyvenv.cfg", "mode": "0644"},
        {"destination": "a", "mode": "4755"},
        {"destination": "a", "mode": "0o644"},
    ],
)
def test_a_hostile_placement_writes_nothing(placement: dict[str, str]) -> None:
    placed = Placed()
    with pytest.raises(IntegrityError):
        KIND.place(replace(artifact_of(b"x"), placement=placement), raw_contents(b"x"), placed.room)
    assert placed.files == {}


def test_members_in_place_of_the_file_are_refused() -> None:
    placed = Placed()
    artifact = replace(artifact_of(b"x"), placement={"destination": "a", "mode": "0644"})
    member = Member(name="inner", size=1, mode=0o644, chunks=iter([b"x"]))
    with pytest.raises(IntegrityError, match="expected the file itself"):
        KIND.place(artifact, lambda: iter([member]), placed.room)
    assert placed.files == {}
