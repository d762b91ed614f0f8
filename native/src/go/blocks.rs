//! Blocks as Go's compress/flate writes them: stored, with fixed codes, or with codes of their own, whatever is smallest.

use crate::bits::BitWriter;
use crate::go::codes::{Head, cost, optimal_lengths, used};
use crate::huffman::{Frequencies, Lengths, codes, put_symbol, put_tokens};
use crate::parser::Token;

pub const LONGEST_STORED: usize = 65535;
const END: usize = 256;

#[derive(Default)]
pub struct Blocks {
    pub out: BitWriter,
}

/// Codes for a block, and what the block says of them.
struct Dynamic {
    lengths: Lengths,
    head: Head,
    /// Without extra bits.
    bits: usize,
}

impl Dynamic {
    fn new(frequencies: &Frequencies) -> Self {
        let literal = optimal_lengths(&frequencies.literals, 15);
        let distance = optimal_lengths(&frequencies.distances, 15);
        let head = Head::new(&literal[..used(&frequencies.literals)], &distance[..used(&frequencies.distances)]);
        let bits = head.bits + cost(&frequencies.literals, &literal) + cost(&frequencies.distances, &distance);
        let mut lengths = Lengths { literals: [0; 288], distances: [0; 32] };
        lengths.literals[..literal.len()].copy_from_slice(&literal);
        lengths.distances[..distance.len()].copy_from_slice(&distance);
        Self { lengths, head, bits }
    }
}

/// The code lengths that Go chooses for a block, and what the block says of them behind its three bits.
pub fn chosen_by_go(frequencies: &Frequencies, out: &mut BitWriter) -> Lengths {
    let dynamic = Dynamic::new(&with_distance(frequencies));
    dynamic.head.write(out);
    dynamic.lengths
}

/// A code of distances has one symbol at least.
fn with_distance(frequencies: &Frequencies) -> Frequencies {
    let mut counted = frequencies.clone();
    if used(&counted.distances) == 0 {
        counted.distances[0] = 1;
    }
    counted
}

fn counted(tokens: &[Token]) -> Frequencies {
    let mut frequencies = Frequencies::new();
    tokens.iter().for_each(|&token| frequencies.count(token));
    frequencies
}

pub fn extra_bits(tokens: &[Token]) -> usize {
    let matches = tokens.iter().filter(|token| token.distance > 0);
    matches.map(|token| token.symbols()).map(|((_, _, length), (_, _, distance))| (length + distance) as usize).sum()
}

fn stored_bits(input: &[u8]) -> Option<usize> {
    (input.len() <= LONGEST_STORED).then_some((input.len() + 5) * 8)
}

impl Blocks {
    /// The smallest block. `input` is what the tokens stand for, if it is still at hand.
    pub fn smallest(&mut self, tokens: &[Token], input: Option<&[u8]>) {
        let frequencies = with_distance(&counted(tokens));
        let dynamic = Dynamic::new(&frequencies);
        let fixed = Lengths::fixed();
        let fixed_bits =
            3 + cost(&frequencies.literals, &fixed.literals) + cost(&frequencies.distances, &fixed.distances);
        let coded = fixed_bits.min(dynamic.bits) + extra_bits(tokens);
        let shorter = input.filter(|input| stored_bits(input).is_some_and(|bits| bits < coded));
        if let Some(input) = shorter {
            self.stored(input, false);
        } else if dynamic.bits < fixed_bits {
            self.dynamic(tokens, &dynamic);
        } else {
            self.out.put(1 << 1, 3);
            self.coded(tokens, &fixed);
        }
    }

    /// With codes of its own, or stored where that saves less than a sixteenth.
    pub fn worth_it(&mut self, tokens: &[Token], input: &[u8]) {
        let dynamic = Dynamic::new(&with_distance(&counted(tokens)));
        if stored_bits(input).is_some_and(|bits| bits < dynamic.bits + (dynamic.bits >> 4)) {
            self.stored(input, false);
        } else {
            self.dynamic(tokens, &dynamic);
        }
    }

    pub fn stored(&mut self, input: &[u8], last: bool) {
        self.out.put(u32::from(last), 3);
        self.out.align();
        let size = input.len() as u32;
        self.out.put(size | (size ^ 0xffff) << 16, 32);
        self.out.align();
        self.out.out.extend_from_slice(input);
    }

    fn dynamic(&mut self, tokens: &[Token], dynamic: &Dynamic) {
        self.out.put(2 << 1, 3);
        dynamic.head.write(&mut self.out);
        self.coded(tokens, &dynamic.lengths);
    }

    fn coded(&mut self, tokens: &[Token], lengths: &Lengths) {
        let literals = codes(&lengths.literals).expect("a code");
        let distances = codes(&lengths.distances).expect("a code");
        put_tokens(&mut self.out, tokens, &literals, &distances).expect("every symbol has a code");
        put_symbol(&mut self.out, literals[END]).expect("the end has a code");
    }
}
