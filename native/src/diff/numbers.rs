//! Unsigned LEB128, as the streams of a delta spell numbers, and the number kinds that are built on it.

use super::Fault;

/// Reads numbers below 2^63 off a slice.
pub struct Numbers<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Numbers<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Numbers { data, at: 0 }
    }

    pub fn ended(&self) -> bool {
        self.at == self.data.len()
    }

    pub fn next(&mut self) -> Result<u64, Fault> {
        let (mut number, mut shift) = (0u64, 0);
        loop {
            let byte = *self.data.get(self.at).ok_or(Fault("a number is cut off"))?;
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
            if shift > 56 {
                return Err(Fault("a number is too large"));
            }
        }
    }

    /// A number of at most `limit`.
    pub fn within(&mut self, limit: usize) -> Result<usize, Fault> {
        match self.next()? {
            number if number <= limit as u64 => Ok(number as usize),
            _ => Err(Fault("a number is larger than what it counts")),
        }
    }

    pub fn signed(&mut self) -> Result<i64, Fault> {
        let number = self.next()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

pub fn push(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}
