"""Turn every exception of a command into a message and an exit code."""

import io
import os
import sys
from collections.abc import Callable

from airlock.core.plain import plain
from airlock.errors import AirlockError, ResolutionError

_LONGEST = 4000
"""Characters of a message: it may quote what somebody else wrote."""
INTERRUPTED = 130
BROKEN_PIPE = 141


def guarded(arguments: list[str], run: Callable[[list[str]], int]) -> int:
    _spell_out_what_the_terminal_lacks()
    try:
        code = run(arguments)
        sys.stdout.flush()
        return code
    except AirlockError as error:
        tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        tell(AirlockError(str(error.filename or "system"), str(error.strerror or error)))
        return AirlockError.exit_code


def tell(error: AirlockError) -> None:
    """`error: WHERE: what: expected X, found Y`, then `hint: …`, on stderr. What is told of a resolution may have several
    lines; each but the first is indented, so that nothing in it can pass for the next message."""
    spell = _indented if isinstance(error, ResolutionError) else plain
    print(f"error: {spell(str(error)[:_LONGEST])}", file=sys.stderr)
    if error.hint:
        print(f"hint: {spell(error.hint[:_LONGEST])}", file=sys.stderr)


def _indented(text: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([plain(first), *(f"  {plain(line.removeprefix('  '))}" for line in others)])


def _spell_out_what_the_terminal_lacks() -> None:
    """A path that stdout's encoding has no characters for is no reason to end halfway; stderr does so by itself."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
