//! Huffman codes as Go's compress/flate and what descends from it choose them and spell them out.

use crate::bits::BitWriter;
use crate::huffman::{LENGTH_ORDER, codes, copy_code, run_lengths};

const LONGEST_OUTER: u8 = 7;

/// Lengths of an optimal code of at most `limit` bits, by package-merge: of equal weights, a package comes before a symbol.
pub fn optimal_lengths(frequencies: &[u32], limit: u8) -> Vec<u8> {
    let mut lengths = vec![0; frequencies.len()];
    let mut leaves: Vec<(u32, usize)> =
        frequencies.iter().enumerate().filter(|&(_, &weight)| weight > 0).map(|(at, &weight)| (weight, at)).collect();
    if leaves.len() <= 2 {
        leaves.iter().for_each(|&(_, symbol)| lengths[symbol] = 1);
        return lengths;
    }
    leaves.sort_unstable();
    let levels = usize::from(limit).min(leaves.len() - 1);
    let mut rows: Vec<Vec<bool>> = Vec::with_capacity(levels);
    let mut weights = Vec::new();
    for _ in 0..levels {
        let (row, merged) = merge(&leaves, &weights);
        rows.push(row);
        weights = merged;
    }
    let mut wanted = 2 * leaves.len() - 2;
    for row in rows.iter().rev() {
        let symbols = row[..wanted].iter().filter(|&&symbol| symbol).count();
        leaves[..symbols].iter().for_each(|&(_, symbol)| lengths[symbol] += 1);
        wanted = 2 * (wanted - symbols);
    }
    lengths
}

/// The next row: which of its items are symbols, and what each weighs. Packages are pairs of what the row before weighs.
fn merge(leaves: &[(u32, usize)], below: &[u32]) -> (Vec<bool>, Vec<u32>) {
    let size = leaves.len() + below.len() / 2;
    let (mut row, mut weights) = (Vec::with_capacity(size), Vec::with_capacity(size));
    let mut packages = below.chunks_exact(2).map(|pair| pair[0] + pair[1]).peekable();
    for &(weight, _) in leaves {
        while let Some(package) = packages.next_if(|&package| package <= weight) {
            row.push(false);
            weights.push(package);
        }
        row.push(true);
        weights.push(weight);
    }
    for package in packages {
        row.push(false);
        weights.push(package);
    }
    (row, weights)
}

/// What a dynamic block says of its codes. Runs of equal lengths go on from one code into the other.
pub struct Head {
    literals: usize,
    distances: usize,
    runs: Vec<(usize, u32, u32)>,
    outer: Vec<u8>,
    given: usize,
    /// With the block's own three.
    pub bits: usize,
}

impl Head {
    pub fn new(literals: &[u8], distances: &[u8]) -> Self {
        let mut runs = Vec::new();
        run_lengths(&[literals, distances].concat(), &mut runs);
        let mut frequencies = [0; 19];
        for &(symbol, _, _) in &runs {
            frequencies[symbol] += 1;
        }
        let outer = optimal_lengths(&frequencies, LONGEST_OUTER);
        let given = LENGTH_ORDER.iter().rposition(|&symbol| frequencies[symbol] > 0).map_or(4, |last| last.max(3) + 1);
        let spelled: usize = runs.iter().map(|&(symbol, _, bits)| usize::from(outer[symbol]) + bits as usize).sum();
        Self {
            literals: literals.len(),
            distances: distances.len(),
            runs,
            outer,
            given,
            bits: 3 + 5 + 5 + 4 + 3 * given + spelled,
        }
    }

    /// All but the block's own three bits.
    pub fn write(&self, out: &mut BitWriter) {
        out.put(self.literals as u32 - 257, 5);
        out.put(self.distances as u32 - 1, 5);
        out.put(self.given as u32 - 4, 4);
        for &symbol in &LENGTH_ORDER[..self.given] {
            out.put(u32::from(self.outer[symbol]), 3);
        }
        let code = codes(&self.outer).expect("package-merge makes a code");
        for &(symbol, extra, bits) in &self.runs {
            copy_code(out, code[symbol]);
            out.put(extra, bits);
        }
    }
}

/// Symbols up to the last that is used.
pub fn used<T: Copy + Into<u32>>(frequencies: &[T]) -> usize {
    frequencies.iter().rposition(|&count| count.into() > 0).map_or(0, |last| last + 1)
}

/// Bits of all symbols in their codes.
pub fn cost(frequencies: &[u32], lengths: &[u8]) -> usize {
    frequencies.iter().zip(lengths).map(|(&count, &length)| count as usize * usize::from(length)).sum()
}
