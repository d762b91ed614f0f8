//! Files of a site written some thousand at a time: made, filled and hashed below one directory, no link followed.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, fstat, linkat, mkdirat, open, openat};
use rustix::io::{Errno, pread, read, retry_on_intr, write};
use sha2::{Digest, Sha256};

const CHUNK: usize = 1 << 18;
const KEPT_OPEN: usize = 48;
const BLOCKS: usize = 16;
/// What a file costs beside its bytes, in bytes: blocks of about the same work keep both threads busy to the end.
const PER_FILE: u64 = 1 << 14;
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(write_files, module)?)?;
    module.add_function(wrap_pyfunction!(link_files, module)?)
}

type Sum = [u8; 32];

/// `(path, mode, source, offset, size, like)`.
#[derive(FromPyObject)]
struct Job(String, u32, usize, u64, u64, String);

/// `(path, like, mode, size, sum)`.
#[derive(FromPyObject)]
struct Kept(String, String, u32, u64, Vec<u8>);

pub enum Source<'a> {
    Memory(&'a [u8]),
    File(OwnedFd),
}

struct Failure {
    errno: Errno,
    path: String,
}

#[pyfunction]
fn write_files<'py>(
    py: Python<'py>,
    root: &str,
    sources: Vec<Bound<'py, PyAny>>,
    files: Vec<Job>,
    threads: usize,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let failed = |errno, path: &str| failure(Failure { errno, path: path.to_owned() });
    let top = open(root, FOLDER - OFlags::NOFOLLOW, Mode::empty()).map_err(|errno| failed(errno, root))?;
    let sources = sources.iter().map(source_of).collect::<PyResult<Vec<_>>>()?;
    for job in &files {
        check(job, &sources)?;
    }
    let place = |site: &mut Site, job: &Job| {
        site.place(job, &sources[job.2]).map_err(|errno| Failure { errno, path: job.0.clone() })
    };
    let sums = py.detach(|| in_threads(&top, &files, threads, |job| job.4, place)).map_err(failure)?;
    Ok(sums.iter().map(|sum| PyBytes::new(py, sum)).collect())
}

#[pyfunction]
fn link_files(py: Python<'_>, root: &str, files: Vec<Kept>, threads: usize) -> PyResult<Vec<bool>> {
    let top = open(root, FOLDER - OFlags::NOFOLLOW, Mode::empty())
        .map_err(|errno| failure(Failure { errno, path: root.to_owned() }))?;
    if let Some(odd) = files.iter().find(|file| !(plain(&file.0) && plain(&file.1))) {
        return Err(PyValueError::new_err(format!("not a file to keep: {:?}", odd.0)));
    }
    let keep = |site: &mut Site, file: &Kept| Ok(site.keep(file).is_some());
    py.detach(|| in_threads(&top, &files, threads, |file| file.3, keep)).map_err(failure)
}

pub fn source_of<'a>(given: &'a Bound<'_, PyAny>) -> PyResult<Source<'a>> {
    if let Ok(data) = given.cast::<PyBytes>() {
        return Ok(Source::Memory(data.as_bytes()));
    }
    let Ok(path) = given.cast::<PyString>() else {
        return Err(PyTypeError::new_err("a source is bytes, or the path of a file"));
    };
    let path = path.to_cow()?;
    match open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => Ok(Source::File(file)),
        Err(errno) => Err(failure(Failure { errno, path: path.into_owned() })),
    }
}

fn check(job: &Job, sources: &[Source]) -> PyResult<()> {
    let end = job.3.checked_add(job.4);
    let inside = match (sources.get(job.2), end) {
        (Some(Source::Memory(data)), Some(end)) => end <= data.len() as u64,
        (Some(Source::File(_)), Some(end)) => end <= i64::MAX as u64,
        _ => false,
    };
    if inside && plain(&job.0) && (job.5.is_empty() || plain(&job.5)) && job.1 & !0o7777 == 0 {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("not a file to write: {:?}", job.0)))
}

fn plain(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn failure(failure: Failure) -> PyErr {
    let code = failure.errno.raw_os_error();
    let text = io::Error::from_raw_os_error(code).to_string();
    let text = text.split(" (os error").next().unwrap_or_default().to_owned();
    PyOSError::new_err((code, text, failure.path))
}

fn panicked() -> Failure {
    Failure { errno: Errno::IO, path: "a thread that writes".to_owned() }
}

/// What `run` makes of each job. The first failure ends it.
fn in_threads<J: Sync, R: Clone + Default + Send>(
    top: &OwnedFd,
    jobs: &[J],
    threads: usize,
    size: impl Fn(&J) -> u64,
    run: impl Fn(&mut Site, &J) -> Result<R, Failure> + Sync,
) -> Result<Vec<R>, Failure> {
    let mut made = vec![R::default(); jobs.len()];
    let blocks = Mutex::new(blocks_of(jobs, &mut made, size).into_iter());
    let stop = AtomicBool::new(false);
    let work = || -> Result<(), Failure> {
        let mut site = Site { top, open: HashMap::new(), buffer: vec![0; CHUNK] };
        loop {
            let Some((jobs, made)) = blocks.lock().ok().and_then(|mut left| left.next()) else { return Ok(()) };
            for (job, made) in jobs.iter().zip(made) {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                *made = run(&mut site, job).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(BLOCKS)).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let theirs = others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err(panicked())));
        theirs.fold(mine, |found, other| found.and(other))
    })?;
    drop(blocks);
    Ok(made)
}

/// Neighbours stay together, for they share directories.
fn blocks_of<'a, J, R>(
    jobs: &'a [J],
    made: &'a mut [R],
    size: impl Fn(&J) -> u64,
) -> Vec<(&'a [J], &'a mut [R])> {
    let cost = |job: &J| size(job).saturating_add(PER_FILE);
    let share = jobs.iter().map(cost).fold(0, u64::saturating_add) / BLOCKS as u64;
    let mut blocks = Vec::with_capacity(BLOCKS + 1);
    let (mut jobs, mut made) = (jobs, made);
    while !jobs.is_empty() {
        let mut weight: u64 = 0;
        let count = jobs.iter().take_while(|job| {
            let fits = weight <= share;
            weight = weight.saturating_add(cost(job));
            fits
        });
        let count = count.count().max(1);
        let (block, left) = made.split_at_mut(count);
        blocks.push((&jobs[..count], block));
        (jobs, made) = (&jobs[count..], left);
    }
    blocks
}

/// One thread's view of the directory that everything lies below.
struct Site<'a> {
    top: &'a OwnedFd,
    open: HashMap<String, OwnedFd>,
    buffer: Vec<u8>,
}

impl Site<'_> {
    fn place(&mut self, job: &Job, source: &Source) -> Result<Sum, Errno> {
        let Job(path, mode, _, _, _, like) = job;
        if !like.is_empty() {
            if let Some(sum) = self.share(job, source) {
                return Ok(sum);
            }
        }
        let (folder, name) = cut(path);
        self.enter(folder)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(*mode);
        let file = retry_on_intr(|| openat(self.at(folder)?, name, flags, mode))?;
        let sum = each(source, job, &mut self.buffer, |chunk| fill(&file, chunk))?;
        // The umask may have taken bits away.
        if Mode::from_raw_mode(fstat(&file)?.st_mode) & Mode::from_raw_mode(0o7777) != mode {
            fchmod(&file, mode)?;
        }
        Ok(sum)
    }

    /// Make `path` another name of `like` where that has the very same bytes and mode.
    fn share(&mut self, job: &Job, source: &Source) -> Option<Sum> {
        let Job(path, mode, _, _, size, like) = job;
        let old = self.twin(like, *mode, *size)?;
        let mut theirs = vec![0; CHUNK.min(*size as usize)];
        let sum = each(source, job, &mut self.buffer, |chunk| {
            let mut at = 0;
            while at < chunk.len() {
                match retry_on_intr(|| read(&old, &mut theirs[..chunk.len() - at]))? {
                    0 => return Err(Errno::NODATA),
                    count if theirs[..count] != chunk[at..at + count] => return Err(Errno::NODATA),
                    count => at += count,
                }
            }
            Ok(())
        })
        .ok()?;
        self.link(like, path).map(|()| sum)
    }

    /// Make `path` another name of `like` where that has this mode, size and digest.
    fn keep(&mut self, file: &Kept) -> Option<()> {
        let Kept(path, like, mode, size, sum) = file;
        let old = self.twin(like, *mode, *size)?;
        let mut hasher = Sha256::new();
        let mut left = *size;
        while left > 0 {
            let wanted = CHUNK.min(left as usize);
            let count = retry_on_intr(|| read(&old, &mut self.buffer[..wanted])).ok().filter(|&count| count > 0)?;
            hasher.update(&self.buffer[..count]);
            left -= count as u64;
        }
        if hasher.finalize()[..] != sum[..] {
            return None;
        }
        self.link(like, path)
    }

    /// The file `like`, where it has this mode and size.
    fn twin(&mut self, like: &str, mode: u32, size: u64) -> Option<OwnedFd> {
        let (folder, name) = cut(like);
        self.find(folder).ok()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let old = openat(self.at(folder).ok()?, name, flags, Mode::empty()).ok()?;
        let found = fstat(&old).ok()?;
        let bits = Mode::from_raw_mode(found.st_mode) & Mode::from_raw_mode(0o7777);
        let same = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
            && bits == Mode::from_raw_mode(mode)
            && found.st_size as u64 == size;
        same.then_some(old)
    }

    fn link(&mut self, like: &str, path: &str) -> Option<()> {
        let (folder, name) = cut(path);
        let (before, old_name) = cut(like);
        self.enter(folder).ok()?;
        self.find(before).ok()?;
        self.enter(folder).ok()?;
        linkat(self.at(before).ok()?, old_name, self.at(folder).ok()?, name, AtFlags::empty()).ok()
    }

    /// A directory that `enter` or `find` has opened.
    fn at(&self, folder: &str) -> Result<&OwnedFd, Errno> {
        if folder.is_empty() { Ok(self.top) } else { self.open.get(folder).ok_or(Errno::BADF) }
    }

    /// Open a directory, and make it, with its parents, where it is absent.
    fn enter(&mut self, folder: &str) -> Result<(), Errno> {
        match self.find(folder) {
            Err(Errno::NOENT) => {}
            done => return done,
        }
        let (parent, name) = cut(folder);
        self.enter(parent)?;
        match mkdirat(self.at(parent)?, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                let made = openat(self.at(parent)?, name, FOLDER, Mode::empty())?;
                fchmod(&made, Mode::from_raw_mode(0o755))?;
                self.open.insert(folder.to_owned(), made);
                Ok(())
            }
            Err(Errno::EXIST) => self.find(folder),
            Err(errno) => Err(errno),
        }
    }

    fn find(&mut self, folder: &str) -> Result<(), Errno> {
        if folder.is_empty() || self.open.contains_key(folder) {
            return Ok(());
        }
        let (parent, name) = cut(folder);
        self.find(parent)?;
        let found = openat(self.at(parent)?, name, FOLDER, Mode::empty())?;
        if self.open.len() >= KEPT_OPEN {
            self.open.retain(|path, _| folder.starts_with(path.as_str()));
        }
        self.open.insert(folder.to_owned(), found);
        Ok(())
    }
}

fn cut(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Give a part of a source away chunk by chunk; returns its digest.
fn each(
    source: &Source,
    job: &Job,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]) -> Result<(), Errno>,
) -> Result<Sum, Errno> {
    let Job(_, _, _, offset, size, _) = job;
    let (offset, size) = (*offset, *size);
    let mut hasher = Sha256::new();
    match source {
        Source::Memory(data) => {
            for chunk in data[offset as usize..(offset + size) as usize].chunks(CHUNK) {
                hasher.update(chunk);
                take(chunk)?;
            }
        }
        Source::File(file) => {
            let mut at = offset;
            while at < offset + size {
                let wanted = CHUNK.min((offset + size - at) as usize);
                let count = retry_on_intr(|| pread(file, &mut buffer[..wanted], at))?;
                if count == 0 {
                    return Err(Errno::IO);
                }
                hasher.update(&buffer[..count]);
                take(&buffer[..count])?;
                at += count as u64;
            }
        }
    }
    Ok(hasher.finalize().into())
}

fn fill(file: &OwnedFd, chunk: &[u8]) -> Result<(), Errno> {
    let mut left = chunk;
    while !left.is_empty() {
        left = &left[retry_on_intr(|| write(file, left))?..];
    }
    Ok(())
}
