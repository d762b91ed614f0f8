"""Where in airlock.toml a requirement stands."""

import re
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from airlock.kinds.wheel.section import SECTION

_STRING = re.compile(r'"([^"\\]*)"|\'([^\']*)\'')


class Places:
    """Where the requirements and constraints of one manifest are. `where` is its file name."""

    def __init__(self, directory: Path, where: str) -> None:
        self._where = where
        try:
            self._lines = (directory / where).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            self._lines = []

    def of(self, requirement: Requirement, *, key: str) -> str:
        """`airlock.toml:12`, or the file alone where the line cannot be told. `key` is the list that it stands in."""
        number = self._number(str(requirement), key)
        return f"{self._where}:{number}" if number else self._where

    def _number(self, text: str, key: str) -> int | None:
        inside, section = "", ""
        for number, line in enumerate(self._lines, 1):
            if match := re.match(r"\s*\[+\s*([A-Za-z-]+)", line) if not inside else None:
                section = match[1]
            if match := re.match(r"\s*([A-Za-z-]+)\s*=\s*\[", line):
                inside = match[1]
            if (section, inside) == (SECTION, key) and any(
                _same(one[1] or one[2] or "", text) for one in _STRING.finditer(line)
            ):
                return number
            if inside and line.split("#")[0].rstrip().endswith("]"):
                inside = ""
        return None


def _same(found: str, text: str) -> bool:
    try:
        return str(Requirement(found)) == text
    except InvalidRequirement:
        return False
