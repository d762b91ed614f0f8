"""Where pip keeps its configuration, as its documentation tells ("Configuration"): asking pip itself takes a quarter of a second.

Only on Linux, and only where every file can be read; else pip is asked.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_IGNORED = ("version", "help")
NAME = "pip/pip.conf"


def configured(environment: Mapping[str, str]) -> dict[str, str] | None:
    """What `pip config list` says, as `section.key`; None where it should be asked. What comes later wins."""
    if not sys.platform.startswith("linux"):
        return None
    found: dict[str, str] = {}
    if environment.get("PIP_CONFIG_FILE") != os.devnull:
        for place in _places(environment):
            try:
                found |= _read(place)
            except (OSError, ValueError):
                return None
    return found | dict(_variables(environment))


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    """Of the machine, the user and the virtual environment, then the one that the environment names instead of the user's."""
    home = Path(environment.get("HOME") or Path.home())
    named = environment.get("PIP_CONFIG_FILE")
    for folder in (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield Path(folder) / NAME
    yield Path("/etc/pip.conf")
    if not (named and Path(named).exists()):
        yield home / ".pip/pip.conf"
        yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / NAME
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def _read(place: Path) -> dict[str, str]:
    """Raises OSError or ValueError."""
    if not place.exists():
        return {}
    import configparser

    parser = configparser.RawConfigParser()
    with place.open(encoding="utf-8") as stream:
        try:
            parser.read_file(stream)
        except configparser.Error as error:
            raise ValueError(str(error)) from error
    return {
        f"{section}.{_key(name)}": value
        for section in parser.sections()
        for name, value in parser.items(section)
    }


def _variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in environment.items():
        if name.startswith("PIP_") and (key := name.removeprefix("PIP_").lower()) not in _IGNORED:
            yield f":env:.{_key(key)}", value


def _key(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")
