"""What tests of the native crate share."""

import shutil

import pytest

from airlock.core.native import native

needs_native = pytest.mark.skipif(native() is None, reason="the native crate is not built")
needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not on PATH")
