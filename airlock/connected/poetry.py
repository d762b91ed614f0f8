"""What `[tool.poetry]` asks for, in the terms of PEP 508."""

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.version import InvalidVersion, Version


class Untold(Exception):
    """It cannot be said so; the message says why."""


def poetry_requirements(table: Mapping[str, Any]) -> Iterator[tuple[str, str | Untold]]:
    """Names and requirements of `[tool.poetry.dependencies]`."""
    for name, value in table.items():
        if name.lower() == "python":
            continue
        for one in value if isinstance(value, list) else [value]:
            try:
                if isinstance(one, Mapping) and one.get("optional"):
                    continue
                yield name, _requirement(name, one)
            except Untold as reason:
                yield name, reason


def _requirement(name: str, value: object) -> str:
    if isinstance(value, str):
        return name + specifier(value)
    if not isinstance(value, Mapping) or "version" not in value:
        raise Untold("it comes from no index")
    extras = ",".join(value.get("extras", ()))
    text = name + (f"[{extras}]" if extras else "") + specifier(str(value["version"]))
    markers = [str(value["markers"])] if value.get("markers") else []
    if python := value.get("python"):
        markers = [f"({one})" for one in markers]
        markers += [
            f"python_version {one[:2]} '{one[2:]}'"
            if one[1] == "="
            else f"python_version {one[0]} '{one[1:]}'"
            for one in specifier(str(python)).split(",")
        ]
    return f"{text}; {' and '.join(markers)}" if markers else text


def specifier(text: str) -> str:
    """Poetry's `^`, `~` and bare versions, as PEP 440 says it. Raises Untold."""
    if "|" in text:
        raise Untold(f"a choice of versions has no PEP 440 form: {text!r}")
    return ",".join(filter(None, (_clause(part.strip()) for part in text.split(","))))


def _clause(text: str) -> str:
    if text in ("*", ""):
        return ""
    if text.startswith("^"):
        return _between(text[1:], _caret)
    if text.startswith("~") and not text.startswith("~="):
        return _between(text[1:], _tilde)
    if text[0].isdigit():
        return f"=={text}"
    return text.replace(" ", "")


def _between(text: str, upper: Any) -> str:
    try:
        version = Version(text.strip())
    except InvalidVersion as error:
        raise Untold(f"not a version: {text!r}") from error
    return f">={text.strip()},<{upper(version.release)}"


def _caret(release: tuple[int, ...]) -> str:
    """Up to the next change of the first number that is not zero, or of the last where all are."""
    place = next((number for number, part in enumerate(release) if part), len(release) - 1)
    return ".".join(map(str, (*release[:place], release[place] + 1)))


def _tilde(release: tuple[int, ...]) -> str:
    place = min(1, len(release) - 1)
    return ".".join(map(str, (*release[:place], release[place] + 1)))
