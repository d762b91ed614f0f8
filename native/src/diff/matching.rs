//! The blocks that two byte strings share, nearly: bsdiff's walk (Percival, 2003) over a suffix array.

use super::Block;

/// Matches longer than that are not compared while searching, for runs of one byte would make it quadratic.
const LONGEST: usize = 1 << 12;

pub struct Index<'a> {
    text: &'a [u8],
    order: Vec<i32>,
    /// Where in `order` the suffixes with two certain first bytes begin.
    buckets: Vec<u32>,
}

impl<'a> Index<'a> {
    /// Takes four bytes for each of `text`, which must be below 2^31.
    pub fn new(text: &'a [u8]) -> Result<Self, super::Fault> {
        let order = libsais::SuffixArrayConstruction::for_text(text)
            .in_owned_buffer32()
            .single_threaded()
            .run()
            .map_err(|_| super::Fault("the base could not be sorted"))?
            .into_vec();
        let mut buckets = vec![0; (1 << 16) + 1];
        for pair in text.windows(2) {
            buckets[key(pair) + 1] += 1;
        }
        if let Some(last) = text.last() {
            buckets[usize::from(*last) * 256 + 1] += 1;
        }
        for i in 1..buckets.len() {
            buckets[i] += buckets[i - 1];
        }
        Ok(Index { text, order, buckets })
    }

    /// Position and length of the longest match of a pattern's start.
    fn find(&self, pattern: &[u8]) -> (usize, usize) {
        if pattern.len() < 2 || self.text.is_empty() {
            return (0, 0);
        }
        let (mut low, mut high) = (self.buckets[key(pattern)] as usize, self.buckets[key(pattern) + 1] as usize);
        let start = &pattern[..pattern.len().min(LONGEST)];
        let (mut low_common, mut high_common, mut best, mut longest) = (1, 1, 0, 0);
        while low < high {
            let middle = usize::midpoint(low, high);
            let at = self.order[middle] as usize;
            let suffix = &self.text[at..];
            let skip = low_common.min(high_common).min(suffix.len());
            let length = skip + common(&suffix[skip..], &start[skip..]);
            if length > longest {
                (best, longest) = (at, length);
            }
            if length == start.len() {
                break;
            }
            if length == suffix.len() || suffix[length] < start[length] {
                (low, low_common) = (middle + 1, length);
            } else {
                (high, high_common) = (middle, length);
            }
        }
        if longest == LONGEST {
            longest += common(&self.text[best + LONGEST..], &pattern[LONGEST..]);
        }
        (best, longest)
    }
}

fn key(pair: &[u8]) -> usize {
    usize::from(pair[0]) << 8 | usize::from(pair[1])
}

fn common(one: &[u8], other: &[u8]) -> usize {
    let size = one.len().min(other.len());
    let (mut ones, mut others) = (one[..size].chunks_exact(8), other[..size].chunks_exact(8));
    let mut at = 0;
    for (a, b) in ones.by_ref().zip(others.by_ref()) {
        if a != b {
            break;
        }
        at += 8;
    }
    at + one[at..size].iter().zip(&other[at..size]).take_while(|(a, b)| a == b).count()
}

/// Blocks in the order of `new`; a match must be `margin` bytes better than going on as before.
pub fn blocks(index: &Index, new: &[u8], margin: usize) -> Vec<Block> {
    let old = index.text;
    let mut walk = Walk { old, new, scan: 0, place: 0, out: Vec::new() };
    let (mut scan, mut offset, mut length) = (0, 0isize, 0);
    while scan < new.len() {
        let (mut score, mut position) = (0, 0);
        scan += length;
        let mut scored = scan;
        length = 0;
        let goes_on = |at: usize| old.get(at.wrapping_add_signed(offset)).is_some_and(|byte| *byte == new[at]);
        while scan < new.len() {
            // What is left of a very long match is long enough: to search for it again would take as long as it is.
            (position, length) =
                if length > LONGEST { (position + 1, length - 1) } else { index.find(&new[scan..]) };
            while scored < scan + length {
                score += usize::from(goes_on(scored));
                scored += 1;
            }
            if (length == score && length != 0) || length > score + margin {
                break;
            }
            // What was scored begins at `scan` or before.
            score = score.saturating_sub(usize::from(goes_on(scan)));
            scan += 1;
        }
        if length != score || scan == new.len() {
            walk.step(scan, position);
            offset = position as isize - scan as isize;
        }
    }
    walk.out
}

struct Walk<'a> {
    old: &'a [u8],
    new: &'a [u8],
    /// Where in `new` and `old` the last match began, with what was put before it.
    scan: usize,
    place: usize,
    out: Vec<Block>,
}

impl Walk<'_> {
    /// The last match is grown forwards, the next one, at `scan`, backwards, as far as half of the bytes are equal.
    fn step(&mut self, scan: usize, position: usize) {
        let forward = self.forward(scan);
        let backward = if scan < self.new.len() { self.backward(scan, position) } else { 0 };
        let (forward, backward) = match (self.scan + forward + backward).checked_sub(scan) {
            Some(overlap) if overlap > 0 => self.split(scan, position, (forward, backward), overlap),
            _ => (forward, backward),
        };
        if forward > 0 {
            self.out.push(Block { old: self.place, new: self.scan, len: forward });
        }
        (self.scan, self.place) = (scan - backward, position - backward.min(position));
    }

    fn forward(&self, scan: usize) -> usize {
        let size = (scan - self.scan).min(self.old.len() - self.place);
        let pairs = self.old[self.place..self.place + size].iter().zip(&self.new[self.scan..self.scan + size]);
        longest_good(pairs.map(|(a, b)| a == b))
    }

    fn backward(&self, scan: usize, position: usize) -> usize {
        let size = (scan - self.scan).min(position);
        let pairs = self.old[position - size..position].iter().zip(&self.new[scan - size..scan]);
        longest_good(pairs.rev().map(|(a, b)| a == b))
    }

    /// Where two blocks cover the same new bytes, each keeps what it does better.
    fn split(
        &self,
        scan: usize,
        position: usize,
        (forward, backward): (usize, usize),
        overlap: usize,
    ) -> (usize, usize) {
        let (mut score, mut best, mut kept) = (0isize, 0isize, 0);
        for i in 0..overlap {
            let ahead = self.new[self.scan + forward - overlap + i] == self.old[self.place + forward - overlap + i];
            let behind = self.new[scan - backward + i] == self.old[position - backward + i];
            score += isize::from(ahead) - isize::from(behind);
            if score > best {
                (best, kept) = (score, i + 1);
            }
        }
        (forward + kept - overlap, backward - kept)
    }
}

/// The length whose equal bytes are the most ahead of the others.
fn longest_good(equal: impl Iterator<Item = bool>) -> usize {
    let (mut score, mut best, mut length) = (0isize, 0isize, 0);
    for (number, equal) in equal.enumerate() {
        score += if equal { 1 } else { -1 };
        if score > best {
            (best, length) = (score, number + 1);
        }
    }
    length
}
