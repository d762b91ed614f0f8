//! `airlock._native`: what a native library alone can do, or does several times faster.
//!
//! Every function releases the interpreter's lock, works in bounded memory, and turns failure into an exception.

use pyo3::prelude::*;

mod bits;
mod cache;
mod deflate;
mod diff;
mod go;
mod gzip;
mod huffman;
mod matcher;
mod page;
mod parser;
mod place;
mod sketch;
mod tokens;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    cache::register(module)?;
    deflate::register(module)?;
    diff::register(module)?;
    go::register(module)?;
    gzip::register(module)?;
    page::register(module)?;
    place::register(module)?;
    sketch::register(module)?;
    tokens::register(module)
}
