//! The deflate encoders that Python's zlib is not.

use flate2::{Compress, Compression, FlushCompress, Status as FlateStatus};
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate as miniz_deflate;
use miniz_oxide::{MZError, MZFlush, MZStatus};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zlib_rs::{Deflate, DeflateFlush, Status};

/// What `std::io::copy` reads at once.
const PIECE: usize = 8192;
const ROOM: usize = 1 << 16;
const ENDED: &str = "the stream has ended";

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Zlib>()?;
    module.add_class::<ZlibRs>()?;
    module.add_class::<Miniz>()
}

type Made = Result<Vec<u8>, String>;

fn to_python(py: Python<'_>, made: Made) -> PyResult<Bound<'_, PyBytes>> {
    match made {
        Ok(made) => Ok(PyBytes::new(py, &made)),
        Err(fault) => Err(PyValueError::new_err(fault)),
    }
}

/// The original zlib, raw, with window 15 and memory level 8. Its bytes do not depend on how it is fed.
#[pyclass]
struct Zlib {
    encoder: Compress,
}

impl Zlib {
    fn run(&mut self, mut input: &[u8], flush: FlushCompress) -> Made {
        let mut out = Vec::new();
        loop {
            out.reserve(ROOM);
            let (read, written) = (self.encoder.total_in(), out.len());
            let status =
                self.encoder.compress_vec(input, &mut out, flush).map_err(|error| error.to_string())?;
            input = &input[(self.encoder.total_in() - read) as usize..];
            let full = out.len() == out.capacity();
            let stuck = status == FlateStatus::BufError && out.len() == written && !full;
            let more = full || !input.is_empty() || flush == FlushCompress::Finish;
            if status == FlateStatus::StreamEnd || stuck || !more {
                return Ok(out);
            }
        }
    }
}

#[pymethods]
impl Zlib {
    #[new]
    fn new(level: u32) -> PyResult<Self> {
        if !(1..=9).contains(&level) {
            return Err(PyValueError::new_err("not a level of zlib"));
        }
        Ok(Self { encoder: Compress::new(Compression::new(level), false) })
    }

    fn compress<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| self.run(data, FlushCompress::None));
        to_python(py, made)
    }

    fn flush<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| self.run(&[], FlushCompress::Finish));
        to_python(py, made)
    }
}

/// zlib-rs at level 6, raw, fed in pieces of 8192 bytes, then a sync flush, then the end: its bytes depend on all of that.
#[pyclass]
struct ZlibRs {
    encoder: Deflate,
    /// Less than a piece.
    kept: Vec<u8>,
}

impl ZlibRs {
    fn run(&mut self, mut input: &[u8], flush: DeflateFlush, out: &mut Vec<u8>) -> Result<(), String> {
        loop {
            let start = out.len();
            out.resize(start + ROOM, 0);
            let (read, written) = (self.encoder.total_in(), self.encoder.total_out());
            let status =
                self.encoder.compress(input, &mut out[start..], flush).map_err(|error| error.as_str().to_owned())?;
            let taken = (self.encoder.total_in() - read) as usize;
            input = &input[taken..];
            let made = (self.encoder.total_out() - written) as usize;
            out.truncate(start + made);
            if status != Status::StreamEnd && taken + made == 0 && (flush == DeflateFlush::Finish || !input.is_empty()) {
                return Err(ENDED.to_owned());
            }
            let more = made == ROOM || !input.is_empty() || flush == DeflateFlush::Finish;
            if status == Status::StreamEnd || !more {
                return Ok(());
            }
        }
    }

    fn take(&mut self, data: &[u8]) -> Made {
        let mut out = Vec::new();
        self.kept.extend_from_slice(data);
        let kept = std::mem::take(&mut self.kept);
        let pieces = kept.chunks_exact(PIECE);
        self.kept = pieces.remainder().to_vec();
        for piece in pieces {
            self.run(piece, DeflateFlush::NoFlush, &mut out)?;
        }
        Ok(out)
    }

    fn end(&mut self) -> Made {
        let mut out = Vec::new();
        let kept = std::mem::take(&mut self.kept);
        if !kept.is_empty() {
            self.run(&kept, DeflateFlush::NoFlush, &mut out)?;
        }
        self.run(&[], DeflateFlush::SyncFlush, &mut out)?;
        self.run(&[], DeflateFlush::Finish, &mut out)?;
        Ok(out)
    }
}

#[pymethods]
impl ZlibRs {
    #[new]
    fn new() -> Self {
        Self { encoder: Deflate::new(6, false, 15), kept: Vec::new() }
    }

    fn compress<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| self.take(data));
        to_python(py, made)
    }

    fn flush<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| self.end());
        to_python(py, made)
    }
}

/// miniz_oxide at level 6, raw. Its bytes do not depend on how it is fed.
#[pyclass]
struct Miniz {
    encoder: Box<CompressorOxide>,
}

impl Miniz {
    fn run(&mut self, mut input: &[u8], flush: MZFlush) -> Made {
        let mut out = Vec::new();
        loop {
            let start = out.len();
            out.resize(start + ROOM, 0);
            let result = miniz_deflate(&mut self.encoder, input, &mut out[start..], flush);
            out.truncate(start + result.bytes_written);
            input = &input[result.bytes_consumed..];
            match result.status {
                Ok(MZStatus::StreamEnd) => return Ok(out),
                Ok(_) | Err(MZError::Buf) => {}
                Err(error) => return Err(format!("{error:?}")),
            }
            if result.bytes_consumed + result.bytes_written == 0 && (flush == MZFlush::Finish || !input.is_empty()) {
                return Err(ENDED.to_owned());
            }
            let more = result.bytes_written == ROOM || !input.is_empty() || flush == MZFlush::Finish;
            if !more {
                return Ok(out);
            }
        }
    }
}

#[pymethods]
impl Miniz {
    #[new]
    fn new() -> Self {
        Self { encoder: Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(6, -15, 0))) }
    }

    fn compress<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| self.run(data, MZFlush::None));
        to_python(py, made)
    }

    fn flush<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| self.run(&[], MZFlush::Finish));
        to_python(py, made)
    }
}
