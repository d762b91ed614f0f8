"""Progress on stderr: bars on a terminal, plain lines elsewhere."""

import threading
from typing import TYPE_CHECKING, TextIO

from airlock.core.plain import human_size as human_size
from airlock.core.plain import plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Console:
    """A reporter for people. `rich` is imported with the first bar, so that quick commands do not pay for it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def start(self, task: str, total: int | None) -> None:
        if not self._stream.isatty():
            size = f" ({human_size(total)})" if total else ""
            self.note(f"{task}{size}")
            return
        with self._lock:
            progress = self._progress or self._open()
            self._tasks[task] = progress.add_task(plain(task), total=total)

    def advance(self, task: str, amount: int) -> None:
        with self._lock:
            if self._progress and task in self._tasks:
                self._progress.advance(self._tasks[task], amount)

    def finish(self, task: str) -> None:
        with self._lock:
            identity = self._tasks.pop(task, None)
            if self._progress and identity is not None:
                self._progress.remove_task(identity)
                if not self._tasks:
                    self._progress.stop()
                    self._progress = None

    def note(self, text: str) -> None:
        self._line(text)

    def warn(self, text: str) -> None:
        self._line(f"warning: {text}")

    def _line(self, text: str) -> None:
        text = plain(text)
        with self._lock:
            if self._progress:
                self._progress.console.print(text, markup=False, highlight=False)
            else:
                print(text, file=self._stream, flush=True)

    def _open(self) -> "Progress":
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=False),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=RichConsole(file=self._stream), transient=True)
        self._progress.start()
        return self._progress
