"""The catalogue as an ASGI application: looks a path up, and sends what stands there. Everything else is refused."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

import anyio.to_thread
import mimeparse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from airlock.airgapped.serving.catalogue import Catalogue
from airlock.airgapped.serving.shelf import Shelf
from airlock.airgapped.site import CURRENT, JOURNAL
from airlock.core.digest import Digest, digest_of, hex_of
from airlock.core.reporter import Reporter
from airlock.errors import AirlockError, UsageError
from airlock.kinds.serving import Body, Choice, Document, Moved, Offer, Original, Placed, Query

_READING = 4
"""Files that are restored or compared at a time; others wait."""
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
}
"""What a site holds may be a page of anybody's: a browser shows it, and runs nothing of it."""
_Stamp = tuple[str, int]


@dataclass(slots=True, kw_only=True)
class Library:
    """`make` makes the catalogue anew; asked when the site has changed, never twice at a time."""

    shelf: Shelf
    make: Callable[[], Catalogue]
    reporter: Reporter
    front: Callable[[], str] | None = None
    """The page at `/`, in HTML."""
    _catalogue: Catalogue | None = None
    _stamp: _Stamp | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READING))

    def begin(self) -> Catalogue:
        """Raises as `make` does."""
        self._stamp = self._now()
        self._catalogue = self.make()
        return self._catalogue

    async def catalogue(self) -> Catalogue:
        """As the site is now; as it was, where its records cannot be read, which is warned of."""
        if self._catalogue is None or self._now() != self._stamp:
            async with self._making:
                if self._catalogue is None or self._now() != self._stamp:
                    try:
                        await anyio.to_thread.run_sync(self.begin)
                    except (AirlockError, OSError) as error:
                        if self._catalogue is None:
                            raise
                        self.reporter.warn(f"what is served is that of before: {error}")
        assert self._catalogue is not None
        return self._catalogue

    def _now(self) -> _Stamp:
        """Changes with every act at the site."""
        link, size = "", 0
        with suppress(OSError):
            link = str(self.shelf.site.path(CURRENT).readlink())
        with suppress(OSError):
            size = self.shelf.site.path(JOURNAL).stat().st_size
        return link, size

    async def read(self, open_it: Callable[[], BinaryIO]) -> BinaryIO:
        async with self._reading:
            return await anyio.to_thread.run_sync(open_it)


def application(library: Library) -> Starlette:
    """Takes GET and HEAD of what the catalogue names."""

    async def answer(request: Request) -> Response:
        try:
            return await _answer(request, library)
        except UsageError as error:
            return _refusal(400, str(error))
        except (AirlockError, OSError) as error:
            library.reporter.warn(f"{request.scope['path']}: {error}")
            return _refusal(500, "this cannot be served; the server's log says why")

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD"])])


async def _answer(request: Request, library: Library) -> Response:
    path = request.scope["path"]
    if path == "/" and library.front is not None:
        page = await anyio.to_thread.run_sync(library.front)
        return _document(Document(data=page.encode(), media="text/html; charset=utf-8"), request, {})
    catalogue = await library.catalogue()
    offer = catalogue.offers.get(path)
    while offer is not None and isinstance(offer.body, Query):
        offer = offer.body.answer(dict(request.query_params))
    return _refusal(404, "not here") if offer is None else await _send(offer, request, library, catalogue)


async def _send(offer: Offer, request: Request, library: Library, catalogue: Catalogue) -> Response:
    body: Body = offer.body
    match body:
        case Document():
            return _document(body, request, offer.headers)
        case Choice():
            return _document(_chosen(body, request), request, {"Vary": "Accept", **offer.headers})
        case Moved():
            return RedirectResponse(body.location, 301, headers=_SAFE)
        case Original():
            entry = catalogue.entries[body.artifact.digest]
            opener = partial(library.shelf.original, entry)
            return await _file(opener, body.artifact.digest, body.media, request, library, offer.headers)
        case Placed():
            opener = partial(library.shelf.placed, body)
            return await _file(opener, body.entry.digest, body.media, request, library, offer.headers)
        case _:
            raise TypeError(f"a query that answers with a query: {body!r}")


def _chosen(choice: Choice, request: Request) -> Document:
    by_type = {document.media.partition(";")[0]: document for document in choice.documents}
    wanted = ""
    with suppress(mimeparse.MimeTypeParseException):
        wanted = mimeparse.best_match(by_type, ",".join(request.headers.getlist("accept")) or "*/*")
    return by_type[wanted] if wanted else choice.documents[-1]


def _document(document: Document, request: Request, headers: Mapping[str, str]) -> Response:
    tag = _tag(digest_of(document.data))
    if _is_known(request, tag):
        return _unchanged(tag)
    given = {**_SAFE, "ETag": tag, **headers}
    return Response(document.data, headers=given, media_type=document.media)


async def _file(
    opener: Callable[[], BinaryIO],
    digest: Digest,
    media: str,
    request: Request,
    library: Library,
    headers: Mapping[str, str],
) -> Response:
    tag = _tag(digest)
    if _is_known(request, tag):
        return _unchanged(tag)
    stream = await library.read(opener)
    return _Open(stream, {**_SAFE, "ETag": tag, **headers}, media)


class _Open(FileResponse):
    """A file that is open already, sent whole or in the ranges that were asked for (RFC 9110 §14), and then closed."""

    def __init__(self, stream: BinaryIO, headers: Mapping[str, str], media: str) -> None:
        number = stream.fileno()
        super().__init__(
            f"/proc/self/fd/{number}", headers=headers, media_type=media, stat_result=os.fstat(number)
        )
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.close()


def _tag(digest: Digest) -> str:
    return f'"{hex_of(digest)}"'


def _is_known(request: Request, tag: str) -> bool:
    """RFC 9110 §13.1.2, with weak comparison."""
    known = ",".join(request.headers.getlist("if-none-match"))
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in known.split(",") if one.strip())


def _unchanged(tag: str) -> Response:
    return Response(status_code=304, headers={"ETag": tag})


def _refusal(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers=_SAFE)
