//! Blocks as klauspost/compress writes them: what a block says of its codes may serve for the next one too, which then has no
//! head and is the same block to a decoder.

use crate::bits::BitWriter;
use crate::go::blocks::{LONGEST_STORED, extra_bits};
use crate::go::codes::{Head, cost, optimal_lengths, used};
use crate::huffman::{DISTANCES, Frequencies, LITERALS, Lengths, codes, put_symbol, put_tokens};
use crate::parser::Token;

const END: usize = 256;
/// Of fewer tokens it is tried whether fixed codes are shorter.
const FEW_TOKENS: usize = 250;
/// Bits that a head of literals alone is taken for.
const GUESSED_HEAD: usize = 70 * 8;
/// A head of its own must save more than this part of a block, as a power of two.
const PENALTY: u32 = 7;

struct Code {
    lengths: Vec<u8>,
    codes: Vec<(u16, u8)>,
}

impl Code {
    fn new(lengths: Vec<u8>) -> Self {
        let codes = codes(&lengths).expect("a code");
        Self { lengths, codes }
    }

    fn has_all(&self, frequencies: &[u32]) -> bool {
        frequencies.iter().zip(&self.lengths).all(|(&count, &length)| count == 0 || length > 0)
    }
}

pub struct Reusing {
    pub out: BitWriter,
    /// Whether a head names no more symbols than are used: since 1.18.1.
    exact: bool,
    literals: Code,
    distances: Code,
    fixed: (Code, Code),
    /// Bits of the head whose codes can serve again: while there is one, the end of its block was not written.
    head: Option<usize>,
    /// Whether its codes are for literals alone.
    bare: bool,
}

impl Reusing {
    pub fn new(exact: bool) -> Self {
        let Lengths { literals, distances } = Lengths::fixed();
        Self {
            out: BitWriter::default(),
            exact,
            literals: Code::new(Vec::new()),
            distances: Code::new(Vec::new()),
            fixed: (Code::new(literals.to_vec()), Code::new(distances.to_vec())),
            head: None,
            bare: false,
        }
    }

    fn end_block(&mut self) {
        if self.head.take().is_some() {
            put_symbol(&mut self.out, self.literals.codes[END]).expect("the end has a code");
        }
    }

    pub fn stored(&mut self, input: &[u8]) {
        self.end_block();
        self.out.put(0, 3);
        self.out.align();
        let size = input.len() as u32;
        self.out.put(size | (size ^ 0xffff) << 16, 32);
        self.out.align();
        self.out.out.extend_from_slice(input);
    }

    /// The last block, an empty one with fixed codes.
    pub fn finish(&mut self) {
        self.end_block();
        self.out.put(0b011, 10);
        self.out.align();
    }

    fn fixed(&mut self, tokens: &[Token]) {
        self.end_block();
        self.out.put(1 << 1, 3);
        put_tokens(&mut self.out, tokens, &self.fixed.0.codes, &self.fixed.1.codes).expect("fixed codes have all");
        put_symbol(&mut self.out, self.fixed.0.codes[END]).expect("the end has a code");
    }

    /// The tokens of `input`; the block ends with them where `sync`.
    pub fn tokens(&mut self, tokens: &[Token], input: &[u8], sync: bool) {
        let mut frequencies = Frequencies::new();
        tokens.iter().for_each(|&token| frequencies.count(token));
        if self.bare || !self.can_serve(&frequencies) {
            self.end_block();
        }
        frequencies.literals[END] = u32::from(sync || self.exact);
        if (sync || self.exact) && used(&frequencies.distances) == 0 {
            frequencies.distances[0] = 1;
        }
        let extra = extra_bits(tokens);
        let count = tokens.len() + usize::from(sync);
        let stored = (input.len() + 5) * 8;
        debug_assert!(input.len() <= LONGEST_STORED);
        let fixed = 3 + self.bits_in(&self.fixed.0, &self.fixed.1, &frequencies) + extra;
        if let Some(head) = self.head {
            let size = self.again_or_anew(head, &frequencies, count, extra);
            if count < FEW_TOKENS && fixed + 7 < size {
                return if stored <= size { self.stored(input) } else { self.fixed(tokens) };
            }
            if stored <= size {
                return self.stored(input);
            }
        }
        if self.head.is_none() {
            frequencies.literals[END] = 1;
            self.literals = Code::new(optimal_lengths(&frequencies.literals, 15));
            self.distances = Code::new(optimal_lengths(&frequencies.distances, 15));
            let all = !sync && !self.exact;
            let named = if all { LITERALS } else { used(&frequencies.literals) };
            let named_distances = if all { DISTANCES } else { used(&frequencies.distances) };
            let head = Head::new(&self.literals.lengths[..named], &self.distances.lengths[..named_distances]);
            let size = head.bits + self.bits_in(&self.literals, &self.distances, &frequencies) + extra;
            let fixed = 3 + self.bits_in(&self.fixed.0, &self.fixed.1, &frequencies) + extra;
            if count < FEW_TOKENS && fixed <= size {
                return if stored <= fixed { self.stored(input) } else { self.fixed(tokens) };
            }
            if stored <= size {
                return self.stored(input);
            }
            self.begin(&head);
            self.bare = false;
        }
        put_tokens(&mut self.out, tokens, &self.literals.codes, &self.distances.codes).expect("all have codes");
        if sync {
            self.end_block();
        }
    }

    fn begin(&mut self, head: &Head) {
        self.out.put(2 << 1, 3);
        head.write(&mut self.out);
        self.head = Some(head.bits);
    }

    fn can_serve(&self, frequencies: &Frequencies) -> bool {
        self.head.is_none()
            || self.literals.has_all(&frequencies.literals) && self.distances.has_all(&frequencies.distances)
    }

    fn bits_in(&self, literals: &Code, distances: &Code, frequencies: &Frequencies) -> usize {
        cost(&frequencies.literals, &literals.lengths) + cost(&frequencies.distances, &distances.lengths)
    }

    /// Ends the block if codes of their own are likely to make the tokens shorter. Bits that they are taken for.
    fn again_or_anew(&mut self, head: usize, frequencies: &Frequencies, count: usize, extra: usize) -> usize {
        let mut anew = head + estimated_bits(frequencies, count, extra);
        anew += usize::from(self.literals.lengths[END]) + (anew >> PENALTY);
        let again = self.bits_in(&self.literals, &self.distances, frequencies) + extra;
        if anew < again {
            self.end_block();
        }
        anew.min(again)
    }

    /// Literals alone, or stored where that is hardly larger.
    pub fn literals(&mut self, input: &[u8], sync: bool) {
        let mut frequencies = [0u32; END + 1];
        input.iter().for_each(|&byte| frequencies[usize::from(byte)] += 1);
        if is_noise(&frequencies[..END], input.len()) {
            return self.stored(input);
        }
        frequencies[END] = 1;
        let lengths = optimal_lengths(&frequencies, 15);
        let mut anew = cost(&frequencies, &lengths) + self.head.unwrap_or(GUESSED_HEAD);
        anew += anew >> PENALTY;
        if (input.len() + 5) * 8 <= anew {
            return self.stored(input);
        }
        let again =
            self.literals.has_all(&frequencies[..END]).then(|| cost(&frequencies[..END], &self.literals.lengths));
        if again.is_none_or(|again| anew < again) {
            self.end_block();
        }
        if self.head.is_none() {
            self.literals = Code::new(lengths);
            self.begin(&Head::new(&self.literals.lengths, &[1]));
            self.bare = true;
        }
        for &byte in input {
            put_symbol(&mut self.out, self.literals.codes[usize::from(byte)]).expect("all have codes");
        }
        if sync {
            self.end_block();
            self.bare = false;
        }
    }
}

/// Whether all bytes are nearly as frequent.
fn is_noise(frequencies: &[u32], size: usize) -> bool {
    let average = size as f64 / 256.0;
    let squares: f64 = frequencies.iter().map(|&count| (f64::from(count) - average).powi(2)).sum();
    size > 1024 && squares < (size * 2) as f64
}

/// What the tokens would take with the best codes, without a head. Sums are of the precision, and in the order, of the original.
fn estimated_bits(frequencies: &Frequencies, count: usize, extra: usize) -> usize {
    let share = 1.0 / count as f32;
    let bits = sum_bits(0.0, &frequencies.literals[..END], share) + 15.0;
    let bits = sum_bits(bits, &frequencies.literals[END + 1..], share);
    let matches: u32 = frequencies.literals[END + 1..].iter().sum();
    if matches == 0 {
        return bits as usize;
    }
    sum_bits(bits, &frequencies.distances, 1.0 / matches as f32) as usize + extra
}

fn sum_bits(bits: f32, counts: &[u32], share: f32) -> f32 {
    let present = counts.iter().filter(|&&count| count > 0).map(|&count| count as f32);
    present.fold(bits, |bits, count| bits + (-rough_log2(count * share)).clamp(1.0, 15.0) * count)
}

/// The logarithm by a parabola.
fn rough_log2(value: f32) -> f32 {
    let bits = value.to_bits();
    let exponent = ((bits >> 23) & 255) as f32 - 128.0;
    let mantissa = f32::from_bits((bits & 0x807f_ffff) + (127 << 23));
    exponent + (((-0.344_848_43 * mantissa) + 2.024_665_78) * mantissa - 0.674_877_59)
}
