//! Go's compress/flate at level 1: one earlier place for each hash of four bytes, in blocks of 65535 bytes.

use crate::go::blocks::{Blocks, LONGEST_STORED};
use crate::matcher::common;
use crate::parser::Token;

const BLOCK: usize = LONGEST_STORED;
const WINDOW: i64 = 1 << 15;
const LONGEST: usize = 258;
const HASH_BITS: u32 = 14;
/// Bytes at the end of a block in which no match begins.
const MARGIN: usize = 15;
const NOWHERE: (u32, i64) = (0, -1 - WINDOW);

pub struct Quick {
    pub blocks: Blocks,
    /// The block before, if any, and then the block that grows.
    data: Vec<u8>,
    /// Where in `data` the block begins, and where `data` begins in the content.
    start: usize,
    moved: i64,
    /// Of each hash the four bytes and where in the content they stand.
    places: Box<[(u32, i64)]>,
    tokens: Vec<Token>,
}

impl Quick {
    pub fn new() -> Self {
        Self {
            blocks: Blocks::default(),
            data: Vec::with_capacity(2 * BLOCK),
            start: 0,
            moved: 0,
            places: vec![NOWHERE; 1 << HASH_BITS].into(),
            tokens: Vec::new(),
        }
    }

    pub fn take(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.data.len() - self.start == BLOCK {
                self.write();
                self.data.drain(..self.start);
                self.moved += self.start as i64;
                self.start = self.data.len();
            }
            let (piece, rest) = data.split_at(data.len().min(self.start + BLOCK - self.data.len()));
            self.data.extend_from_slice(piece);
            data = rest;
        }
    }

    pub fn finish(&mut self) {
        match self.data.len() - self.start {
            0 => {}
            1..=16 => self.blocks.stored(&self.data[self.start..], false),
            17..128 => self.write_literals(),
            _ => self.write(),
        }
        self.blocks.stored(&[], true);
    }

    fn write(&mut self) {
        self.find();
        let input = &self.data[self.start..];
        if self.tokens.len() > input.len() - (input.len() >> 4) {
            self.write_literals();
        } else {
            self.blocks.worth_it(&self.tokens, input);
        }
    }

    fn write_literals(&mut self) {
        let input = &self.data[self.start..];
        self.tokens.clear();
        self.tokens.extend(input.iter().map(|&byte| Token::literal(byte)));
        self.blocks.worth_it(&self.tokens, input);
    }

    fn four(&self, at: usize) -> u32 {
        self.data[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four))
    }

    /// Remembers a place; where the same four bytes stood before, if that is near.
    #[inline]
    fn exchange(&mut self, at: usize) -> Option<usize> {
        let four = self.four(at);
        let hash = (four.wrapping_mul(0x1e35_a7bd) >> (32 - HASH_BITS)) as usize;
        let here = at as i64 + self.moved;
        let (same, there) = std::mem::replace(&mut self.places[hash], (four, here));
        (same == four && here - there <= WINDOW).then(|| (there - self.moved) as usize)
    }

    fn literals(&mut self, from: usize, to: usize) {
        self.tokens.extend(self.data[from..to].iter().map(|&byte| Token::literal(byte)));
    }

    /// The block's tokens.
    fn find(&mut self) {
        self.tokens.clear();
        let (mut done, mut at) = (self.start, self.start);
        let limit = self.data.len() - MARGIN;
        // Every 32 bytes without a match, the step grows by one.
        let mut skip = 32;
        'search: while at + (skip >> 5) <= limit {
            let step = skip >> 5;
            let Some(mut there) = self.exchange(at) else {
                (at, skip) = (at + step, skip + step);
                continue;
            };
            self.literals(done, at);
            loop {
                let end = self.data.len().min(at + LONGEST);
                let length = common(&self.data[at..end], &self.data[there..]);
                self.tokens.push(Token::new(length as u16, (at - there) as u16));
                at += length;
                done = at;
                if at >= limit {
                    break 'search;
                }
                self.exchange(at - 1);
                match self.exchange(at) {
                    Some(next) => there = next,
                    None => break,
                }
            }
            (at, skip) = (at + 1, 32);
        }
        self.literals(done, self.data.len());
    }
}
