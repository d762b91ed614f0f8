//! A sketch of some bytes: a few hashes that other bytes have too where they are much the same, wherever they moved.

use pyo3::prelude::*;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sketch, module)?)
}

const HALF: usize = 8;
/// Of so many places, as a power of two, one on average may stand in a sketch.
const RARE: u32 = 6;

/// The `count` smallest hashes of runs of sixteen bytes, in order. Runs that repeat themselves tell nothing, and are left out.
#[pyfunction]
fn sketch(py: Python<'_>, data: &[u8], count: usize) -> Vec<u64> {
    py.detach(|| {
        let mut smallest: Vec<u64> = Vec::with_capacity(count + 1);
        for run in data.windows(2 * HALF) {
            let [first, second] =
                [0, HALF].map(|at| u64::from_le_bytes(run[at..at + HALF].try_into().unwrap_or_default()));
            let mixed = first.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if mixed >> (64 - RARE) != 0 || first == second {
                continue;
            }
            let hash = (mixed ^ second)
                .wrapping_mul(0xd6e8_feb8_6659_fd93)
                .rotate_left(32)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let at = smallest.partition_point(|&other| other < hash);
            if at < count && smallest.get(at) != Some(&hash) {
                smallest.insert(at, hash);
                smallest.truncate(count);
            }
        }
        smallest
    })
}
