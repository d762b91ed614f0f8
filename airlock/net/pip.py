"""What the user's pip is configured for: its documented files and variables, and its command line for everything else."""

import ast
import functools
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future

from airlock.core.reporter import Reporter
from airlock.errors import FetchError
from airlock.net.pip_files import configured


class PipConfiguration:
    """What the user's pip is configured for, found out when it is first needed and only once. Safe to use from many
    threads."""

    def __init__(self, environment: Mapping[str, str], reporter: Reporter) -> None:
        self._environment, self._reporter = environment, reporter
        self._lock = threading.RLock()
        self._default: Future[str] | None = None

    def option(self, name: str) -> str | None:
        """What pip is told, as `cert`, the file of certificates to trust, `client-cert`, `proxy` or `keyring-provider`."""
        with self._lock:
            return setting(self._settings, name)

    def expect(self) -> None:
        """The index will be asked for: where pip alone can tell it, it is asked in the background."""
        with self._lock:
            if self._default is None and not self.option("index-url"):
                self._default = answer = Future[str]()
                # Nobody waits for it who does not need it.
                threading.Thread(target=self._ask_default, args=(answer,), daemon=True).start()

    def index(self) -> str:
        """The URL of the simple index: what pip is configured for, else pip's own default. Raises FetchError."""
        self.expect()
        with self._lock:
            return self._index

    @functools.cached_property
    def _settings(self) -> Mapping[str, str]:
        found = configured(self._environment)
        return parse_settings(self._run("config", "list")) if found is None else found

    @functools.cached_property
    def _index(self) -> str:
        if extra := self.option("extra-index-url"):
            self._reporter.warn(
                f"pip's extra-index-url ({len(extra.split())}) is not used: declare it as [[index]]; where two "
                "indexes have a package, [python.sources] says which is meant"
            )
        return self.option("index-url") or parse_default_index(
            self._default.result() if self._default else ""
        )

    def _ask_default(self, answer: "Future[str]") -> None:
        try:
            answer.set_result(self._run("help", "list"))
        except FetchError as error:
            answer.set_exception(error)

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "pip", *arguments]
        environment = {**self._environment, "COLUMNS": "400", "PYTHONIOENCODING": "utf-8"}
        try:
            ran = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            raise FetchError(
                "pip",
                "could not be asked for its index",
                hint='name the index: [[index]] with name = "default"',
            ) from error
        return ran.stdout.decode("utf-8", "replace")


def parse_settings(output: str) -> dict[str, str]:
    """Read `pip config list`: one `section.key='value'` a line, values as Python literals."""
    settings = {}
    for line in output.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            try:
                settings[key.strip()] = str(ast.literal_eval(value.strip()))
            except (ValueError, SyntaxError):
                continue
    return settings


def setting(settings: Mapping[str, str], key: str) -> str | None:
    """pip's own order: the environment, then the command's section, then the global one."""
    found = (settings.get(f"{section}.{key}") for section in (":env:", "install", "global"))
    return next((value for value in found if value), None)


def parse_default_index(output: str) -> str:
    """Read the default of `--index-url` out of `pip help list`, whose help is the quickest to get. Raises FetchError."""
    text = " ".join(output.split())
    match = re.search(r"--index-url <url>.*?\(default:? (\S+?)\)", text)
    if not match:
        raise FetchError(
            "pip", "does not say which index it uses", hint='name the index: [[index]] with name = "default"'
        )
    return match[1]
