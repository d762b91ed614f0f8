"""Turn every exception of a command into a message and an exit code."""

import os
import sys
from collections.abc import Callable

from airlock.errors import AirlockError

INTERRUPTED = 130
BROKEN_PIPE = 141


def guarded(arguments: list[str], run: Callable[[list[str]], int]) -> int:
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
    """`error: WHERE: what: expected X, found Y`, then `hint: …`, on stderr."""
    print(f"error: {error}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
