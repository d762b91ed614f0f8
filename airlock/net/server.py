"""Listen, and hand requests to an ASGI application: uvicorn, told what airlock wants of it."""

import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import uvicorn

from airlock.errors import AirlockError, UsageError

Application = Callable[..., Awaitable[None]]
_AT_A_TIME = 512
"""Connections; more are told to come again (503)."""
_BACKLOG = 2048
_IDLE = 15
"""Seconds."""
_END = 5
"""Seconds that answers which are under way get to finish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    address: str
    """An IP address, or a name that this machine has."""
    port: int
    """0 for any that is free."""
    certificate: Path | None = None
    """PEM, with the chain; plain HTTP without."""
    key: Path | None = None


def serve(application: Application, listen: Listen, ready: Callable[[str], None]) -> None:
    """Until SIGINT or SIGTERM. `ready` gets the URL once requests are taken. Raises AirlockError where the address cannot be
    had, UsageError where certificate and key cannot be used."""
    with _bound(listen) as listening:
        scheme = "https" if listen.certificate else "http"
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        server = _Server(_configuration(application, listen), lambda: ready(f"{scheme}://{shown}:{port}"))
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listening])
        finally:
            signal.signal(signal.SIGTERM, before)


def _bound(listen: Listen) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
        listening = socket.create_server((listen.address, listen.port), family=family, backlog=_BACKLOG)
        # asyncio asks for this only where a socket names its protocol; without it an answer's body waits 40 ms for the
        # acknowledgement of its head
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, UnicodeError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "name another with --bind; port 0 takes any that is free"
        raise AirlockError(f"{listen.address}:{listen.port}", what, hint=hint) from error


def _configuration(application: Application, listen: Listen) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_AT_A_TIME,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_END,
        ssl_certfile=str(listen.certificate) if listen.certificate else None,
        ssl_keyfile=str(listen.key) if listen.key else None,
    )
    try:
        config.load()
    except OSError as error:
        what = f"cannot be used, {error.strerror or error}"
        raise UsageError(str(listen.certificate), what, hint="both are PEM files; see --tls-key") from error
    return config


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
