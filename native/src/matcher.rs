//! The tokens that zlib chooses at levels 4 to 9, over content that is all at hand.
//!
//! zlib follows a chain of earlier places with the same hash of three bytes, each found in the one before. Here the places of
//! a stretch of content are sorted by their hash first, so that a chain is a row of numbers: the same places in the same
//! order, several times faster.

use crate::parser::Token;

const SHORTEST: usize = 3;
const LONGEST: usize = 258;
const LOOKAHEAD: usize = LONGEST + SHORTEST + 1;
const WINDOW: usize = 1 << 15;
const FARTHEST: usize = WINDOW - LOOKAHEAD;
/// A match of three bytes from farther away costs more than three literals.
const TOO_FAR: usize = 4096;
const HASHES: usize = 1 << 15;
/// Places that are sorted at once, beside the window behind them.
const STRETCH: usize = 3 * WINDOW;

struct Effort {
    /// Bytes of a match at the place before from which on a fourth of the chain is enough.
    good: usize,
    /// Bytes of a match at the place before from which on none is looked for.
    lazy: usize,
    /// Bytes of a match that ends the search.
    nice: usize,
    chain: usize,
}

const EFFORTS: [Effort; 6] = [
    Effort { good: 4, lazy: 4, nice: 16, chain: 16 },
    Effort { good: 8, lazy: 16, nice: 32, chain: 32 },
    Effort { good: 8, lazy: 16, nice: 128, chain: 128 },
    Effort { good: 8, lazy: 32, nice: 128, chain: 256 },
    Effort { good: 32, lazy: 128, nice: 258, chain: 1024 },
    Effort { good: 32, lazy: 258, nice: 258, chain: 4096 },
];

pub struct Matcher<'a> {
    content: &'a [u8],
    effort: &'static Effort,
    at: usize,
    length: usize,
    start: usize,
    /// Whether the byte before waits for what is found here.
    waiting: bool,
    /// Places by hash, each row in order.
    places: Vec<u32>,
    /// Where the row of each hash begins.
    rows: Vec<u32>,
    /// Where each place of the stretch is among the places.
    ranks: Vec<u32>,
    /// The stretch.
    from: usize,
    to: usize,
}

impl<'a> Matcher<'a> {
    /// None for a level that works otherwise.
    pub fn new(content: &'a [u8], level: u32) -> Option<Self> {
        let effort = EFFORTS.get(level.checked_sub(4)? as usize)?;
        if content.len() > u32::MAX as usize {
            return None;
        }
        Some(Self {
            content,
            effort,
            at: 0,
            length: SHORTEST - 1,
            start: 0,
            waiting: false,
            places: Vec::new(),
            rows: vec![0; HASHES],
            ranks: Vec::new(),
            from: 0,
            to: 0,
        })
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// Sorts the places of the stretch that begins here, and of the window behind it. The first place of all is none: zlib
    /// takes it for the end of a chain.
    fn sort(&mut self) {
        self.from = self.at;
        self.to = (self.at + STRETCH).min(self.content.len().saturating_sub(SHORTEST - 1)).max(self.at);
        let first = self.at.saturating_sub(WINDOW).max(1).min(self.to);
        let behind = self.from.max(first) - first;
        let stretch = &self.content[first..self.content.len().min(self.to + SHORTEST - 1)];
        self.rows.fill(0);
        for three in stretch.windows(SHORTEST) {
            self.rows[hash(three)] += 1;
        }
        let mut sum = 0;
        for row in &mut self.rows {
            sum += std::mem::replace(row, sum);
        }
        self.places.resize(sum as usize, 0);
        self.ranks.clear();
        self.ranks.resize(self.from.max(first) - self.from, 0);
        for (number, three) in stretch.windows(SHORTEST).enumerate() {
            let next = &mut self.rows[hash(three)];
            self.places[*next as usize] = (first + number) as u32;
            if number >= behind {
                self.ranks.push(*next);
            }
            *next += 1;
        }
    }

    /// Earlier places with the same hash, the nearest last, and some that are too far away.
    #[inline]
    fn row(&self) -> &[u32] {
        let Some(&end) = self.ranks.get(self.at - self.from) else { return &[] };
        let hash = hash(&self.content[self.at..]);
        let start = if hash == 0 { 0 } else { self.rows[hash - 1] };
        self.places.get(start as usize..end as usize).unwrap_or(&[])
    }

    /// The next token; None at the end.
    pub fn next(&mut self) -> Option<Token> {
        while self.at < self.content.len() {
            if self.at >= self.to && self.at + SHORTEST <= self.content.len() {
                self.sort();
            }
            let at = self.at;
            let (before, start) = (self.length, self.start);
            self.length = SHORTEST - 1;
            if before < self.effort.lazy {
                (self.length, self.start) = self.search(before);
            }
            if before >= SHORTEST && self.length <= before {
                self.at = at + before - 1;
                self.waiting = false;
                self.length = SHORTEST - 1;
                return Some(Token::new(before as u16, (at - 1 - start) as u16));
            }
            self.at += 1;
            if std::mem::replace(&mut self.waiting, true) {
                return Some(Token::literal(self.content[at - 1]));
            }
        }
        std::mem::take(&mut self.waiting).then(|| Token::literal(self.content[self.at - 1]))
    }

    /// Length and place of the longest match here, if it is longer than `before` bytes.
    #[inline]
    fn search(&self, before: usize) -> (usize, usize) {
        const NONE: usize = SHORTEST - 1;
        let (at, content, row) = (self.at, self.content, self.row());
        let left = content.len() - at;
        let here = &content[at..at + left.min(LONGEST)];
        let Some(&nearest) = row.last() else { return (NONE, 0) };
        // Near the end, zlib has moved its window by now, and the place that has become the first of it is none.
        let moved = left < LOOKAHEAD && at > FARTHEST && (at - FARTHEST) % WINDOW == 0;
        if at - nearest as usize > FARTHEST - usize::from(moved) || before >= here.len() {
            return (NONE, 0);
        }
        let lowest = nearest.min((at + 1).saturating_sub(FARTHEST) as u32);
        let chain = if before >= self.effort.good { self.effort.chain >> 2 } else { self.effort.chain };
        let nice = self.effort.nice.min(here.len());
        let (mut best, mut start) = (before, None);
        let mut wanted = tail(here, best);
        for &place in row[row.len().saturating_sub(chain)..].iter().rev() {
            if place < lowest {
                break;
            }
            let there = &content[place as usize..];
            if tail(there, best) != wanted {
                continue;
            }
            let length = common(here, there);
            if length > best {
                (best, start) = (length, Some(place as usize));
                if length >= nice {
                    break;
                }
                wanted = tail(here, best);
            }
        }
        match start {
            Some(start) if best > SHORTEST || at - start <= TOO_FAR => (best, start),
            _ => (NONE, 0),
        }
    }
}

#[inline]
fn hash(three: &[u8]) -> usize {
    let [a, b, c] = [three[0], three[1], three[2]].map(usize::from);
    (a << 10 ^ b << 5 ^ c) & (HASHES - 1)
}

/// The last bytes of a match that is one longer than `best`.
#[inline]
fn tail(data: &[u8], best: usize) -> u32 {
    match data.get(best.wrapping_sub(3)..).and_then(|rest| rest.first_chunk()) {
        Some(four) => u32::from_le_bytes(*four),
        None => u32::from(data[best]),
    }
}

/// How many bytes both begin with.
#[inline]
pub fn common(one: &[u8], other: &[u8]) -> usize {
    let size = one.len().min(other.len());
    let (one, other) = (&one[..size], &other[..size]);
    let mut count = 0;
    for (a, b) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        let a = u64::from_le_bytes(a.try_into().unwrap_or_default());
        let b = u64::from_le_bytes(b.try_into().unwrap_or_default());
        if a != b {
            return count + ((a ^ b).trailing_zeros() / 8) as usize;
        }
        count += 8;
    }
    while count < size && one[count] == other[count] {
        count += 1;
    }
    count
}
