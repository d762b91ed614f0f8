"""The command line: parses, calls, prints. One module a command; only the chosen one is imported.

This package is the rim: here, and nowhere else, are argv, the environment and the clock read.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from gc import freeze, set_threshold
from types import ModuleType
from typing import Any, NoReturn

from airlock import __version__

COMMANDS = {
    "init": "write a commented airlock.toml, taking over what the project already says",
    "add": "add Python requirements to airlock.toml",
    "remove": "remove Python requirements from airlock.toml",
    "lock": "pin everything the manifest asks for, for every target",
    "why": "show what needs a package",
    "tree": "show who needs what",
    "outdated": "show which pins could be newer",
    "import": "take over the pins of another tool's lock",
    "fetch": "bring what the lock names into the store",
    "build": "make a bundle for each target",
    "kit": "make a file that brings airlock to a machine without it",
    "delta": "make the update between two locked versions",
    "target": "show this machine as a target for airlock.toml",
    "key": "make, import and show signing keys",
    "trust": "make, rotate and sign the trust roots that a site pins",
    "sign": "sign a bundle or delta",
    "approve": "countersign a signed bundle or delta, on either side",
    "split": "put a bundle or delta onto several discs",
    "join": "put a bundle or delta together from its discs",
    "push": "put a bundle or delta into a registry",
    "pull": "take a bundle or delta out of a registry",
    "verify": "check signatures and every byte of a bundle",
    "apply": "restore the new bundle from its base and a delta",
    "install": "verify a bundle, and install it as a new generation",
    "update": "install the new version from a delta",
    "rollback": "go back to the content of an earlier generation",
    "gc": "let go of generations that nothing needs any more",
    "serve": "offer what a site holds to its own network, read only",
    "status": "show what is installed",
    "audit": "find what software uses that its lock does not name, installed or before it ships",
    "history": "show what was done, when, by whom and how it went, and prove it",
    "inspect": "show what a bundle, delta or lock holds",
    "report": "write the transfer dossier, for the person who signs off",
    "diff": "show what changed between two bundles or locks",
    "export": "write what pip and uv install from: a lock in their terms, original files of a bundle",
}
"""Name and summary of each command; `airlock.cli.NAME` has its `configure(parser)` and `run(arguments, session)`."""

_ALLOCATED = 50_000
"""Values between two looks for cycles: a command makes some hundred thousand that stay until its end, and hardly a cycle."""
_NEAR_AND_FAR = "The near side has the network: init to sign. The far side has none: verify to history."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code: 0, or that of the error's family (see README)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"]):
        print(f"airlock {__version__}")
        return 0
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    from airlock.cli.guard import guarded

    code = guarded(arguments, _run)
    if argv is None:
        # The program ends: to look through all of its objects once more, to free them, takes a tenth of a second.
        freeze()
    return code


def _run(arguments: list[str]) -> int:
    from airlock.cli.session import Session

    chosen = _chosen(arguments)
    if chosen is None:
        _refuse_unknown(arguments)
    parser = _parser(chosen)
    parsed = parser.parse_args(arguments)
    set_threshold(_ALLOCATED)
    module: ModuleType = importlib.import_module(_module(parsed.command))
    result = module.run(parsed, Session.from_environment(os.environ, quiet=parsed.quiet))
    return int(result or 0)


def _module(command: str) -> str:
    """Python keeps one of our words to itself."""
    return f"airlock.cli.{'import_pins' if command == 'import' else command}"


def _chosen(arguments: list[str]) -> str | None:
    return next((argument for argument in arguments if argument in COMMANDS), None)


def _refuse_unknown(arguments: list[str]) -> None:
    word = next((argument for argument in arguments if not argument.startswith("-")), None)
    if word is None:
        return
    from difflib import get_close_matches

    from airlock.errors import UsageError

    near = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "see `airlock --help`"
    raise UsageError("airlock", f"no such command: {word!r}", hint=hint)


class _Parser(argparse.ArgumentParser):
    """argparse, whose mistakes are told in the form of every other error."""

    def error(self, message: str) -> NoReturn:
        from airlock.errors import UsageError

        raise UsageError(self.prog, message, hint=f"see `{self.prog} --help`")


class _Command(_Parser):
    """A command, or a part of one as `key new` is: `-q` may stand behind each."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        text = "no progress and no notes, errors only"
        self.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help=text)


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="airlock",
        description="Builds and deployments for machines that are never connected.",
        epilog=_NEAR_AND_FAR,
    )
    parser.add_argument("-V", "--version", action="version", version=f"airlock {__version__}")
    parser.set_defaults(quiet=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Command)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == chosen:
            importlib.import_module(_module(name)).configure(command)
    return parser
