"""The transfer log of both sides: what is written there, and what `history --check` proves."""

import json
import os
from pathlib import Path

import pytest

from airlock import cli
from airlock.airgapped.site import JOURNAL
from airlock.core.digest import digest_of
from airlock.formats.journal import MAX_JOURNAL, Act, parse_journal
from airlock.storage.journal import append, read_journal
from tests.far.bundles import NOW, Trust, bundle, file_item, later, put, signed, site_at

TRUST = Trust.new()
ONE = bundle([file_item("share/a", b"a" * 500)], version="1.0")
TWO = bundle([file_item("share/a", b"b" * 500)], version="2.0")


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two bundles, one that a stranger signed, and a site that has the first."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(NOW))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.airlock").write_bytes(signed(ONE, TRUST.key, 1))
    (tmp_path / "two.airlock").write_bytes(signed(TWO, TRUST.key, 2))
    (tmp_path / "foreign.airlock").write_bytes(signed(TWO, Trust.new().key, 2))
    (tmp_path / "root.json").write_bytes(TRUST.root)
    put(site_at(tmp_path / "site"), TRUST.verified(ONE))
    return tmp_path


def airlock(*arguments: str, code: int = 0) -> None:
    assert cli.main([arguments[0], "--quiet", *arguments[1:]]) == code


def contents(root: Path) -> dict[str, object]:
    """Everything of a site but its journal."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file() and name != JOURNAL:
            found[name] = (path.stat().st_mode, path.read_bytes())
    return found


def last(site: Path) -> Act:
    return read_journal(site / JOURNAL).acts[-1]


def test_a_bundle_that_came_is_written_down_with_who_signed_it(media: Path) -> None:
    airlock("install", "two.airlock", "--root", "site")
    receive, install = read_journal(media / "site" / JOURNAL).acts[-2:]
    assert (receive.act, receive.file, receive.outcome) == ("receive", "two.airlock", "done")
    assert (install.act, install.before, install.after, install.outcome) == ("install", 1, 2, "done")
    assert receive.keys == install.keys == (TRUST.key.public_key.keyid,)
    assert receive.index == install.index
    assert receive.user == install.user != ""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("install", "foreign.airlock"), "not signed by enough trusted keys"),
        (("rollback",), "no earlier generation"),
    ],
)
def test_a_refusal_is_written_down_and_changes_nothing_else(
    media: Path, command: tuple[str, ...], words: str
) -> None:
    before = contents(media / "site")
    assert cli.main([*command, "--root", "site", "--quiet"]) in (5, 6)
    assert contents(media / "site") == before
    line = last(media / "site")
    assert (line.act, line.outcome) == (command[0], "refused")
    assert words in line.detail
    assert (line.index is None) == (command[0] == "rollback"), "what was refused is named"
    assert line.file == (command[1] if len(command) > 1 else "")


def test_a_downgrade_is_refused_or_told_as_one(media: Path) -> None:
    airlock("install", "two.airlock", "--root", "site")
    airlock("install", "one.airlock", "--root", "site", code=5)
    assert (last(media / "site").outcome, last(media / "site").version) == ("refused", "1.0")
    airlock("install", "one.airlock", "--root", "site", "--allow-downgrade")
    assert (last(media / "site").act, last(media / "site").outcome) == ("downgrade", "done")


def test_a_refusal_where_nothing_can_be_written_stays_one(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a journal that is a link to elsewhere, nor one that cannot be written, changes the verdict."""
    journal = media / "site" / JOURNAL
    journal.rename(media / "elsewhere")
    journal.symlink_to(media / "elsewhere")
    before = (media / "elsewhere").read_bytes()
    assert cli.main(["install", "foreign.airlock", "--root", "site"]) == 5
    assert (media / "elsewhere").read_bytes() == before
    assert "could not be written to the site's journal" in capsys.readouterr().err


def test_a_refusal_makes_no_site(media: Path) -> None:
    airlock("install", "foreign.airlock", "--root", "other", "--trust", "root.json", code=5)
    assert not (media / "other").exists()


def test_a_trial_leaves_no_trace(media: Path) -> None:
    before = (media / "site" / JOURNAL).read_bytes()
    airlock("install", "foreign.airlock", "--root", "site", "--dry-run", code=5)
    assert (media / "site" / JOURNAL).read_bytes() == before


def test_the_chain_is_proved_and_the_first_broken_line_named(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    airlock("install", "two.airlock", "--root", "site")
    airlock("history", "--root", "site", "--check")
    assert "4 lines, each as it was written" in capsys.readouterr().out
    journal = media / "site" / JOURNAL
    good = journal.read_bytes()
    journal.write_bytes(good.replace(b'"version":"1.0"', b'"version":"1.1"', 1))
    airlock("history", "--root", "site", "--check", code=5)
    assert "journal.jsonl: line 1: was changed" in capsys.readouterr().err
    lines = good.splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], *lines[2:]]))
    airlock("history", "--root", "site", "--check", code=5)
    assert "line 2" in capsys.readouterr().err


def test_a_head_that_was_written_down_proves_that_nothing_was_cut_off(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    airlock("install", "two.airlock", "--root", "site")
    capsys.readouterr()
    airlock("history", "--root", "site", "--check", "--json")
    head = json.loads(capsys.readouterr().out)
    assert head["lines"] == 4
    airlock("rollback", "--root", "site")
    for digest in (head["head"], head["short"]):
        airlock("history", "--root", "site", "--check", "--head", digest)
        assert "line 4" in capsys.readouterr().out.replace("held  line", "line")
    journal = media / "site" / JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:3]))
    airlock("history", "--root", "site", "--check")
    airlock("history", "--root", "site", "--check", "--head", head["short"], code=5)
    assert "lines were cut off" in capsys.readouterr().err
    airlock("history", "--root", "site", "--check", "--head", "12", code=2)
    airlock("history", "--root", "site", "--head", head["short"], code=2)


def test_a_torn_end_is_told_and_gone_with_the_next_line(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = media / "site" / JOURNAL
    good = journal.read_bytes()
    journal.write_bytes(good + good.splitlines()[-1][:40])
    assert cli.main(["history", "--root", "site", "--check"]) == 0
    assert "the last line was cut off (40 bytes)" in capsys.readouterr().err
    put(site_at(media / "site"), TRUST.verified(TWO, 2), later(1))
    found = parse_journal(journal.read_bytes(), "journal")
    assert (found.torn, journal.read_bytes()[: len(good)]) == (b"", good)


def test_the_near_side_keeps_its_own_beside_what_it_made(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (media / "dist").mkdir()
    (media / "dist/b.airlock").write_bytes(ONE)
    airlock("key", "new", "release", "--no-passphrase")
    airlock("sign", "dist/b.airlock", "--key", "release.key")
    act = read_journal(media / "dist/airlock.journal").acts[-1]
    assert (act.act, act.file, act.outcome) == ("sign", "b.airlock", "done")
    assert len(act.keys) == 1
    monkeypatch.setenv("AIRLOCK_JOURNAL", str(media / "log"))
    airlock("sign", "dist/b.airlock", "--key", "release.key")
    assert (
        len(read_journal(media / "log").lines) == len(read_journal(media / "dist/airlock.journal").lines) == 1
    )
    airlock("history", "--journal", "log", "--check")
    airlock("history", "--journal", "nothing", code=2)


def test_a_journal_that_cannot_be_written_keeps_nobody_from_signing(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    airlock("key", "new", "release", "--no-passphrase")
    (media / "airlock.journal").write_text("no journal\n")
    assert cli.main(["sign", "one.airlock", "--key", "release.key"]) == 0
    assert "could not be written to the journal" in capsys.readouterr().err
    assert (media / "airlock.journal").read_text() == "no journal\n"


def test_processes_that_append_at_once_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "airlock.journal"
    children = []
    for number in range(4):
        if not (child := os.fork()):
            for time in range(10):
                append(path, Act(act="build", time=time, outcome="done", user=str(number)))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    acts = read_journal(path).acts
    assert len(acts) == 40
    for number in range(4):
        assert [act.time for act in acts if act.user == str(number)] == list(range(10))


def test_what_the_near_side_left_of_a_line_is_cut_off_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "airlock.journal"
    append(path, Act(act="build", time=1, outcome="done"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"act":"sig')
    append(path, Act(act="sign", time=2, outcome="done"))
    assert [act.act for act in read_journal(path).acts] == ["build", "sign"]
    assert path.read_bytes().startswith(whole)


def test_a_pipe_or_a_link_in_the_place_of_a_journal_is_neither_waited_for_nor_followed(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    airlock("key", "new", "release", "--no-passphrase")
    (media / "others").write_text("")
    for put_it in (os.mkfifo, lambda path: path.symlink_to(media / "others"), Path.mkdir):
        path = media / "airlock.journal"
        put_it(path)
        capsys.readouterr()
        assert cli.main(["sign", "one.airlock", "--key", "release.key"]) == 0
        assert "a link, or not a regular file" in capsys.readouterr().err
        path.rmdir() if path.is_dir() else path.unlink()
    assert (media / "others").read_text() == ""


def test_refusals_without_end_leave_room_for_what_is_done(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.truncate(media / "site" / JOURNAL, MAX_JOURNAL // 2 + 1)
    assert cli.main(["install", "foreign.airlock", "--root", "site"]) == 5
    assert "has no room for refusals" in capsys.readouterr().err
    assert (media / "site" / JOURNAL).stat().st_size == MAX_JOURNAL // 2 + 1


def test_a_journal_that_was_removed_is_told_and_not_begun_anew(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (media / "site" / JOURNAL).unlink()
    for command in (("history", "--check"), ("history",), ("rollback",), ("install", "two.airlock")):
        assert cli.main([*command, "--root", "site"]) == 5
        err = capsys.readouterr().err
        assert err.count("there are generations but no journal: it was removed") == 1
        assert "--restart" in err
    assert cli.main(["status", "--root", "site"]) == 5
    out, err = capsys.readouterr()
    assert "gateway 1.0, generation 1" in out
    assert "no journal: it was removed" in err and "what the records say" in err
    assert not (media / "site" / JOURNAL).exists()


def test_a_changed_line_is_named_once_and_what_stands_before_it_shown(
    media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    airlock("install", "two.airlock", "--root", "site")
    journal = media / "site" / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], lines[2].replace(b'"2.0"', b'"2.1"'), lines[3]]))
    assert cli.main(["history", "--root", "site"]) == 5
    out, err = capsys.readouterr()
    assert "head of 2 lines" in out and "BROKEN HERE" in out
    assert err.count("line 3: was changed") == 1
    assert cli.main(["rollback", "--root", "site"]) == 5
    assert capsys.readouterr().err.count("line 3: was changed") == 1
    assert cli.main(["status", "--root", "site"]) == 5
    out, err = capsys.readouterr()
    assert "gateway 2.0, generation 2" in out and err.count("line 3: was changed") == 1


@pytest.mark.parametrize("removed", [True, False])
def test_a_site_goes_on_with_a_new_journal_that_names_the_broken_one(media: Path, removed: bool) -> None:
    airlock("install", "two.airlock", "--root", "site")
    airlock("history", "--root", "site", "--restart", "--reason", "a trial", code=2)
    journal = media / "site" / JOURNAL
    broken = journal.read_bytes().replace(b'"version":"1.0"', b'"version":"1.1"')
    journal.unlink()
    if not removed:
        journal.write_bytes(broken)
    airlock("history", "--root", "site", "--restart", code=2)
    airlock("history", "--root", "site", "--restart", "--reason", "a disk fault")
    first = read_journal(journal).acts[0]
    assert (first.act, "a disk fault" in first.detail) == ("recover", True)
    if not removed:
        aside = next((media / "site/state").glob("*.broken"))
        assert aside.read_bytes() == broken
        assert f"{aside.name}, {digest_of(broken)}" in first.detail
    airlock("install", "one.airlock", "--root", "site", code=5)
    airlock("rollback", "--root", "site")
    assert site_at(media / "site").current_generation().version == "1.0"  # type: ignore[union-attr]
    airlock("install", "two.airlock", "--root", "site")
    airlock("history", "--root", "site", "--check")
