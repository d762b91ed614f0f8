"""Which index is the default one, and how pip's words are read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airlock.errors import FetchError
from airlock.net import parse_default_index, parse_settings, setting, shown
from airlock.net.pip_files import configured


def test_pips_configuration_is_read_as_pip_prints_it() -> None:
    output = (
        ":env:.disable-pip-version-check='1'\n"
        "global.extra-index-url='\\nhttps://index.example/a/\\nhttps://index.example/b/'\n"
        "global.index-url='https://index.example/simple/'\n"
        "something that is no setting\n"
    )
    settings = parse_settings(output)
    assert setting(settings, "index-url") == "https://index.example/simple/"
    extra = setting(settings, "extra-index-url")
    assert extra is not None
    assert extra.split() == ["https://index.example/a/", "https://index.example/b/"]
    assert setting(settings, "cert") is None


def test_the_environment_wins_over_the_command_and_that_over_the_global_section() -> None:
    settings = {"global.cert": "g", "install.cert": "i", ":env:.cert": "e"}
    assert setting(settings, "cert") == "e"
    del settings[":env:.cert"]
    assert setting(settings, "cert") == "i"


def test_pips_own_default_is_read_out_of_its_help_text() -> None:
    output = (
        "  -i, --index-url <url>       Base URL of the Package Index (default\n"
        "                              https://index.example/simple). This should point to …\n"
        "  --extra-index-url <url>     Extra URLs (default none)\n"
    )
    assert parse_default_index(output) == "https://index.example/simple"


def test_a_pip_that_names_no_default_is_told_with_a_way_on() -> None:
    with pytest.raises(FetchError, match="does not say which index") as caught:
        parse_default_index("usage: pip")
    assert caught.value.hint == 'name the index: [[index]] with name = "default"'


def test_user_names_and_passwords_are_not_shown() -> None:
    assert shown("https://me:secret@index.example:8080/simple/?q=1") == "https://index.example:8080/simple/"


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


FILES = {
    "site/pip/pip.conf": "[global]\nretries = 1\n",
    ".pip/pip.conf": "[install]\nNo_Index = yes\nsrc: old ; no comment\n",
    ".config/pip/pip.conf": (
        "[global]\nextra-index-url =\n    https://index.example/a\n    https://index.example/b\n"
        "[install]\n--prefix = user%%d\n# a comment\n[freeze]\ntimeout = 7\n"
    ),
    "own.conf": "[global]\nproxy = own\n",
}


@pytest.mark.parametrize("named", ["", "own.conf", "gone.conf", os.devnull])
def test_pips_files_say_what_pip_says_of_them(tmp_path: Path, named: str) -> None:
    for place, text in FILES.items():
        written(tmp_path / place, text)
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "XDG_CONFIG_DIRS": str(tmp_path / "site"),
        "PIP_CLIENT_CERT": "variable",
        "PIP_VERSION": "ignored",
        "PIP_KEYRING_PROVIDER": "disabled",
    }
    if named:
        environment["PIP_CONFIG_FILE"] = str(tmp_path / named)  # an absolute one stands for itself
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], env=environment, capture_output=True, check=True
    )
    assert configured(environment) == parse_settings(told.stdout.decode())


def test_the_users_file_of_pip_goes_before_the_machines_and_the_one_named_before_both(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "site")}

    def proxy(**more: str) -> str | None:
        return setting(configured(environment | more) or {}, "proxy")

    for place in ("site/pip/pip.conf", ".pip/pip.conf", ".config/pip/pip.conf"):
        written(tmp_path / place, f"[global]\nproxy = {place}\n")
        assert proxy() == place
    written(tmp_path / "own.conf", "[global]\nproxy = own\n")
    assert proxy(PIP_CONFIG_FILE=str(tmp_path / "own.conf")) == "own"
    assert proxy(PIP_PROXY="variable") == "variable"
    assert proxy(PIP_CONFIG_FILE=os.devnull) is None


def test_a_file_of_pips_that_cannot_be_read_is_left_to_pip(tmp_path: Path) -> None:
    written(tmp_path / ".config/pip/pip.conf", "cert = outside of any section\n")
    assert configured({"HOME": str(tmp_path)}) is None
