//! Changes between two versions of a file: found here, decoded here and in `airlock/core/change.py`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

mod change;
mod elf;
mod layout;
mod matching;
mod numbers;
mod prediction;

use change::{PARTS, Parts};
use layout::{Field, Layout, Relative};
use matching::{Index, blocks};
use prediction::Map;

/// Why a change cannot be.
#[derive(Debug)]
pub struct Fault(&'static str);

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> PyErr {
        PyValueError::new_err(fault.0)
    }
}

/// So many bytes of the old file are nearly so many of the new one.
#[derive(Clone, Copy)]
pub struct Block {
    old: usize,
    new: usize,
    len: usize,
}

/// How much better a match must be than going on as before, in bytes. A block costs some five bytes; new text compresses to
/// a fifth and new code to a half.
const TEXT: usize = 32;
const OTHER: usize = 12;
const MASKED: usize = 16;
const PASSES: usize = 2;

type Encoded = [Vec<u8>; PARTS];

fn encode(old: &[u8], new: &[u8]) -> Result<Encoded, Fault> {
    if old.len() > i32::MAX as usize {
        return Err(Fault("the base is too large"));
    }
    match elf::layout(old, new).zip(elf::layout(new, old)) {
        Some((layout, back)) => encode_relocated(old, new, &layout, &back),
        None => {
            let margin = if new[..new.len().min(1 << 16)].contains(&0) { OTHER } else { TEXT };
            let found = blocks(&Index::new(old)?, new, margin);
            Ok(change::encode(old, new, &found, None))
        }
    }
}

/// With all addresses masked, then with those of the old file replaced by what the last match expects in the new one: code
/// finds its place first, then what points to it, then what points to that.
fn encode_relocated(old: &[u8], new: &[u8], data: &[u8], back: &[u8]) -> Result<Encoded, Fault> {
    let layout = Layout::parse(data, old.len())?;
    let fields = layout.fields(old);
    let there = Layout::parse(back, new.len())?.fields(new);
    let relocation = Some((&layout, data, &fields[..]));
    let mut found = {
        let (masked, target) = (image(old, &fields, |_| 0), image(new, &there, |_| 0));
        blocks(&Index::new(&masked)?, &target, MASKED)
    };
    let first = change::encode(old, new, &found, relocation);
    let target = image(new, &there, |address| address);
    for _ in 0..PASSES {
        let map = Map::new(&layout, old.len(), &found);
        let moved = image(old, &fields, |address| map.get(address));
        found = blocks(&Index::new(&moved)?, &target, OTHER);
    }
    let last = change::encode(old, new, &found, relocation);
    Ok(if cost(&first) <= cost(&last) { first } else { last })
}

fn cost(parts: &Encoded) -> usize {
    parts.iter().map(|part| miniz_oxide::deflate::compress_to_vec(part, 1).len()).sum()
}

/// A file with its fields written as absolute addresses, or whatever `address` makes of them.
fn image(data: &[u8], fields: &[Field], address: impl Fn(u64) -> u64) -> Vec<u8> {
    let mut out = data.to_vec();
    for field in fields {
        let target = address(field.target);
        let origin = if field.relative == Relative::Table { address(field.origin) } else { 0 };
        let (at, width) = (field.at as usize, field.width());
        out[at..at + width].copy_from_slice(&target.wrapping_sub(origin).to_le_bytes()[..width]);
    }
    out
}

/// The parts of the change that makes `new` of `old`.
#[pyfunction]
fn find_change<'py>(py: Python<'py>, old: &[u8], new: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let parts = py.detach(|| encode(old, new))?;
    PyTuple::new(py, parts.iter().map(|part| PyBytes::new(py, part)))
}

/// The `length` bytes that a change makes of `old`. Raises ValueError.
#[pyfunction]
fn apply_change<'py>(
    py: Python<'py>,
    old: &[u8],
    length: usize,
    parts: [Bound<'py, PyBytes>; PARTS],
) -> PyResult<Bound<'py, PyBytes>> {
    let parts: Parts = std::array::from_fn(|number| parts[number].as_bytes());
    let new = py.detach(|| change::decode(old, length, &parts))?;
    Ok(PyBytes::new(py, &new))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(find_change, module)?)?;
    module.add_function(wrap_pyfunction!(apply_change, module)?)
}
