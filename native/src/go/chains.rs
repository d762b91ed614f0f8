//! Go's compress/flate at levels 4 to 9: chains of earlier places with the same hash of four bytes, and lazy matches.

use crate::go::blocks::Blocks;
use crate::matcher::common;
use crate::parser::Token;

const SHORTEST: usize = 4;
const LONGEST: usize = 258;
const WINDOW: usize = 1 << 15;
const LOOKAHEAD: usize = SHORTEST + LONGEST;
const HASH_BITS: u32 = 17;
/// A match of four bytes from farther away is none.
const TOO_FAR: usize = 4096;
const BLOCK_TOKENS: usize = 1 << 14;
/// Where the numbers of places begin anew.
const MOST_SHIFTED: usize = 1 << 24;

struct Effort {
    /// Bytes of a match at the place before from which on none is looked for.
    lazy: usize,
    /// Bytes of a match that ends the search.
    nice: usize,
    chain: usize,
}

const EFFORTS: [Effort; 6] = [
    Effort { lazy: 4, nice: 16, chain: 16 },
    Effort { lazy: 16, nice: 32, chain: 32 },
    Effort { lazy: 16, nice: 128, chain: 128 },
    Effort { lazy: 32, nice: 128, chain: 256 },
    Effort { lazy: 128, nice: 258, chain: 1024 },
    Effort { lazy: 258, nice: 258, chain: 4096 },
];

/// Its bytes do not depend on how it is fed: as if by pieces of which some fill the window to its end.
pub struct Chains {
    effort: &'static Effort,
    pub blocks: Blocks,
    /// Two windows, of which the first moves out when both are worked on.
    window: Box<[u8]>,
    end: usize,
    at: usize,
    /// What is added to a place, so that 0 is none.
    shifted: usize,
    heads: Box<[u32]>,
    before: Box<[u32]>,
    /// The last place whose chain was looked up, shifted; near the end of the content it stays.
    head: usize,
    tokens: Vec<Token>,
    /// Where the block began; None where that has moved out of the window.
    block: Option<usize>,
    length: usize,
    distance: usize,
    /// Whether the byte before waits for what is found here.
    waiting: bool,
}

impl Chains {
    /// None for a level that works otherwise.
    pub fn new(level: u32) -> Option<Self> {
        Some(Self {
            effort: EFFORTS.get(level.checked_sub(4)? as usize)?,
            blocks: Blocks::default(),
            window: vec![0; 2 * WINDOW].into(),
            end: 0,
            at: 0,
            shifted: 1,
            heads: vec![0; 1 << HASH_BITS].into(),
            before: vec![0; WINDOW].into(),
            head: 0,
            tokens: Vec::with_capacity(BLOCK_TOKENS),
            block: Some(0),
            length: SHORTEST - 1,
            distance: 0,
            waiting: false,
        })
    }

    pub fn take(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.end == self.window.len() {
                self.run(false);
                self.shift();
            }
            let count = data.len().min(self.window.len() - self.end);
            self.window[self.end..self.end + count].copy_from_slice(&data[..count]);
            self.end += count;
            data = &data[count..];
        }
    }

    pub fn finish(&mut self) {
        self.run(true);
        self.blocks.stored(&[], true);
    }

    fn shift(&mut self) {
        self.window.copy_within(WINDOW.., 0);
        self.at -= WINDOW;
        self.end -= WINDOW;
        self.block = self.block.and_then(|block| block.checked_sub(WINDOW));
        self.shifted += WINDOW;
        if self.shifted > MOST_SHIFTED {
            let gone = self.shifted - 1;
            self.shifted = 1;
            self.head = self.head.saturating_sub(gone);
            for place in self.heads.iter_mut().chain(self.before.iter_mut()) {
                *place = place.saturating_sub(gone as u32);
            }
        }
    }

    /// Remembers a place; the one before it with the same hash, shifted.
    #[inline]
    fn insert(&mut self, at: usize) -> usize {
        let Some(four) = self.window[at..].first_chunk() else { return 0 };
        let hash = (u32::from_be_bytes(*four).wrapping_mul(0x1e35_a7bd) >> (32 - HASH_BITS)) as usize;
        let earlier = std::mem::replace(&mut self.heads[hash], (at + self.shifted) as u32);
        self.before[at % WINDOW] = earlier;
        earlier as usize
    }

    fn run(&mut self, all: bool) {
        let hashed = self.end.saturating_sub(SHORTEST - 1);
        while self.end - self.at >= LOOKAHEAD || all && self.at < self.end {
            let left = self.end - self.at;
            if self.at < hashed {
                self.head = self.insert(self.at);
            }
            let (length, distance) = (self.length, self.distance);
            (self.length, self.distance) = (SHORTEST - 1, 0);
            if left > length && length < self.effort.lazy {
                self.search(left);
            }
            if length >= SHORTEST && self.length <= length {
                let next = self.at + length - 1;
                for at in self.at + 1..next.min(hashed) {
                    self.insert(at);
                }
                self.at = next;
                self.waiting = false;
                self.length = SHORTEST - 1;
                self.push(Token::new(length as u16, distance as u16));
            } else {
                if self.waiting {
                    self.push(Token::literal(self.window[self.at - 1]));
                }
                self.at += 1;
                self.waiting = true;
            }
        }
        if all && std::mem::take(&mut self.waiting) {
            self.tokens.push(Token::literal(self.window[self.at - 1]));
        }
        if all && !self.tokens.is_empty() {
            self.write();
        }
    }

    #[inline]
    fn push(&mut self, token: Token) {
        self.tokens.push(token);
        if self.tokens.len() == BLOCK_TOKENS {
            self.write();
        }
    }

    fn write(&mut self) {
        let input = self.block.map(|block| &self.window[block..self.at]);
        self.blocks.smallest(&self.tokens, input);
        self.block = Some(self.at);
        self.tokens.clear();
    }

    /// Finds the longest match here, where `left` bytes are to come.
    #[inline]
    fn search(&mut self, left: usize) {
        let window: &[u8] = &self.window;
        let here = &window[self.at..self.at + left.min(LONGEST)];
        let nice = self.effort.nice.min(here.len());
        let lowest = self.at.saturating_sub(WINDOW);
        let mut wanted = here[self.length];
        let mut place = self.head;
        for _ in 0..self.effort.chain {
            let Some(there) = place.checked_sub(self.shifted).filter(|&there| there >= lowest) else { return };
            if window[there + self.length] == wanted {
                let length = common(here, &window[there..]);
                if length > self.length && (length > SHORTEST || self.at - there <= TOO_FAR) {
                    (self.length, self.distance) = (length, self.at - there);
                    if length >= nice {
                        return;
                    }
                    wanted = here[length];
                }
            }
            if there + WINDOW == self.at {
                return;
            }
            place = self.before[there % WINDOW] as usize;
        }
    }
}
