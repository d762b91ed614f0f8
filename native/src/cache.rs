//! Small files of a cache, each written in one go: the interpreter's lock is given up once for a file, and not for each call.

use std::collections::hash_map::RandomState;
use std::fs::{DirBuilder, OpenOptions, remove_file, rename};
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(keep_file, module)?)
}

#[pyfunction]
fn keep_file(py: Python<'_>, folder: PathBuf, name: &str, parts: Vec<Bound<'_, PyBytes>>) -> PyResult<()> {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    py.detach(|| kept(&folder, name, &parts))?;
    Ok(())
}

fn kept(folder: &Path, name: &str, parts: &[&[u8]]) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Containers that share a cache have processes of the same number.
    let chance = RandomState::new().build_hasher().finish();
    let partial = folder.join(format!(".{}-{count}-{chance:016x}.tmp", std::process::id()));
    match written(&partial, parts) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            written(&partial, parts)?;
        }
        other => other?,
    }
    rename(&partial, folder.join(name)).inspect_err(|_| _ = remove_file(&partial))
}

fn written(partial: &Path, parts: &[&[u8]]) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    parts.iter().try_for_each(|part| file.write_all(part)).inspect_err(|_| _ = remove_file(partial))
}
