"""`airlock target show`: this machine, as a `[[target]]` that fits it. Touches neither network nor disk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.tags import platform_tags
from packaging.version import Version

from airlock.airgapped.host import Interpreter, ask_interpreter, platform_markers
from airlock.core.target import Target
from airlock.errors import TargetError


@dataclass(frozen=True, slots=True, kw_only=True)
class ThisMachine:
    target: Target
    """With the patch release as its floor, and no exact markers."""
    markers: Mapping[str, str]
    """The exact values, for where the markers of a package need them."""


def this_machine(name: str, python: str) -> ThisMachine:
    """`python` is the interpreter that is to run the application. Raises TargetError where it does not run, is not CPython,
    or where no target can name the platform."""
    interpreter = ask_interpreter(python, must=True)
    assert interpreter is not None, "it must"
    if interpreter.implementation != "cpython":
        raise TargetError(python, "not CPython", found=f"{interpreter.implementation} {interpreter.version}")
    found = list(platform_tags())
    for target in _targets(name, interpreter, found):
        return ThisMachine(
            target=target,
            markers={"python_full_version": interpreter.version, **platform_markers()},
        )
    raise TargetError("target", "no target can name this platform", found=found[0] if found else "nothing")


def _targets(name: str, interpreter: Interpreter, platforms: list[str]) -> Iterator[Target]:
    """The most telling platform first, as glibc's version before the bare `linux`."""
    version = Version(interpreter.version)
    threads = "t" if interpreter.free_threaded else ""
    for platform in platforms:
        try:
            yield Target(
                name=name,
                python=f"{version.major}.{version.minor}.{version.micro}{threads}",
                platform=platform,
                prefix="",
            )
        except ValueError:
            continue
