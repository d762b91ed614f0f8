//! `airlock._native`: what a native library alone can do, or does several times faster.
//!
//! Every function releases the interpreter's lock, works in bounded memory, and turns failure into an exception.

use pyo3::prelude::*;

mod bits;
mod deflate;
mod diff;
mod huffman;
mod parser;
mod place;
mod tokens;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    deflate::register(module)?;
    diff::register(module)?;
    place::register(module)?;
    tokens::register(module)
}
