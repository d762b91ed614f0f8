//! Huffman codes of deflate: reading them, and the ones that zlib and its kin choose.

use crate::bits::{BitReader, BitWriter};
use crate::parser::Token;

pub const LITERALS: usize = 286;
pub const DISTANCES: usize = 30;
pub const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

pub type Fault = &'static str;

/// The lengths of both codes of a block.
#[derive(Clone)]
pub struct Lengths {
    pub literals: [u8; 288],
    pub distances: [u8; 32],
}

impl Lengths {
    pub fn fixed() -> Self {
        let mut literals = [8; 288];
        literals[144..256].fill(9);
        literals[256..280].fill(7);
        Self { literals, distances: [5; 32] }
    }
}

/// How often each symbol stands in a block.
#[derive(Clone)]
pub struct Frequencies {
    pub literals: [u32; LITERALS],
    pub distances: [u32; DISTANCES],
}

impl Frequencies {
    pub fn new() -> Self {
        let mut literals = [0; LITERALS];
        literals[256] = 1;
        Self { literals, distances: [0; DISTANCES] }
    }

    #[inline]
    pub fn count(&mut self, token: Token) {
        if token.distance == 0 {
            self.literals[usize::from(token.byte)] += 1;
        } else {
            let ((length, _, _), (distance, _, _)) = token.symbols();
            self.literals[length] += 1;
            self.distances[distance] += 1;
        }
    }
}

/// Refuses a symbol without a code.
#[inline]
pub fn put_symbol(out: &mut BitWriter, (code, length): (u16, u8)) -> Result<(), Fault> {
    out.put(u32::from(code), u32::from(length));
    if length == 0 { Err("a symbol without a code") } else { Ok(()) }
}

/// Writes the tokens of a block, without its end.
pub fn put_tokens(
    out: &mut BitWriter,
    tokens: &[Token],
    literals: &[(u16, u8)],
    distances: &[(u16, u8)],
) -> Result<(), Fault> {
    for &token in tokens {
        if token.distance == 0 {
            put_symbol(out, literals[usize::from(token.byte)])?;
            continue;
        }
        let ((length, extra, bits), (distance, more, more_bits)) = token.symbols();
        put_symbol(out, literals[length])?;
        out.put(extra, bits);
        put_symbol(out, distances[distance])?;
        out.put(more, more_bits);
    }
    Ok(())
}

/// A table that finds a symbol by the next bits.
#[derive(Default)]
pub struct Decoder {
    bits: u32,
    /// The symbol, shifted, and its length; 0 where no code is.
    entries: Vec<u16>,
}

impl Decoder {
    pub fn new(lengths: &[u8]) -> Result<Self, Fault> {
        let bits = u32::from(lengths.iter().copied().max().unwrap_or(0)).max(1);
        let mut entries = vec![0; 1 << bits];
        for (symbol, (code, length)) in codes(lengths)?.into_iter().enumerate() {
            if length > 0 {
                let entry = (symbol as u16) << 4 | u16::from(length);
                for at in (code as usize..1 << bits).step_by(1 << length) {
                    entries[at] = entry;
                }
            }
        }
        Ok(Self { bits, entries })
    }

    #[inline]
    pub fn read(&self, reader: &mut BitReader) -> Result<usize, Fault> {
        let entry = self.entries[reader.peek(self.bits) as usize];
        if entry == 0 || !reader.skip(u32::from(entry & 15)) {
            return Err("no such code");
        }
        Ok(usize::from(entry >> 4))
    }
}

/// Code and length of each symbol, the code as it is written: its first bit lowest.
pub fn codes(lengths: &[u8]) -> Result<Vec<(u16, u8)>, Fault> {
    let mut counts = [0u32; 16];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    counts[0] = 0;
    let mut next = [0u32; 16];
    let mut code = 0;
    for bits in 1..16 {
        code = (code + counts[bits - 1]) << 1;
        next[bits] = code;
        if code + counts[bits] > 1 << bits {
            return Err("too many codes");
        }
    }
    let one = |&length: &u8| {
        if length == 0 {
            return (0, 0);
        }
        let code = next[usize::from(length)];
        next[usize::from(length)] += 1;
        ((code as u16).reverse_bits() >> (16 - length), length)
    };
    Ok(lengths.iter().map(one).collect())
}

/// Reads what follows a dynamic block's three bits; the same bits go to `copy`.
pub fn read_lengths(reader: &mut BitReader, copy: &mut BitWriter) -> Result<Lengths, Fault> {
    let mut take = |reader: &mut BitReader, bits| {
        let value = reader.take(bits).ok_or("ends early")?;
        copy.put(value, bits);
        Ok(value as usize)
    };
    let literals = take(reader, 5)? + 257;
    let distances = take(reader, 5)? + 1;
    let given = take(reader, 4)? + 4;
    if literals > LITERALS || distances > DISTANCES {
        return Err("too many symbols");
    }
    let mut outer = [0; 19];
    for &symbol in &LENGTH_ORDER[..given] {
        outer[symbol] = take(reader, 3)? as u8;
    }
    let code = codes(&outer)?;
    let decoder = Decoder::new(&outer)?;
    let mut all = Vec::with_capacity(literals + distances);
    while all.len() < literals + distances {
        let symbol = decoder.read(reader)?;
        copy_code(copy, code[symbol]);
        let (value, count) = match symbol {
            16 => (*all.last().ok_or("nothing to repeat")?, 3 + take_extra(reader, copy, 2)?),
            17 => (0, 3 + take_extra(reader, copy, 3)?),
            18 => (0, 11 + take_extra(reader, copy, 7)?),
            length => (length as u8, 1),
        };
        all.resize(all.len() + count, value);
    }
    if all.len() > literals + distances {
        return Err("too many lengths");
    }
    let mut lengths = Lengths { literals: [0; 288], distances: [0; 32] };
    lengths.literals[..literals].copy_from_slice(&all[..literals]);
    lengths.distances[..distances].copy_from_slice(&all[literals..]);
    Ok(lengths)
}

fn take_extra(reader: &mut BitReader, copy: &mut BitWriter, bits: u32) -> Result<usize, Fault> {
    let value = reader.take(bits).ok_or("ends early")?;
    copy.put(value, bits);
    Ok(value as usize)
}

pub fn copy_code(copy: &mut BitWriter, (code, length): (u16, u8)) {
    copy.put(u32::from(code), u32::from(length));
}

/// The lengths that zlib and its kin choose for these frequencies, and how many symbols they name.
///
/// Huffman's algorithm over a heap; of two equally frequent nodes the shallower is the lesser.
fn chosen(frequencies: &[u32], limit: u8) -> (Vec<u8>, usize) {
    let symbols = frequencies.len();
    let mut weight = frequencies.to_vec();
    let mut heap: Vec<usize> = (0..symbols).filter(|&symbol| weight[symbol] > 0).collect();
    let mut named = heap.last().map_or(0, |last| last + 1);
    while heap.len() < 2 {
        // A code has two symbols at least.
        let extra = if named < 3 { named } else { 0 };
        named = named.max(extra + 1);
        weight[extra] = 1;
        heap.push(extra);
    }
    let mut depth = vec![0u8; symbols];
    let mut parent = vec![0usize; symbols];
    for at in (0..heap.len() / 2).rev() {
        sink(&mut heap, at, &weight, &depth);
    }
    let mut order = Vec::with_capacity(2 * symbols);
    while heap.len() > 1 {
        let node = weight.len();
        let first = heap[0];
        heap.swap_remove(0);
        sink(&mut heap, 0, &weight, &depth);
        let second = heap[0];
        order.extend([first, second]);
        weight.push(weight[first] + weight[second]);
        depth.push(depth[first].max(depth[second]) + 1);
        parent.push(0);
        (parent[first], parent[second]) = (node, node);
        heap[0] = node;
        sink(&mut heap, 0, &weight, &depth);
    }
    (limited(&order, &parent, symbols, limit), named)
}

fn sink(heap: &mut [usize], mut at: usize, weight: &[u32], depth: &[u8]) {
    let less = |one: usize, other: usize| (weight[one], depth[one]) <= (weight[other], depth[other]);
    let node = heap[at];
    loop {
        let mut child = 2 * at + 1;
        if child >= heap.len() {
            break;
        }
        if child + 1 < heap.len() && less(heap[child + 1], heap[child]) {
            child += 1;
        }
        if less(node, heap[child]) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = node;
}

/// The depth of each leaf, none over `limit`: where a code would be too long, shorter ones are lengthened until all fit.
fn limited(order: &[usize], parent: &[usize], symbols: usize, limit: u8) -> Vec<u8> {
    let mut length = vec![0u8; parent.len()];
    let mut counts = vec![0i32; usize::from(limit) + 1];
    let mut over = 0i32;
    for &node in order.iter().rev() {
        let bits = length[parent[node]] + 1;
        over += i32::from(bits > limit);
        length[node] = bits.min(limit);
        if node < symbols {
            counts[usize::from(length[node])] += 1;
        }
    }
    if over > 0 {
        while over > 0 {
            let mut bits = usize::from(limit) - 1;
            while counts[bits] == 0 {
                bits -= 1;
            }
            counts[bits] -= 1;
            counts[bits + 1] += 2;
            counts[usize::from(limit)] -= 1;
            over -= 2;
        }
        let mut leaves = order.iter().filter(|&&node| node < symbols);
        for bits in (1..=limit).rev() {
            for &leaf in leaves.by_ref().take(counts[usize::from(bits)] as usize) {
                length[leaf] = bits;
            }
        }
    }
    length.truncate(symbols);
    length
}

/// The codes for a block with these frequencies, and what a dynamic block says of them behind its three bits, as zlib and
/// its kin write it.
pub fn chosen_lengths(literals: &[u32], distances: &[u32], out: &mut BitWriter) -> Lengths {
    let (literal_lengths, literals_named) = chosen(literals, 15);
    let (distance_lengths, distances_named) = chosen(distances, 15);
    let mut runs = Vec::new();
    run_lengths(&literal_lengths[..literals_named], &mut runs);
    run_lengths(&distance_lengths[..distances_named], &mut runs);
    let mut frequencies = [0; 19];
    for &(symbol, _, _) in &runs {
        frequencies[symbol] += 1;
    }
    let (outer, _) = chosen(&frequencies, 7);
    let given = LENGTH_ORDER.iter().rposition(|&symbol| outer[symbol] > 0).map_or(4, |last| last.max(3) + 1);
    out.put(literals_named as u32 - 257, 5);
    out.put(distances_named as u32 - 1, 5);
    out.put(given as u32 - 4, 4);
    for &symbol in &LENGTH_ORDER[..given] {
        out.put(u32::from(outer[symbol]), 3);
    }
    let code = codes(&outer).expect("Huffman's algorithm makes a code");
    for (symbol, extra, bits) in runs {
        copy_code(out, code[symbol]);
        out.put(extra, bits);
    }
    let mut lengths = Lengths { literals: [0; 288], distances: [0; 32] };
    lengths.literals[..LITERALS].copy_from_slice(&literal_lengths);
    lengths.distances[..DISTANCES].copy_from_slice(&distance_lengths);
    lengths
}

/// Symbol, extra bits and their number for each run of equal lengths.
pub fn run_lengths(lengths: &[u8], runs: &mut Vec<(usize, u32, u32)>) {
    let mut before = None;
    let mut at = 0;
    while at < lengths.len() {
        let length = lengths[at];
        let equal = lengths[at..].iter().take_while(|&&next| next == length).count();
        let most = match length {
            0 => 138,
            _ if before == Some(length) => 6,
            _ => 7,
        };
        let count = equal.min(most);
        at += count;
        match (length, count) {
            (0, 11..) => runs.push((18, count as u32 - 11, 7)),
            (0, 3..) => runs.push((17, count as u32 - 3, 3)),
            (_, 3..) if length > 0 && before == Some(length) => runs.push((16, count as u32 - 3, 2)),
            (_, 4..) => {
                runs.push((usize::from(length), 0, 0));
                runs.push((16, count as u32 - 4, 2));
            }
            _ => runs.extend((0..count).map(|_| (usize::from(length), 0, 0))),
        }
        before = Some(length);
    }
}
