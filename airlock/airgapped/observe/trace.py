"""What strace tells of an application, line by line, as events. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_EVENTS = 20_000
"""Different ones; what happens again is counted once."""
_MAX_WAITING = 10_000
"""Calls that were begun, and processes that are remembered."""
_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(?:<(.*)>)?(?: (E\w+))?.*")
_UNFINISHED = re.compile(r"(\d+) +(\w+\(.*?) ?<unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_SIGNALLED = re.compile(r"(\d+) +--- SIGURG \{.*SI_KERNEL.*")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FAMILY = re.compile(r"sa_family=AF_(\w+)")
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_SOCKET_PATH = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-f]{2}|.)")
_SIMPLE = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"v": b"\v",
    b"f": b"\f",
    b"a": b"\a",
    b"b": b"\b",
    b"e": b"\x1b",
}

_ARMING = re.compile(r"/log/\d+\.stacks$")
"""What a Python that has the hook opens just before it answers."""
TRACED = (
    *(
        "connect",
        "bind",
        "sendto",
        "sendmsg",
        "sendmmsg",
        "execve",
        "execveat",
        "open",
        "openat",
        "openat2",
        "creat",
    ),
    *("clone", "clone3", "fork", "vfork"),
)
"""System calls that strace is asked for."""
SIGNALLED = ("connect", "sendto")
"""Those at which an observed Python is asked for its stack."""


class Event(NamedTuple):
    what: str
    """`connect`, `name`, `exec`, `read` or `write`; `bound` is a socket of the application's own."""
    about: str
    """`ADDRESS PORT`, or a path, or a name."""
    process: int
    program: int
    """How many programs the process had started by then: which of them it was."""
    error: str
    """As `ENOENT`; empty where it went well."""


@dataclass(slots=True)
class Trace:
    """Grows by one line at a time, within bounds."""

    events: dict[Event, list[int]] = field(default_factory=dict)
    """Each with the numbers of the stacks that its process was asked for at it."""
    programs: dict[int, list[str]] = field(default_factory=dict)
    """What each process has started, in order."""
    parents: dict[int, int] = field(default_factory=dict)
    threads: dict[int, int] = field(default_factory=dict)
    """The process that a thread belongs to."""
    truncated: bool = False
    _begun: dict[int, str] = field(default_factory=dict)
    _last: dict[int, Event] = field(default_factory=dict)
    _stacks: dict[int, int] = field(default_factory=dict)
    _armed: set[int] = field(default_factory=set)
    """Processes that answer a signal with their stack."""

    def take(self, line: str) -> None:
        if match := _UNFINISHED.match(line):
            if len(self._begun) < _MAX_WAITING:
                self._begun[int(match[1])] = match[2]
        elif match := _RESUMED.match(line):
            begun = self._begun.pop(int(match[1]), "")
            if begun:
                self._call(f"{match[1]} {begun}{match[3]}")
        elif match := _SIGNALLED.match(line):
            self._signalled(int(match[1]))
        else:
            self._call(line)

    def process(self, thread: int) -> int:
        return self.threads.get(thread, thread)

    def program_of(self, event: Event) -> str:
        """The path of the program that did it."""
        return self._program(event.process, event.program)

    def callers_of(self, event: Event) -> tuple[str, ...]:
        """The programs that led to it, the first one first."""
        found, process, number = list[str](), event.process, event.program
        while process and len(found) < 20:
            program = self._program(process, number)
            if program and (not found or found[-1] != program):
                found.append(program)
            process = self.parents.get(process, 0)
            number = len(self.programs.get(process, ()))
        return tuple(reversed(found))

    def _program(self, process: int, number: int) -> str:
        seen = 0
        while process and seen < 100:
            started = self.programs.get(process, [])
            if number and started:
                return started[min(number, len(started)) - 1]
            process, seen = self.parents.get(process, 0), seen + 1
            number = len(self.programs.get(process, ()))
        return ""

    def _signalled(self, thread: int) -> None:
        process = self.process(thread)
        if process not in self._armed:
            return
        number = self._stacks.get(process, 0)
        self._stacks[process] = number + 1
        if (event := self._last.get(thread)) is not None and len(self.events[event]) < 3:
            self.events[event].append(number)

    def _call(self, line: str) -> None:
        if (match := _LINE.match(line)) is None:
            return
        thread, name, arguments, result, told, error = match.groups()
        number = int(thread)
        if name in ("clone", "clone3", "fork", "vfork"):
            self._forked(number, arguments, result)
            return
        for what, about in _meaning(name, arguments, told or ""):
            self._note(number, what, about, error or "")

    def _forked(self, parent: int, arguments: str, result: str) -> None:
        if not result.isdecimal() or len(self.parents) >= _MAX_WAITING:
            return
        child = int(result)
        if "CLONE_THREAD" in arguments:
            self.threads[child] = self.process(parent)
        else:
            self.parents[child] = self.process(parent)

    def _note(self, thread: int, what: str, about: str, error: str) -> None:
        process = self.process(thread)
        started = self.programs.setdefault(process, [])
        if what == "exec" and not error and len(started) < _MAX_WAITING:
            started.append(about)
            self._armed.discard(process)
        if _ARMING.search(about):
            self._armed.add(process)
        event = Event(what, about, process, len(started), error)
        if event not in self.events:
            if len(self.events) >= MAX_EVENTS:
                self.truncated = True
                return
            self.events[event] = []
        if what in ("connect", "name"):
            self._last[thread] = event


def _meaning(name: str, arguments: str, told: str) -> Iterator[tuple[str, str]]:
    if name in ("execve", "execveat"):
        yield from (("exec", path) for path in _strings(arguments)[:1])
    elif name in ("open", "openat", "openat2", "creat"):
        yield from _opened(name, arguments, told)
    elif name == "bind":
        yield from (("bound", address) for address in _address(arguments))
    else:
        yield from (("connect", address) for address in _address(arguments))
        if name != "connect":
            yield from (("name", asked) for asked in _names(arguments))


def _opened(name: str, arguments: str, told: str) -> Iterator[tuple[str, str]]:
    if "O_DIRECTORY" in arguments or "O_PATH" in arguments:
        return
    paths = _strings(arguments)[:1]
    writes = name == "creat" or any(flag in arguments for flag in ("O_WRONLY", "O_CREAT", "O_TRUNC"))
    for path in [told] if told else paths:
        yield ("write" if writes else "read"), path


def _address(arguments: str) -> Iterator[str]:
    """`HOST PORT` or the path of a socket; nothing of families that lead nowhere."""
    family = _FAMILY.search(arguments)
    if family is None:
        return
    if family[1] == "UNIX":
        if path := _SOCKET_PATH.search(arguments):
            yield path[1] + _unescaped(path[2]).decode(errors="backslashreplace")
    elif (port := _PORT.search(arguments)) and (host := _ADDRESS.search(arguments)):
        yield f"{host[1] or host[2]} {port[1]}"


def _names(arguments: str) -> Iterator[str]:
    """Questions to a name server (RFC 1035, 4.1) in what is sent."""
    for text in _STRING.finditer(arguments):
        data = _unescaped(text[1])
        asks = len(data) > 13 and data[4:6] == b"\0\1" and data[6:12] == bytes(6)
        if asks and (name := _question(data[12:])):
            yield name


def _question(data: bytes) -> str:
    labels: list[str] = []
    while data and 0 < data[0] < 64 and len(labels) < 127:
        label, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        labels.append(label.decode("ascii", errors="replace"))
    return ".".join(labels) if len(labels) > 1 else ""


def _strings(arguments: str) -> list[str]:
    return [_unescaped(match[1]).decode(errors="backslashreplace") for match in _STRING.finditer(arguments)]


def _unescaped(text: str) -> bytes:
    def plain(match: "re.Match[bytes]") -> bytes:
        code = match[1]
        if code[:1].isdigit():
            return bytes([int(code, 8) & 255])
        if code[:1] == b"x" and len(code) == 3:
            return bytes([int(code[1:], 16)])
        return _SIMPLE.get(code, code)

    return _ESCAPE.sub(plain, text.encode())


def read_trace(lines: Iterable[str]) -> Trace:
    trace = Trace()
    for line in lines:
        trace.take(line)
    return trace
