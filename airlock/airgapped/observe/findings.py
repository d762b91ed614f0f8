"""What an observed application reached for, as findings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from airlock.airgapped.observe.base import Base
from airlock.airgapped.observe.log import Told
from airlock.airgapped.observe.run import Observed
from airlock.airgapped.observe.trace import Event, Trace
from airlock.formats.findings import Finding, found
from airlock.formats.rules import Severity

_LOOPBACK = ("127.", "::1", "::ffff:127.")
_NAME_SERVERS = ("53", "5355", "5353")
"""Ports (RFC 1035, 4795, 6762)."""
_ASKED = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_STARTED = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn")
_FRAMES = 8
_CALLERS = 4


@dataclass(slots=True)
class _Subject:
    """One thing that was reached for, by whomever."""

    message: str
    severity: Severity | None = None
    evidence: dict[str, None] = field(default_factory=dict)
    callers: int = 0

    def add(self, caller: str, stack: Iterable[str]) -> None:
        """The first few callers with the stack that they had."""
        if self.callers >= _CALLERS or caller in self.evidence:
            return
        self.callers += 1
        self.evidence[caller] = None
        for frame in list(stack)[:_FRAMES]:
            self.evidence[f"  {frame}"] = None


def observed_findings(observed: Observed, base: Base) -> Iterator[Finding]:
    look = _Look(observed=observed, base=base, subjects=defaultdict(dict))
    if observed.trace is not None:
        look.at_trace(observed.trace)
    look.at_python()
    if observed.unrouted and observed.trace is None:
        look.at_counters()
    for rule, subjects in look.subjects.items():
        for name, one in subjects.items():
            details = {"name": name, "path": name if name.startswith("/") else ""}
            finding = found(rule, one.message, evidence=one.evidence, **details)  # type: ignore[arg-type]
            yield finding if one.severity is None else replace(finding, severity=one.severity)
    if observed.trace is not None and observed.trace.truncated:
        yield found("observed/truncated", "more happened than is written down here")


@dataclass(kw_only=True)
class _Look:
    observed: Observed
    base: Base
    subjects: dict[str, dict[str, _Subject]]

    def _note(
        self,
        rule: str,
        name: str,
        message: str,
        caller: str,
        stack: Iterable[str] = (),
        severity: Severity | None = None,
    ) -> None:
        one = self.subjects[rule].setdefault(name, _Subject(message, severity))
        frames = list(stack)
        telling = [frame for frame in frames if not self.base.is_standard(frame)]
        one.add(caller, telling or frames)

    def at_trace(self, trace: Trace) -> None:
        own = {event.about for event in trace.events if event.what in ("bound", "write") and not event.error}
        names = {event.process for event in trace.events if event.what == "name"}
        for event, numbers in trace.events.items():
            stack = self._stack(event, numbers)
            match event.what:
                case "connect":
                    self._connection(trace, event, stack, own, event.process in names)
                case "name":
                    self._name(event.about, _caller(trace, event), stack)
                case "exec" if not event.error:
                    self._program(trace, event)
                case "read" | "write" if not event.error:
                    self._file(trace, event, own)

    def _stack(self, event: Event, numbers: list[int]) -> tuple[str, ...]:
        """Of the Python that was at work, where there was one."""
        stacks = self.observed.stacks.get(event.process, [])
        return next((stacks[number] for number in numbers if number < len(stacks)), ())

    def _connection(
        self, trace: Trace, event: Event, stack: tuple[str, ...], own: set[str], named: bool
    ) -> None:
        host, _, port = event.about.rpartition(" ")
        caller = _caller(trace, event)
        if not host:
            if event.about not in own and not self.base.has_socket(event.about):
                message = f"tried to reach a service of this machine at {event.about}"
                severity: Severity | None = "warning" if event.error else None
                self._note("observed/connection", event.about, message, caller, stack, severity)
            return
        if port in _NAME_SERVERS:
            if not named and not host.startswith(_LOOPBACK):
                message = "asked a name server for something"
                self._note("observed/name", f"{host} {port}", message, caller, stack)
        elif host.startswith(_LOOPBACK):
            if event.error and not _is_own(port, event.error, own):
                message = (
                    f"tried to reach a service of this machine at port {port}, which it did not start itself"
                )
                self._note("observed/connection", event.about, message, caller, stack, "warning")
        else:
            message = f"tried to reach {host}, port {port}"
            self._note("observed/connection", event.about, message, caller, stack)

    def _name(self, name: str, caller: str, stack: Iterable[str]) -> None:
        if name.rstrip(".") in ("localhost", ""):
            return
        self._note("observed/name", name, f"asked for the address of {name}", caller, stack)

    def _program(self, trace: Trace, event: Event) -> None:
        if self.base.has_program(event.about):
            return
        caller = " → ".join(trace.callers_of(event)[:-1]) or "the command itself"
        stack = next((told.stack for told in self.observed.told if _starts(told, event.about)), ())
        message = f"started {event.about}"
        self._note("observed/program", event.about, message, f"by {caller}", stack)

    def _file(self, trace: Trace, event: Event, own: set[str]) -> None:
        path = event.about
        if path.startswith(self.observed.folder) or self.base.has_file(path):
            return
        if not self.base.has_program(trace.program_of(event)):
            return  # what a program outside reads is its own matter; that it was started is told
        caller = _caller(trace, event)
        stack = next(
            (told.stack for told in self.observed.told if (told.event, told.about) == ("open", path)), ()
        )
        if ".so" in path.rpartition("/")[2] and event.what == "read":
            if not self.base.has_library(path):
                self._note("observed/library", path, f"loaded {path}", caller, stack)
        elif event.what == "write":
            self._note("observed/file", path, f"wrote {path}", caller, stack, "note")
        elif path not in own:
            self._note("observed/file", path, f"read {path}", caller, stack)

    def at_python(self) -> None:
        """What Python told of itself: the names that it asked for, and, where nothing traced it, all the rest."""
        for told in self.observed.told:
            caller = f"by process {told.process}, Python"
            if told.event in _ASKED:
                if not (_is_address(told.about) or told.about in self.subjects["observed/name"]):
                    self._name(told.about, caller, told.stack)
            elif told.event == "urllib.Request":
                message = f"asked for {told.about}"
                self._note("observed/connection", told.about, message, caller, told.stack)
            elif told.event in _STARTED:
                self._sought(told, caller)
            elif self.observed.trace is None:
                self._untraced(told, caller)

    def _sought(self, told: Told, caller: str) -> None:
        """A program that was to be started, and was not there."""
        program = told.about.split(" ")[0]
        name = program.rpartition("/")[2]
        trace = self.observed.trace
        ran = trace is not None and any(
            event.what == "exec" and not event.error and event.about.endswith(f"/{name}")
            for event in trace.events
        )
        inside = any(self.base.has_program(path) for path in (program, f"/bin/{name}", f"/usr/bin/{name}"))
        if ran or inside or not name or told.event == "os.system":
            return
        message = f"tried to start {program}" if trace is not None else f"started {program}, or tried to"
        self._note("observed/program", program, message, caller, told.stack)

    def _untraced(self, told: Told, caller: str) -> None:
        host, _, port = told.about.rpartition(" ")
        if told.event in ("socket.connect", "socket.sendto") and host:
            if not host.startswith(_LOOPBACK) and port not in _NAME_SERVERS:
                message = f"tried to reach {host}, port {port}"
                self._note("observed/connection", told.about, message, caller, told.stack)
        elif told.event == "open" and not self.base.has_file(told.about):
            self._note(
                "observed/file",
                told.about,
                f"opened {told.about}, or tried to",
                caller,
                told.stack,
                "warning",
            )
        elif (
            told.event == "ctypes.dlopen"
            and told.about.startswith("/")
            and not self.base.has_library(told.about)
        ):
            self._note("observed/library", told.about, f"loaded {told.about}", caller, told.stack)

    def at_counters(self) -> None:
        """What had no way out, beside what Python told of."""
        told = sum(one.event == "socket.connect" for one in self.observed.told)
        if self.observed.unrouted > told:
            message = f"the kernel had no way for {self.observed.unrouted} packets, and Python told of {told} connections"
            self._note("observed/connection", "native code", message, "by native code, or another program")


def _is_own(port: str, error: str, own: set[str]) -> bool:
    """Whether the application listens there itself; any port will do where it asked for any, and the answer is out."""
    ports = {about.rpartition(" ")[2] for about in own if " " in about}
    return port in ports or ("0" in ports and error == "EINPROGRESS")


def _caller(trace: Trace, event: Event) -> str:
    callers = " → ".join(trace.callers_of(event)) or "an unknown program"
    return f"by {callers} (process {event.process})"


def _starts(told: Told, path: str) -> bool:
    return told.event in _STARTED and told.about.split(" ")[0].rpartition("/")[2] == path.rpartition("/")[2]


def _is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()
