"""What an observed Python is made to load first, as its `sitecustomize`: it stands alone, away from airlock.

Beside this file, in `log/`, each process writes a line for everything that it asks of the world outside of Python, and a stack
whenever it is sent SIGURG, which strace does at the very system call. Only what Python's own audit events (PEP 578) tell is
seen here, and no code is kept from anything.
"""

import faulthandler
import os
import signal
import sys
from typing import Any

_LOG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "log")  # noqa: PTH100, PTH118, PTH120
_FIELD, _FRAME = "\x1f", "\x1e"
_MOST = 2_000
"""Lines of one process."""
_FRAMES = 20
_LONGEST = 300
_WATCHED = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "urllib.Request": 0,
    "subprocess.Popen": 0,
    "os.system": 0,
    "os.exec": 0,
    "os.posix_spawn": 0,
    "os.spawn": 1,
    "ctypes.dlopen": 0,
    "open": 0,
}
"""Events, and which of their arguments says what it is about."""
_INSIDE = (sys.prefix + os.sep, sys.base_prefix + os.sep + "lib" + os.sep + "python", os.path.dirname(_LOG))  # noqa: PTH120


class _Log:
    def __init__(self) -> None:
        self.descriptor = self.stacks = -1
        self.seen: set[str] = set()
        self.open()

    def open(self) -> None:
        """Of this process; again in a child."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        place = os.path.join(_LOG, str(os.getpid()))  # noqa: PTH118
        self.seen.clear()
        try:
            self.descriptor = os.open(place + ".events", flags, 0o600)
            self.stacks = os.open(place + ".stacks", flags, 0o600)
            faulthandler.register(signal.SIGURG, file=self.stacks, all_threads=False)
        except (OSError, ValueError, RuntimeError):
            return

    def write(self, event: str, about: str) -> None:
        line = _FIELD.join([event, about[:_LONGEST], _FRAME.join(_stack())])
        if line in self.seen or len(self.seen) >= _MOST:
            return
        self.seen.add(line)
        try:
            os.write(self.descriptor, line.replace("\n", " ").encode(errors="replace") + b"\n")
        except OSError:
            return


def _stack() -> list[str]:
    """Where it happened, the innermost frame first, without this file's."""
    frames: list[str] = []
    frame = sys._getframe(2)
    while frame is not None and len(frames) < _FRAMES:
        code = frame.f_code
        if code.co_filename != __file__:
            frames.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"[:_LONGEST])
        frame = frame.f_back  # type: ignore[assignment]
    return frames


def _about(event: str, args: tuple[Any, ...]) -> str | None:
    """None for what is of no interest."""
    subject = args[_WATCHED[event]] if len(args) > _WATCHED[event] else None
    if subject is None:
        return None
    if event == "open":
        path = os.fsdecode(subject) if isinstance(subject, str | bytes) else ""
        return path if path.startswith("/") and not path.startswith(_INSIDE) else None
    if isinstance(subject, tuple):
        return " ".join(str(part) for part in subject[:2])
    return os.fsdecode(subject) if isinstance(subject, str | bytes) else str(subject)


def _watch(log: _Log) -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _WATCHED:
            try:
                about = _about(event, args)
            except (ValueError, TypeError, UnicodeError):
                return
            if about is not None:
                log.write(event, about)

    sys.addaudithook(hook)
    os.register_at_fork(after_in_child=log.open)


def _next() -> None:
    """Run the `sitecustomize` that would have been run without this one."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    own = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != own])
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    _watch(_Log())
    _next()
