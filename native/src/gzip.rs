//! gzip files made many at a time, each of a part of what is at hand.

use std::borrow::Cow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::{pread, retry_on_intr};

use crate::huffman::Fault;
use crate::place::{Source, source_of};
use crate::tokens::corrected;

const ROOM: usize = 1 << 16;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(make_gzip, module)?)
}

/// `(offset, size, level, corrections, header, trailing)`.
type Job<'py> = (u64, u64, u32, Option<Bound<'py, PyBytes>>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

struct File<'a> {
    offset: u64,
    size: u64,
    level: u32,
    corrections: Option<&'a [u8]>,
    header: &'a [u8],
    trailing: &'a [u8],
}

#[pyfunction]
fn make_gzip<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    files: Vec<Job<'py>>,
    limit: u64,
    threads: usize,
) -> PyResult<Option<Vec<Bound<'py, PyBytes>>>> {
    let source = source_of(source)?;
    let files: Vec<File> = files
        .iter()
        .map(|(offset, size, level, corrections, header, trailing)| File {
            offset: *offset,
            size: *size,
            level: *level,
            corrections: corrections.as_ref().map(|data| data.as_bytes()),
            header: header.as_bytes(),
            trailing: trailing.as_bytes(),
        })
        .collect();
    let made = py.detach(|| in_threads(&source, &files, limit, threads)).map_err(PyValueError::new_err)?;
    Ok(made.map(|made| made.iter().map(|file| PyBytes::new(py, file)).collect()))
}

/// None where all of them are more than `limit` bytes.
fn in_threads(source: &Source, files: &[File], limit: u64, threads: usize) -> Result<Option<Vec<Vec<u8>>>, Fault> {
    let made = Mutex::new(vec![Vec::new(); files.len()]);
    let (next, room) = (AtomicUsize::new(0), AtomicU64::new(limit));
    let stop = AtomicBool::new(false);
    let take = |count: u64| -> bool {
        let taken = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count));
        taken.is_ok() || {
            stop.store(true, Ordering::Relaxed);
            false
        }
    };
    let work = || -> Result<(), Fault> {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(number) else { break };
            let Some(whole) = make(source, file, &take).inspect_err(|_| stop.store(true, Ordering::Relaxed))? else {
                break;
            };
            made.lock().map_err(|_| "a thread that failed")?[number] = whole;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(files.len())).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|other| other.join().unwrap_or(Err("a thread that failed")));
        theirs.fold(mine, |found, other| found.and(other))
    })?;
    if stop.load(Ordering::Relaxed) {
        Ok(None)
    } else {
        made.into_inner().map(Some).map_err(|_| "a thread that failed")
    }
}

/// None where `take` has no room for it.
fn make(source: &Source, file: &File, take: &impl Fn(u64) -> bool) -> Result<Option<Vec<u8>>, Fault> {
    let content = content(source, file)?;
    let mut out = file.header.to_vec();
    let mut full = !take((file.header.len() + file.trailing.len() + 8) as u64);
    let mut grow = |piece: &[u8]| {
        full = full || !take(piece.len() as u64);
        if full {
            return Err("no room");
        }
        out.extend_from_slice(piece);
        Ok(())
    };
    let done = match file.corrections {
        Some(corrections) => corrected(&content, file.level, corrections, &mut grow),
        None => deflated(&content, file.level, &mut grow),
    };
    if full {
        return Ok(None);
    }
    done?;
    let mut sum = Crc::new();
    sum.update(&content);
    out.extend_from_slice(&sum.sum().to_le_bytes());
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(file.trailing);
    Ok(Some(out))
}

fn content<'a>(source: &'a Source, file: &File) -> Result<Cow<'a, [u8]>, Fault> {
    match source {
        Source::Memory(data) => {
            let rest = data.get(file.offset as usize..).ok_or("a part outside the source")?;
            Ok(Cow::Borrowed(rest.get(..file.size as usize).ok_or("a part outside the source")?))
        }
        Source::File(source) => {
            let mut data = vec![0; file.size as usize];
            let mut done = 0;
            while done < data.len() {
                match retry_on_intr(|| pread(source, &mut data[done..], file.offset + done as u64)) {
                    Ok(count) if count > 0 => done += count,
                    _ => return Err("a source that cannot be read"),
                }
            }
            Ok(Cow::Owned(data))
        }
    }
}

/// As `Zlib`, in one go.
fn deflated(content: &[u8], level: u32, mut take: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    if !(1..=9).contains(&level) {
        return Err("not a level of zlib");
    }
    let mut encoder = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(ROOM);
    loop {
        let rest = &content[encoder.total_in() as usize..];
        let status = encoder.compress_vec(rest, &mut out, FlushCompress::Finish).map_err(|_| "not deflated")?;
        take(&out)?;
        out.clear();
        if status == Status::StreamEnd {
            return Ok(());
        }
    }
}
