"""Which index is the default one, and how pip's words are read."""

import pytest

from airlock.errors import FetchError
from airlock.net import parse_default_index, parse_settings, setting, shown


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
