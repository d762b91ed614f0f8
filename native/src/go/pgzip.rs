//! pgzip: pieces of equal size, each compressed by itself with the end of the one before as its dictionary, and a sync flush
//! behind each.

use crate::go::blocks::LONGEST_STORED;
use crate::go::doubled::Doubled;
use crate::go::reuse::Reusing;

/// Bytes of the dictionary.
pub const TAIL: usize = 1 << 14;
const BLOCK: usize = LONGEST_STORED;

pub struct Pgzip {
    pub blocks: Reusing,
    finder: Doubled,
    piece: usize,
    /// Bytes of the piece so far.
    size: usize,
    /// What of it was not compressed yet, at most a block.
    pending: Vec<u8>,
    /// Its last bytes, at most `TAIL`, before `pending`.
    tail: Vec<u8>,
}

impl Pgzip {
    /// `exact` as in `Reusing`; a piece has more bytes than a dictionary.
    pub fn new(exact: bool, piece: usize) -> Self {
        Self {
            blocks: Reusing::new(exact),
            finder: Doubled::new(),
            piece,
            size: 0,
            pending: Vec::with_capacity(BLOCK),
            tail: Vec::new(),
        }
    }

    pub fn take(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.pending.len() == BLOCK {
                self.write(false);
            }
            let room = (BLOCK - self.pending.len()).min(self.piece - self.size);
            let (now, rest) = data.split_at(data.len().min(room));
            self.pending.extend_from_slice(now);
            self.size += now.len();
            data = rest;
            if self.size == self.piece {
                self.flush();
                self.finder.reset();
                let tail = std::mem::take(&mut self.tail);
                self.finder.find(&tail);
                self.size = 0;
            }
        }
    }

    pub fn finish(&mut self) {
        self.flush();
        self.blocks.finish();
    }

    fn flush(&mut self) {
        match self.pending.len() {
            0 => {}
            1..=32 => {
                self.blocks.stored(&self.pending);
                self.forget();
            }
            33..128 => {
                self.blocks.literals(&self.pending, true);
                self.forget();
            }
            _ => self.write(true),
        }
        self.blocks.stored(&[]);
    }

    fn write(&mut self, sync: bool) {
        self.finder.find(&self.pending);
        let (tokens, size) = (&self.finder.tokens, self.pending.len());
        if tokens.is_empty() {
            self.blocks.stored(&self.pending);
        } else if tokens.len() > size - (size >> 4) {
            self.blocks.literals(&self.pending, sync);
        } else {
            self.blocks.tokens(tokens, &self.pending, sync);
        }
        self.forget();
    }

    /// Keeps of what was compressed the dictionary of the next piece.
    fn forget(&mut self) {
        self.tail.extend_from_slice(&self.pending);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        self.pending.clear();
    }
}
