//! The deflate encoders of programs that are written in Go: of its standard library, and of pgzip over klauspost/compress.

mod blocks;
mod chains;
mod codes;
mod doubled;
mod pgzip;
mod quick;
mod reuse;

pub use blocks::chosen_by_go;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::huffman::Fault;
use crate::parser::{Event, Kind, Parser};
use chains::Chains;
use quick::Quick;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Go>()?;
    module.add_class::<Pgzip>()?;
    module.add_class::<FlushFinder>()
}

enum Level {
    Quick(Quick),
    Chains(Box<Chains>),
}

/// Go's compress/flate at levels 1 and 4 to 9.
#[pyclass]
struct Go {
    level: Level,
}

impl Go {
    fn made(&mut self) -> Vec<u8> {
        let blocks = match &mut self.level {
            Level::Quick(quick) => &mut quick.blocks,
            Level::Chains(chains) => &mut chains.blocks,
        };
        std::mem::take(&mut blocks.out.out)
    }
}

#[pymethods]
impl Go {
    #[new]
    fn new(level: u32) -> PyResult<Self> {
        let level = match level {
            1 => Level::Quick(Quick::new()),
            _ => Level::Chains(Box::new(Chains::new(level).ok_or(PyValueError::new_err("no such level"))?)),
        };
        Ok(Self { level })
    }

    fn compress<'py>(&mut self, py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
        py.detach(|| match &mut self.level {
            Level::Quick(quick) => quick.take(data),
            Level::Chains(chains) => chains.take(data),
        });
        PyBytes::new(py, &self.made())
    }

    fn flush<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        py.detach(|| match &mut self.level {
            Level::Quick(quick) => quick.finish(),
            Level::Chains(chains) => chains.finish(),
        });
        PyBytes::new(py, &self.made())
    }
}

/// pgzip over klauspost/compress at level 5, the default, in pieces of some bytes.
#[pyclass]
struct Pgzip {
    encoder: pgzip::Pgzip,
}

#[pymethods]
impl Pgzip {
    /// `version` 1 is that of klauspost/compress 1.15.10 to 1.18.0, 2 that of 1.18.1 and later.
    #[new]
    fn new(version: u32, piece: usize) -> PyResult<Self> {
        if !(1..=2).contains(&version) || !(pgzip::TAIL + 1..=1 << 30).contains(&piece) {
            return Err(PyValueError::new_err("no such version or size of pieces"));
        }
        Ok(Self { encoder: pgzip::Pgzip::new(version == 2, piece) })
    }

    fn compress<'py>(&mut self, py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
        py.detach(|| self.encoder.take(data));
        PyBytes::new(py, &std::mem::take(&mut self.encoder.blocks.out.out))
    }

    fn flush<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        py.detach(|| self.encoder.finish());
        PyBytes::new(py, &std::mem::take(&mut self.encoder.blocks.out.out))
    }
}

/// Finds how much content a stream has before the first empty block that is not its last: the size of a piece.
#[pyclass]
struct FlushFinder {
    stream: Parser,
    position: u64,
    /// Whether the block that is being read is stored, and had no byte so far.
    empty: bool,
}

impl FlushFinder {
    fn run(&mut self) -> Result<Option<u64>, Fault> {
        loop {
            match self.stream.next()? {
                Event::Starved => return Ok(None),
                Event::End => return Err("no flush"),
                Event::Block { kind, last } => self.empty = matches!(kind, Kind::Stored) && !last,
                Event::Token(token) => {
                    self.position += u64::from(token.length);
                    self.empty = false;
                }
                Event::BlockEnd if self.empty => return Ok(Some(self.position)),
                Event::BlockEnd => {}
            }
        }
    }
}

#[pymethods]
impl FlushFinder {
    #[new]
    fn new() -> Self {
        Self { stream: Parser::new(), position: 0, empty: false }
    }

    /// None where more of the stream is wanted.
    fn feed(&mut self, py: Python<'_>, stream: &[u8], complete: bool) -> PyResult<Option<u64>> {
        py.detach(|| {
            self.stream.feed(stream, complete);
            self.run()
        })
        .map_err(PyValueError::new_err)
    }
}
