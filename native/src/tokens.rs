//! `tokens/1`: a deflate stream as what it has other than the stream that a known encoder makes of the same content.
//!
//! The corrections are five columns: blocks (a byte each and a varint count of tokens, or of bytes where stored), codes
//! that the encoder's kin, zlib's or Go's, would not have chosen (as the stream spells them, each padded to a byte), runs (varint: tokens predicted rightly
//! before each wrong one), and of each wrongly predicted token its length (varint: 0 for a literal, else the length less 2)
//! and distance (two bytes, the lower first; matches only). The first four are preceded by their sizes, varints.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bits::{BitReader, BitWriter};
use crate::go::chosen_by_go;
use crate::huffman::{Fault, Frequencies, Lengths, chosen_lengths, codes, put_symbol, put_tokens, read_lengths};
use crate::matcher::Matcher;
use crate::parser::{Event, Kind, Parser, Token};

/// Tokens of one block: more than any encoder makes.
const MOST_TOKENS: u64 = 1 << 20;
/// Blocks without a token, one behind the other: they need no content, and so would make a stream without an end at once.
const MOST_EMPTY: u32 = 1000;
/// Bytes of content that are worked on at a time.
const PIECE: usize = 1 << 17;
const LONGEST: usize = 258;
const STORED: u8 = 0;
const FIXED: u8 = 1;
const CHOSEN: u8 = 2;
const SPELLED: u8 = 3;
const LAST: u8 = 4;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TokenFinder>()?;
    module.add_class::<TokenWriter>()
}

fn fault(what: Fault) -> PyErr {
    PyValueError::new_err(what)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Who chooses the codes of a block.
#[derive(Clone, Copy)]
enum Kin {
    Zlib,
    Go,
}

impl Kin {
    fn new(go: bool) -> Self {
        if go { Self::Go } else { Self::Zlib }
    }

    fn choose(self, frequencies: &Frequencies, out: &mut BitWriter) -> Lengths {
        match self {
            Self::Zlib => chosen_lengths(&frequencies.literals, &frequencies.distances, out),
            Self::Go => chosen_by_go(frequencies, out),
        }
    }
}

/// Where tokens that are foreseen come from.
enum Source {
    Stream(Parser),
    Tokens { tokens: VecDeque<Token>, complete: bool },
}

impl Source {
    #[inline]
    fn next(&mut self) -> Result<Event, Fault> {
        match self {
            Self::Stream(parser) => parser.next(),
            Self::Tokens { tokens, complete } => Ok(match tokens.pop_front() {
                Some(token) => Event::Token(token),
                None if *complete => Event::End,
                None => Event::Starved,
            }),
        }
    }

    fn feed(&mut self, stream: &[u8], complete: bool) {
        if let Self::Stream(parser) = self {
            parser.feed(stream, complete);
        }
    }
}

/// What a known encoder would write next.
struct Prediction {
    source: Source,
    token: Token,
    end: u64,
    ended: bool,
}

impl Prediction {
    fn new(source: Source) -> Self {
        Self { source, token: Token::literal(0), end: 0, ended: false }
    }

    /// The token foreseen at `position`; None where the prediction has not come so far. Inside a foreseen match, what is
    /// left of it; behind the end, a literal.
    #[inline]
    fn at(&mut self, position: u64) -> Result<Option<Token>, Fault> {
        while self.end <= position && !self.ended {
            match self.source.next()? {
                Event::Starved => return Ok(None),
                Event::Block { .. } | Event::BlockEnd => {}
                Event::End => self.ended = true,
                Event::Token(token) => {
                    self.token = token;
                    self.end += u64::from(token.length);
                }
            }
        }
        if self.ended && self.end <= position {
            return Ok(Some(Token::literal(0)));
        }
        let left = (self.end - position) as u16;
        if left == self.token.length {
            return Ok(Some(self.token));
        }
        Ok(Some(if left < 3 { Token::literal(0) } else { Token::new(left, self.token.distance) }))
    }
}

/// Counts blocks without tokens up to the next with some.
fn count_empty(empty: &mut u32, tokens: u64) -> Result<(), Fault> {
    *empty = if tokens == 0 { *empty + 1 } else { 0 };
    if *empty > MOST_EMPTY { Err("too many empty blocks") } else { Ok(()) }
}

/// Compares a stream with a prediction, both as they come.
#[pyclass]
struct TokenFinder {
    kin: Kin,
    stream: Parser,
    prediction: Prediction,
    position: u64,
    pending: Option<Token>,
    block: Option<(Kind, bool, u64, Frequencies)>,
    ended: bool,
    empty: u32,
    right: u64,
    blocks: Vec<u8>,
    spelled: Vec<u8>,
    runs: Vec<u8>,
    lengths: Vec<u8>,
    distances: Vec<u8>,
}

impl TokenFinder {
    fn compare(&mut self) -> Result<bool, Fault> {
        loop {
            if let Some(token) = self.pending {
                let Some(foreseen) = self.prediction.at(self.position)? else {
                    return Ok(false);
                };
                self.pending = None;
                self.note(token, foreseen);
            }
            match self.stream.next()? {
                Event::Starved => return Ok(true),
                Event::End => {
                    self.ended = true;
                    return Ok(true);
                }
                Event::Block { kind, last } => self.block = Some((kind, last, 0, Frequencies::new())),
                Event::BlockEnd => self.end_block()?,
                Event::Token(token) => self.take(token),
            }
        }
    }

    #[inline]
    fn take(&mut self, token: Token) {
        let (kind, _, count, frequencies) = self.block.as_mut().expect("tokens are in blocks");
        *count += 1;
        if matches!(kind, Kind::Stored) {
            self.position += 1;
            return;
        }
        frequencies.count(token);
        self.pending = Some(token);
    }

    #[inline]
    fn note(&mut self, token: Token, foreseen: Token) {
        self.position += u64::from(token.length);
        if (token.length, token.distance) == (foreseen.length, foreseen.distance) {
            self.right += 1;
            return;
        }
        put_varint(&mut self.runs, self.right);
        self.right = 0;
        if token.distance == 0 {
            self.lengths.push(0);
        } else {
            put_varint(&mut self.lengths, u64::from(token.length - 2));
            self.distances.extend_from_slice(&token.distance.to_le_bytes());
        }
    }

    fn end_block(&mut self) -> Result<(), Fault> {
        let (kind, last, count, frequencies) = self.block.take().expect("a block ends once");
        if count > MOST_TOKENS {
            return Err("a block with too many tokens");
        }
        count_empty(&mut self.empty, count)?;
        let code = match kind {
            Kind::Stored => STORED,
            Kind::Fixed => FIXED,
            Kind::Dynamic(spelled) => {
                let mut chosen = BitWriter::default();
                self.kin.choose(&frequencies, &mut chosen);
                chosen.align();
                if chosen.out == spelled {
                    CHOSEN
                } else {
                    self.spelled.extend_from_slice(&spelled);
                    SPELLED
                }
            }
        };
        self.blocks.push(code | if last { LAST } else { 0 });
        put_varint(&mut self.blocks, count);
        Ok(())
    }

    fn size(&self) -> usize {
        self.blocks.len() + self.spelled.len() + self.runs.len() + self.lengths.len() + self.distances.len()
    }
}

#[pymethods]
impl TokenFinder {
    /// `go` where the prediction is of an encoder of Go's.
    #[new]
    fn new(go: bool) -> Self {
        Self {
            kin: Kin::new(go),
            stream: Parser::new(),
            prediction: Prediction::new(Source::Stream(Parser::new())),
            position: 0,
            pending: None,
            block: None,
            ended: false,
            empty: 0,
            right: 0,
            blocks: Vec::new(),
            spelled: Vec::new(),
            runs: Vec::new(),
            lengths: Vec::new(),
            distances: Vec::new(),
        }
    }

    /// Whether more of the stream is wanted next, else more of the prediction; and the size of the corrections so far.
    fn feed(
        &mut self,
        py: Python<'_>,
        stream: &[u8],
        prediction: &[u8],
        complete: (bool, bool),
    ) -> PyResult<(bool, usize)> {
        py.detach(|| {
            self.stream.feed(stream, complete.0);
            self.prediction.source.feed(prediction, complete.1);
            let wants_stream = self.compare()?;
            Ok((wants_stream, self.size()))
        })
        .map_err(fault)
    }

    /// The position in the content, bytes.
    fn position(&self) -> u64 {
        self.position
    }

    fn corrections<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        if !self.ended || self.stream.left() >= 8 {
            return Err(fault("the stream has no end, or bytes behind it"));
        }
        let mut out = Vec::new();
        for column in [&self.blocks, &self.spelled, &self.runs, &self.lengths] {
            put_varint(&mut out, column.len() as u64);
        }
        for column in [&self.blocks, &self.spelled, &self.runs, &self.lengths, &self.distances] {
            out.extend_from_slice(column);
        }
        Ok(PyBytes::new(py, &out))
    }
}

/// A part of the corrections, read from its start.
struct Column {
    data: Vec<u8>,
    at: usize,
}

impl Column {
    fn new(data: &[u8]) -> Self {
        Self { data: data.to_vec(), at: 0 }
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.data.get(self.at).ok_or("corrections end early")?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err("a number too large")
    }

    fn done(&self) -> bool {
        self.at == self.data.len()
    }
}

struct Block {
    code: u8,
    left: u64,
    tokens: Vec<Token>,
    frequencies: Frequencies,
}

/// Hands on the stream that the corrections make of what zlib would choose for `content`, piece by piece.
pub fn corrected(
    content: &[u8],
    level: u32,
    corrections: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut matcher = Matcher::new(content, level).ok_or("no such level")?;
    let mut writer = TokenWriter::parse(corrections, Kin::Zlib, Source::Tokens { tokens: VecDeque::new(), complete: false })?;
    let mut done = 0;
    while done < content.len() || done == 0 {
        let end = content.len().min(done + PIECE);
        let complete = end == content.len();
        if let Source::Tokens { tokens, complete: ended } = &mut writer.prediction.source {
            while complete || matcher.at() < end + LONGEST {
                let Some(token) = matcher.next() else { break };
                tokens.push_back(token);
            }
            *ended = complete;
        }
        // Corrections are hostile: should a check be missing, the damage ends here.
        let made = catch_unwind(AssertUnwindSafe(|| writer.advance(&content[done..end], &[], complete)));
        take(&made.unwrap_or(Err("corrections that cannot be followed"))?)?;
        done = end.max(1);
    }
    Ok(())
}

/// Writes the stream that the corrections make of a prediction and the content, both as they come.
#[pyclass]
struct TokenWriter {
    kin: Kin,
    prediction: Prediction,
    content: Vec<u8>,
    /// Of the content, where `content` begins.
    start: u64,
    position: u64,
    block: Option<Block>,
    ended: bool,
    empty: u32,
    out: BitWriter,
    blocks: Column,
    spelled: Column,
    runs: Column,
    lengths: Column,
    distances: Column,
    /// Tokens before the next wrong one.
    right: Option<u64>,
}

impl TokenWriter {
    fn parse(corrections: &[u8], kin: Kin, source: Source) -> Result<Self, Fault> {
        let mut head = Column::new(corrections);
        let mut sizes = [0; 4];
        for size in &mut sizes {
            *size = head.varint()? as usize;
        }
        let mut rest = &corrections[head.at..];
        let mut next = |size: usize| {
            let (column, behind) = rest.split_at_checked(size).ok_or("corrections end early")?;
            rest = behind;
            Ok(Column::new(column))
        };
        let (blocks, spelled, runs, lengths) = (next(sizes[0])?, next(sizes[1])?, next(sizes[2])?, next(sizes[3])?);
        let mut writer = Self {
            kin,
            prediction: Prediction::new(source),
            content: Vec::new(),
            start: 0,
            position: 0,
            block: None,
            ended: false,
            empty: 0,
            out: BitWriter::default(),
            blocks,
            spelled,
            runs,
            lengths,
            distances: Column::new(rest),
            right: None,
        };
        writer.count_run()?;
        Ok(writer)
    }

    fn count_run(&mut self) -> Result<(), Fault> {
        self.right = if self.runs.done() { None } else { Some(self.runs.varint()?) };
        Ok(())
    }

    /// Goes on until more content or prediction is needed, or the stream ended.
    fn run(&mut self, complete: bool) -> Result<(), Fault> {
        while !self.ended {
            let mut block = match self.block.take() {
                Some(block) => block,
                None => self.next_block()?,
            };
            let filled = self.fill(&mut block)?;
            // Even where nothing was asked of it, or the whole prediction would wait in memory.
            self.prediction.at(self.position)?;
            self.forget();
            if !filled {
                self.block = Some(block);
                return if complete { Err("the stream is longer than its content") } else { Ok(()) };
            }
            self.write(&block)?;
            self.ended = block.code & LAST != 0;
        }
        self.out.align();
        Ok(())
    }

    fn next_block(&mut self) -> Result<Block, Fault> {
        let code = self.blocks.byte()?;
        let left = self.blocks.varint()?;
        if code > LAST + SPELLED || left > MOST_TOKENS || (code & 3 == STORED && left > 0xffff) {
            return Err("no such block");
        }
        count_empty(&mut self.empty, left)?;
        Ok(Block { code, left, tokens: Vec::new(), frequencies: Frequencies::new() })
    }

    /// Whether the block has all its tokens.
    fn fill(&mut self, block: &mut Block) -> Result<bool, Fault> {
        while block.left > 0 {
            let at = (self.position - self.start) as usize;
            let Some(&byte) = self.content.get(at) else {
                return Ok(false);
            };
            let mut token = Token::literal(byte);
            if block.code & 3 != STORED {
                let Some(next) = self.token()? else {
                    return Ok(false);
                };
                if next.distance > 0 {
                    token = next;
                }
                block.frequencies.count(token);
            }
            self.position += u64::from(token.length);
            block.tokens.push(token);
            block.left -= 1;
        }
        Ok(self.position <= self.start + self.content.len() as u64)
    }

    /// Drops the content that is behind.
    fn forget(&mut self) {
        let done = ((self.position - self.start) as usize).min(self.content.len());
        self.content.drain(..done);
        self.start += done as u64;
    }

    #[inline]
    fn token(&mut self) -> Result<Option<Token>, Fault> {
        match &mut self.right {
            Some(0) => {}
            right => {
                let foreseen = self.prediction.at(self.position)?;
                if let (Some(_), Some(right)) = (foreseen, right) {
                    *right -= 1;
                }
                return Ok(foreseen);
            }
        }
        self.count_run()?;
        let length = self.lengths.varint()?;
        if length == 0 {
            return Ok(Some(Token::literal(0)));
        }
        let distance = u16::from_le_bytes([self.distances.byte()?, self.distances.byte()?]);
        if length > 256 || !(1..=1 << 15).contains(&distance) {
            return Err("no such match");
        }
        Ok(Some(Token::new(length as u16 + 2, distance)))
    }

    fn write(&mut self, block: &Block) -> Result<(), Fault> {
        let kind = block.code & 3;
        self.out.put(u32::from(block.code & LAST != 0), 1);
        self.out.put(u32::from(kind.min(2)), 2);
        match kind {
            STORED => self.write_stored(block),
            FIXED => self.write_tokens(block, &Lengths::fixed())?,
            CHOSEN => {
                let lengths = self.kin.choose(&block.frequencies, &mut self.out);
                self.write_tokens(block, &lengths)?;
            }
            _ => {
                let mut reader = BitReader::default();
                reader.feed(&self.spelled.data[self.spelled.at..]);
                let before = reader.left();
                let lengths = read_lengths(&mut reader, &mut self.out)?;
                self.spelled.at += (before - reader.left()).div_ceil(8);
                self.write_tokens(block, &lengths)?;
            }
        }
        Ok(())
    }

    fn write_stored(&mut self, block: &Block) {
        self.out.align();
        let size = block.tokens.len() as u32;
        self.out.put(size, 16);
        self.out.put(size ^ 0xffff, 16);
        self.out.align();
        self.out.out.extend(block.tokens.iter().map(|token| token.byte));
    }

    fn write_tokens(&mut self, block: &Block, lengths: &Lengths) -> Result<(), Fault> {
        let literals = codes(&lengths.literals)?;
        let distances = codes(&lengths.distances)?;
        put_tokens(&mut self.out, &block.tokens, &literals, &distances)?;
        put_symbol(&mut self.out, literals[256])
    }
}

#[pymethods]
impl TokenWriter {
    #[new]
    fn new(corrections: &[u8], go: bool) -> PyResult<Self> {
        Self::parse(corrections, Kin::new(go), Source::Stream(Parser::new())).map_err(fault)
    }

    /// What of the stream is decided; all of it with the last of the content and prediction, `complete`.
    fn feed<'py>(
        &mut self,
        py: Python<'py>,
        content: &[u8],
        prediction: &[u8],
        complete: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let made = py.detach(|| {
            // Corrections are hostile: should a check be missing, the damage ends here.
            catch_unwind(AssertUnwindSafe(|| self.advance(content, prediction, complete)))
                .unwrap_or(Err("corrections that cannot be followed"))
        });
        Ok(PyBytes::new(py, &made.map_err(fault)?))
    }
}

impl TokenWriter {
    fn advance(&mut self, content: &[u8], prediction: &[u8], complete: bool) -> Result<Vec<u8>, Fault> {
        self.content.extend_from_slice(content);
        self.prediction.source.feed(prediction, complete);
        self.run(complete)?;
        if complete && !self.all_used() {
            return Err("the stream is shorter than its content or corrections");
        }
        Ok(std::mem::take(&mut self.out.out))
    }

    fn all_used(&self) -> bool {
        let columns = [&self.blocks, &self.spelled, &self.runs, &self.lengths, &self.distances];
        self.content.is_empty() && self.right.is_none() && columns.into_iter().all(Column::done)
    }
}
