"""Whole packages and layers, containers inside containers, through the framework."""

import gzip
import io
import lzma
import tarfile

import pytest

from airlock.core.expanded import expand, form_named
from tests.core.forms.containers import TEXT
from tests.core.forms.test_ar_container import package
from tests.core.forms.test_tar_container import tar_of

FILES = {
    "./usr/share/man/man1/a.1.gz": gzip.compress(TEXT, 9, mtime=0),
    "./usr/share/man/man1/b.1.gz": gzip.compress(TEXT[1000:], 9, mtime=0),
    "./usr/lib/a": TEXT,
    "./etc/.wh.b": b"",
}


def deb() -> bytes:
    control = lzma.compress(tar_of({"./control": TEXT[:300]}))
    return package(("control.tar.xz", control), ("data.tar.xz", lzma.compress(tar_of(FILES))))


def layer() -> bytes:
    return gzip.compress(tar_of(FILES, tarfile.PAX_FORMAT), 6, mtime=0)


@pytest.mark.parametrize(
    ("original", "codecs"),
    [
        (deb(), {"ar/1", "gzip/1", "lzma/1", "tar/1", "xz/1", "zlib/1"}),
        (layer(), {"gzip/1", "tar/1", "zlib/1"}),
    ],
    ids=["deb", "layer"],
)
def test_every_content_lies_open_and_the_whole_comes_back(original: bytes, codecs: set[str]) -> None:
    expanded, rebuilt = io.BytesIO(), io.BytesIO()
    found = expand(io.BytesIO(original), expanded)
    assert set(found.codecs) == codecs
    assert expanded.getvalue().count(TEXT[1000:]) == 3
    expanded.seek(0)
    form_named(found.form, "test").rebuild(expanded, rebuilt)
    assert rebuilt.getvalue() == original
