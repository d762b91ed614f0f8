"""What comes out of a command, whatever its terminal, environment and input are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airlock.cli import main
from airlock.cli.guard import tell
from airlock.cli.session import Session
from airlock.core.reporter import Silent
from airlock.errors import IntegrityError, UsageError
from tests.far.bundles import bundle, file_item


def test_help_is_a_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for arguments in (["help"], ["--help"], ["help", "gc"], ["gc", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] and told[2] == told[3] and "--keep" in told[2]


def test_an_error_about_a_hostile_name_cannot_command_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell(IntegrityError("b.airlock: \x1b]0;owned\x07\nnext \u202e", "not é"))
    assert capsys.readouterr().err == "error: b.airlock: \\x1b]0;owned\\x07\\nnext \\u202e: not é\n"


def test_a_terminal_that_lacks_a_character_gets_it_spelt_out(tmp_path: Path) -> None:
    (tmp_path / "b.airlock").write_bytes(bundle([file_item("share/é", b"x")]))
    done = subprocess.run(
        [sys.executable, "-m", "airlock", "inspect", "b.airlock"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"file share/\xe9" in done.stdout


@pytest.mark.parametrize("text", ["abc", "-5", "1.5", "99999999999999", "٣", "9" * 5000])
def test_a_clock_that_tells_no_time_is_refused(tmp_path: Path, text: str) -> None:
    session = Session(cache=tmp_path, environment={"SOURCE_DATE_EPOCH": text}, reporter=Silent())
    with pytest.raises(UsageError, match="not a time"):
        session.now()
