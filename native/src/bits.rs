//! Bits as deflate orders them: the lowest of a byte first.

/// A reader that grows at its end.
#[derive(Default)]
pub struct BitReader {
    data: Vec<u8>,
    at: usize,
    hold: u64,
    count: u32,
}

impl BitReader {
    pub fn feed(&mut self, data: &[u8]) {
        self.data.drain(..self.at);
        self.at = 0;
        self.data.extend_from_slice(data);
    }

    pub fn left(&self) -> usize {
        (self.data.len() - self.at) * 8 + self.count as usize
    }

    #[inline]
    fn fill(&mut self) {
        if let Some(word) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let bytes = (63 - self.count) / 8;
            let word = u64::from_le_bytes(*word) & (u64::MAX >> (64 - 8 * bytes.max(1)));
            if bytes > 0 {
                self.hold |= word << self.count;
                self.at += bytes as usize;
                self.count += bytes * 8;
            }
            return;
        }
        while self.count <= 56 && self.at < self.data.len() {
            self.hold |= u64::from(self.data[self.at]) << self.count;
            self.at += 1;
            self.count += 8;
        }
    }

    /// The next bits, zero behind the end.
    #[inline]
    pub fn peek(&mut self, bits: u32) -> u32 {
        if self.count < bits {
            self.fill();
        }
        (self.hold & ((1 << bits) - 1)) as u32
    }

    /// None at the end.
    #[inline]
    pub fn take(&mut self, bits: u32) -> Option<u32> {
        let found = self.peek(bits);
        self.skip(bits).then_some(found)
    }

    /// False at the end.
    #[inline]
    pub fn skip(&mut self, bits: u32) -> bool {
        if self.count < bits {
            return false;
        }
        self.count -= bits;
        self.hold >>= bits;
        true
    }

    /// The bits up to the next whole byte.
    pub fn padding(&self) -> u32 {
        self.count % 8
    }
}

#[derive(Default)]
pub struct BitWriter {
    pub out: Vec<u8>,
    hold: u64,
    count: u32,
}

impl BitWriter {
    /// At most 32 bits.
    #[inline]
    pub fn put(&mut self, value: u32, bits: u32) {
        self.hold |= u64::from(value) << self.count;
        self.count += bits;
        if self.count >= 32 {
            self.out.extend_from_slice(&(self.hold as u32).to_le_bytes());
            self.hold >>= 32;
            self.count -= 32;
        }
    }

    pub fn align(&mut self) {
        while self.count > 0 {
            self.out.push(self.hold as u8);
            self.hold >>= 8;
            self.count = self.count.saturating_sub(8);
        }
    }
}
