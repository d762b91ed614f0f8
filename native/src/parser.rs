//! A deflate stream as blocks and tokens, as far as its bytes have come.

use crate::bits::{BitReader, BitWriter};
use crate::huffman::{Decoder, Fault, Lengths, read_lengths};

const LENGTH_BASES: [(u16, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];
const DISTANCE_BASES: [(u16, u32); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];
/// More bits than a block's codes, and than a token, can take.
const HEAD_BITS: usize = 5000;
const TOKEN_BITS: usize = 64;

/// A literal's byte, or a match's length and distance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// 1 for a literal.
    pub length: u16,
    /// 0 for a literal.
    pub distance: u16,
    pub byte: u8,
}

impl Token {
    pub fn literal(byte: u8) -> Self {
        Self { length: 1, distance: 0, byte }
    }

    pub fn new(length: u16, distance: u16) -> Self {
        Self { length, distance, byte: 0 }
    }

    /// Symbol, extra bits and their number, of the length and of the distance.
    #[inline]
    pub fn symbols(self) -> ((usize, u32, u32), (usize, u32, u32)) {
        let at = if self.length == 258 { 28 } else { place(u32::from(self.length) - 3, 2) };
        let (base, bits) = LENGTH_BASES[at];
        let length = (257 + at, u32::from(self.length - base), bits);
        let at = place(u32::from(self.distance) - 1, 1);
        let (base, bits) = DISTANCE_BASES[at];
        (length, (at, u32::from(self.distance - base), bits))
    }
}

/// Where a value is among bases of which 2^`bits` share each power of two.
#[inline]
fn place(value: u32, bits: u32) -> usize {
    let power = value.max(1).ilog2();
    let at = if power <= bits { value } else { (power - bits << bits) + (value >> (power - bits)) };
    at as usize
}

pub enum Kind {
    Stored,
    Fixed,
    /// What the block says of its codes, padded to a byte.
    Dynamic(Vec<u8>),
}

pub enum Event {
    Starved,
    Block { kind: Kind, last: bool },
    Token(Token),
    BlockEnd,
    End,
}

enum State {
    Head,
    Codes,
    Stored(usize),
}

pub struct Parser {
    reader: BitReader,
    complete: bool,
    state: State,
    last: bool,
    literals: Decoder,
    distances: Decoder,
}

impl Parser {
    pub fn new() -> Self {
        Self {
            reader: BitReader::default(),
            complete: false,
            state: State::Head,
            last: false,
            literals: Decoder::default(),
            distances: Decoder::default(),
        }
    }

    /// `complete` with the last bytes of the stream.
    pub fn feed(&mut self, data: &[u8], complete: bool) {
        self.reader.feed(data);
        self.complete |= complete;
    }

    /// Bits of the stream that were not parsed.
    pub fn left(&self) -> usize {
        self.reader.left()
    }

    fn starved(&self, bits: usize) -> bool {
        !self.complete && self.reader.left() < bits
    }

    #[inline]
    pub fn next(&mut self) -> Result<Event, Fault> {
        match self.state {
            State::Head if self.last => Ok(Event::End),
            State::Head if self.starved(HEAD_BITS) => Ok(Event::Starved),
            State::Head => self.head(),
            State::Codes if self.starved(TOKEN_BITS) => Ok(Event::Starved),
            State::Codes => self.token(),
            State::Stored(0) => {
                self.state = State::Head;
                Ok(Event::BlockEnd)
            }
            State::Stored(left) => {
                if self.starved(8) {
                    return Ok(Event::Starved);
                }
                let byte = self.reader.take(8).ok_or("ends early")?;
                self.state = State::Stored(left - 1);
                Ok(Event::Token(Token::literal(byte as u8)))
            }
        }
    }

    fn head(&mut self) -> Result<Event, Fault> {
        let last = self.reader.take(1).ok_or("ends early")? == 1;
        let kind = match self.reader.take(2).ok_or("ends early")? {
            0 => {
                let padding = self.reader.padding();
                if self.reader.take(padding) != Some(0) {
                    return Err("padding that is not zero");
                }
                let size = self.reader.take(16).ok_or("ends early")?;
                if self.reader.take(16) != Some(size ^ 0xffff) {
                    return Err("a stored block's length is damaged");
                }
                self.state = State::Stored(size as usize);
                Kind::Stored
            }
            1 => {
                self.codes(&Lengths::fixed())?;
                Kind::Fixed
            }
            2 => {
                let mut copy = BitWriter::default();
                let lengths = read_lengths(&mut self.reader, &mut copy)?;
                copy.align();
                self.codes(&lengths)?;
                Kind::Dynamic(copy.out)
            }
            _ => return Err("no such block type"),
        };
        self.last = last;
        Ok(Event::Block { kind, last })
    }

    fn codes(&mut self, lengths: &Lengths) -> Result<(), Fault> {
        self.literals = Decoder::new(&lengths.literals)?;
        self.distances = Decoder::new(&lengths.distances)?;
        self.state = State::Codes;
        Ok(())
    }

    #[inline]
    fn token(&mut self) -> Result<Event, Fault> {
        let symbol = self.literals.read(&mut self.reader)?;
        if symbol < 256 {
            return Ok(Event::Token(Token::literal(symbol as u8)));
        }
        if symbol == 256 {
            self.state = State::Head;
            return Ok(Event::BlockEnd);
        }
        let &(base, bits) = LENGTH_BASES.get(symbol - 257).ok_or("no such length")?;
        let length = base + self.reader.take(bits).ok_or("ends early")? as u16;
        if length == 258 && symbol != 285 {
            return Err("a length with two spellings");
        }
        let symbol = self.distances.read(&mut self.reader)?;
        let &(base, bits) = DISTANCE_BASES.get(symbol).ok_or("no such distance")?;
        let distance = base + self.reader.take(bits).ok_or("ends early")? as u16;
        Ok(Event::Token(Token::new(length, distance)))
    }
}
