"""What strace writes, and what the hook in a Python writes, as events."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airlock.airgapped.observe import hook, trace
from airlock.airgapped.observe.log import events_in, stacks_in
from airlock.airgapped.observe.trace import Event, read_trace

CONNECT = '7 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = '
EXEC = '7 execve("/usr/bin/git", ["git", "status"], 0x7ffd /* 3 vars */) = 0'


def events(*lines: str) -> list[tuple[str, str, str]]:
    return [(one.what, one.about, one.error) for one in read_trace(lines).events]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (CONNECT + "-1 ENETUNREACH (Network is unreachable)", ("connect", "192.0.2.1 443", "ENETUNREACH")),
        (
            '7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", '
            "&sin6_addr), sin6_scope_id=0}, 28) = -1 EINPROGRESS (Operation now in progress)",
            ("connect", "2001:db8::1 80", "EINPROGRESS"),
        ),
        (
            '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/dbus/system_bus_socket"}, 110) = 0',
            ("connect", "/run/dbus/system_bus_socket", ""),
        ),
        (
            '7 sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(8125), sin_addr=inet_addr("192.0.2.9")}, 16) = 1',
            ("connect", "192.0.2.9 8125", ""),
        ),
        (
            r'7 sendto(3<socket:[1]>, "$\207\1\0\0\1\0\0\0\0\0\0\ttelemetry\6vendor\2io\0\0\1\0\1", 37, 0, NULL, 0) = 37',
            ("name", "telemetry.vendor.io", ""),
        ),
        (EXEC, ("exec", "/usr/bin/git", "")),
        ('7 openat(AT_FDCWD</tmp>, "a", O_RDONLY|O_CLOEXEC) = 3</etc/real>', ("read", "/etc/real", "")),
        ('7 openat(AT_FDCWD</tmp>, "a", O_RDONLY) = -1 ENOENT (No such file)', ("read", "a", "ENOENT")),
        ('7 openat(AT_FDCWD</tmp>, "a", O_RDWR|O_CREAT, 0666) = 3</tmp/a>', ("write", "/tmp/a", "")),
        (r'7 openat(AT_FDCWD, "\303\251\"b", O_RDONLY) = 3', ("read", 'é"b', "")),
    ],
)
def test_a_line(line: str, expected: tuple[str, str, str]) -> None:
    assert events(line) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "7 +++ exited with 0 +++",
        "7 --- SIGCHLD {si_signo=SIGCHLD} ---",
        '7 openat(AT_FDCWD, "/usr", O_RDONLY|O_DIRECTORY) = 3</usr>',
        "7 connect(3, {sa_family=AF_NETLINK, nl_pid=0}, 12) = 0",
        '7 sendto(3, "hello world, this is no question", 10, 0, NULL, 0) = 10',
        "garbage(((",
        "7 openat(" + "x" * 100_000,
    ],
)
def test_what_is_none(line: str) -> None:
    assert events(line) == []


def test_a_call_that_another_one_interrupts() -> None:
    begun = CONNECT.removesuffix(") = ") + " <unfinished ...>"
    assert events(begun, EXEC.replace("7 ", "8 "), "7 <... connect resumed>) = -1 ECONNREFUSED (no)") == [
        ("exec", "/usr/bin/git", ""),
        ("connect", "192.0.2.1 443", "ECONNREFUSED"),
    ]


def test_a_child_does_what_its_parents_program_does_until_it_starts_one_of_its_own() -> None:
    found = read_trace(
        [
            '5 execve("/app/bin/tool", ["tool"], 0x1 /* 3 vars */) = 0',
            "5 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 7",
            CONNECT + "-1 ENETUNREACH (no)",
            EXEC,
            CONNECT.replace("192.0.2.1", "192.0.2.2") + "0",
        ]
    )
    first, second = (one for one in found.events if one.what == "connect")
    assert found.program_of(first) == "/app/bin/tool"
    assert found.callers_of(second) == ("/app/bin/tool", "/usr/bin/git")


def test_a_thread_belongs_to_its_process() -> None:
    lines = ["5 clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x7f}, 88) = 7", CONNECT + "0"]
    ((event),) = (one for one in read_trace(lines).events if one.what == "connect")
    assert event.process == 5


def test_a_stack_belongs_to_the_call_that_it_was_asked_for_at() -> None:
    signal = "7 --- SIGURG {si_signo=SIGURG, si_code=SI_KERNEL} ---"
    other = CONNECT.replace("192.0.2.1", "192.0.2.2")
    ready = '7 openat(AT_FDCWD, "/tmp/x/log/7.stacks", O_WRONLY|O_CREAT) = 3</tmp/x/log/7.stacks>'
    lines = [other + "0", signal, ready, CONNECT + "0", signal, other + "0", signal]
    found = read_trace([*lines, signal.replace("SI_KERNEL", "SI_USER")])
    assert [numbers for event, numbers in found.events.items() if event.what == "connect"] == [[1], [0]]


def test_an_application_that_never_rests_fills_no_memory() -> None:
    found = read_trace(CONNECT.replace("443", str(port)) + "0" for port in range(trace.MAX_EVENTS + 50))
    assert len(found.events) == trace.MAX_EVENTS
    assert found.truncated
    again = read_trace([CONNECT + "0"] * 1_000)
    assert list(again.events) == [Event("connect", "192.0.2.1 443", 7, 0, "")]


def hooked(folder: Path, code: str) -> None:
    """Run it in a Python that has the hook."""
    (folder / "log").mkdir()
    (folder / "sitecustomize.py").write_bytes(Path(hook.__file__).read_bytes())
    environment = {"PYTHONPATH": str(folder), "PATH": os.defpath}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=folder)


def test_the_hook_tells_who_started_a_program(tmp_path: Path) -> None:
    hooked(tmp_path, "import subprocess\ndef go():\n    subprocess.run(['true'])\ngo()\n")
    (one,) = (told for told in events_in(tmp_path / "log") if told.event == "subprocess.Popen")
    assert one.about == "true"
    assert "<string>:3 in go" in one.stack


def test_the_hook_tells_where_a_process_is_when_it_is_asked(tmp_path: Path) -> None:
    hooked(tmp_path, "import os, signal\ndef go():\n    os.kill(os.getpid(), signal.SIGURG)\ngo()\n")
    ((stack,),) = stacks_in(tmp_path / "log").values()
    assert stack == ("<string>:3 in go", "<string>:4 in <module>")


def test_the_hook_follows_into_a_child(tmp_path: Path) -> None:
    code = (
        "import os, signal\npid = os.fork()\nif pid: os.wait()\nelse: os.kill(os.getpid(), signal.SIGURG)\n"
    )
    hooked(tmp_path, code)
    assert sorted(map(len, stacks_in(tmp_path / "log").values())) == [0, 1]


def test_the_hook_lets_the_next_start_up_module_run(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("import builtins\nbuiltins.ANOTHER = 7\n")
    code = "import sys; raise SystemExit(0 if ANOTHER == 7 else 1)"
    (tmp_path / "log").mkdir()
    (tmp_path / "sitecustomize.py").write_bytes(Path(hook.__file__).read_bytes())
    environment = {"PYTHONPATH": f"{tmp_path}:{other}", "PATH": os.defpath}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_the_hook_stops_writing_in_the_end(tmp_path: Path) -> None:
    code = "import os\nfor n in range(5000):\n    try: open(f'/nowhere/{n}')\n    except OSError: pass\n"
    hooked(tmp_path, code)
    assert len(list(events_in(tmp_path / "log"))) <= 2_000
