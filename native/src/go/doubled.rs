//! klauspost/compress at level 5, its default, since 1.15.10: of each hash of four bytes one earlier place, of seven bytes two.

use crate::matcher::common;
use crate::parser::Token;

const WINDOW: i32 = 1 << 15;
const LONGEST: usize = 258;
const SHORTEST: usize = 3;
const HASH_BITS: u32 = 15;
/// Bytes at the end of a block in which no match begins.
const MARGIN: usize = 11;
/// Bytes that are kept at most; when there are more, all but a window of them go.
const HISTORY: usize = 5 * 65535;
/// A match of so many bytes is good enough.
const GOOD: usize = 30;
/// Bytes at its beginning in which a match may be worse than the one that is found by its end.
const WORSE: usize = 2;
const NOWHERE: i32 = -2 * WINDOW;

pub struct Doubled {
    data: Vec<u8>,
    /// Where in the content `data` begins.
    moved: i32,
    short: Box<[i32]>,
    /// The last place and the one before.
    long: Box<[[i32; 2]]>,
    pub tokens: Vec<Token>,
}

struct Match {
    at: usize,
    there: usize,
    length: usize,
}

impl Doubled {
    pub fn new() -> Self {
        Self {
            data: Vec::with_capacity(HISTORY),
            moved: 0,
            short: vec![NOWHERE; 1 << HASH_BITS].into(),
            long: vec![[NOWHERE; 2]; 1 << HASH_BITS].into(),
            tokens: Vec::new(),
        }
    }

    pub fn reset(&mut self) {
        self.data.clear();
        self.moved = 0;
        self.short.fill(NOWHERE);
        self.long.fill([NOWHERE; 2]);
    }

    /// Its tokens; none at all where there is no match.
    pub fn find(&mut self, block: &[u8]) {
        self.tokens.clear();
        if self.data.len() + block.len() > HISTORY {
            let gone = self.data.len() - WINDOW as usize;
            self.data.drain(..gone);
            self.moved += gone as i32;
        }
        let mut at = self.data.len();
        self.data.extend_from_slice(block);
        if block.len() < MARGIN + 2 {
            return;
        }
        let (mut done, limit) = (at, self.data.len() - MARGIN);
        while let Some((mut found, next)) = self.next_match(at, done, limit) {
            self.better_by_its_end(&mut found, limit);
            let Match { at: mut start, mut there, mut length } = found;
            while there > 0 && start > done && self.data[there - 1] == self.data[start - 1] {
                (start, there, length) = (start - 1, there - 1, length + 1);
            }
            self.tokens.extend(self.data[done..start].iter().map(|&byte| Token::literal(byte)));
            self.push_match(length, start - there);
            done = start + length;
            at = if next >= done { next + 1 } else { done };
            if at >= limit {
                break;
            }
            self.insert_between(at - length + 1, at - 1);
            self.insert(at - 1);
        }
        if !self.tokens.is_empty() {
            self.tokens.extend(self.data[done..].iter().map(|&byte| Token::literal(byte)));
        }
    }

    #[inline]
    fn eight(&self, at: usize) -> u64 {
        self.data[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
    }

    #[inline]
    fn same_four(&self, four: u64, there: usize) -> bool {
        self.data[there..].first_chunk().is_some_and(|other| u32::from_le_bytes(*other) == four as u32)
    }

    /// Where in `data` a place is, if it is near enough.
    #[inline]
    fn near(&self, at: usize, place: i32) -> Option<usize> {
        let there = place - self.moved;
        (at as i32 - there < WINDOW).then_some(there as usize)
    }

    /// The same, where the same four bytes stand.
    #[inline]
    fn candidate(&self, at: usize, eight: u64, place: i32) -> Option<usize> {
        self.near(at, place).filter(|&there| self.same_four(eight, there))
    }

    #[inline]
    fn push_long(&mut self, eight: u64, at: usize) {
        let [last, before] = &mut self.long[hash_of_seven(eight)];
        *before = std::mem::replace(last, at as i32 + self.moved);
    }

    #[inline]
    fn push_short(&mut self, eight: u64, at: usize) {
        self.short[hash_of_four(eight)] = at as i32 + self.moved;
    }

    #[inline]
    fn insert(&mut self, at: usize) {
        let eight = self.eight(at);
        self.push_short(eight, at);
        self.push_long(eight, at);
    }

    /// Some of the places between two, the second not included.
    fn insert_between(&mut self, from: usize, to: usize) {
        if from >= to {
            return;
        }
        let eight = self.eight(from);
        self.push_short(eight, from);
        self.push_long(eight, from);
        self.push_long(eight >> 8, from + 1);
        self.push_short(eight >> 16, from + 2);
        for at in (from + 4..to).step_by(3) {
            let eight = self.eight(at);
            self.push_long(eight, at);
            self.push_short(eight >> 8, at + 1);
        }
    }

    #[inline]
    fn length(&self, at: usize, there: usize, most: usize) -> usize {
        let end = self.data.len().min(at.saturating_add(most));
        common(&self.data[at..end], &self.data[there..])
    }

    /// The next match, and the place that was to be looked at behind it.
    #[inline]
    fn next_match(&mut self, from: usize, done: usize, limit: usize) -> Option<(Match, usize)> {
        let mut at = from;
        let mut eight = self.eight(at);
        loop {
            let next = at + 1 + ((at - done) >> 6);
            if next > limit {
                return None;
            }
            let near = self.short[hash_of_four(eight)];
            let [last, before] = self.long[hash_of_seven(eight)];
            let following = self.eight(next);
            self.push_short(eight, at);
            self.push_long(eight, at);
            let long = self.long_match(at, eight, last, before);
            if let Some(found) = long {
                self.insert(next);
                return Some((found, next));
            }
            if let Some(there) = self.candidate(at, eight, near) {
                let length = self.length(at, there, LONGEST);
                let places = self.long[hash_of_seven(following)];
                self.insert(next);
                let mut found = Match { at, there, length };
                // The place that is next may have a longer one.
                if self.near(next, places[0]).is_some() {
                    for place in places {
                        let Some(there) = self.candidate(next, following, place) else { continue };
                        let longer = self.length(next, there, LONGEST);
                        if longer > length {
                            found = Match { at: next, there, length: longer };
                            break;
                        }
                    }
                }
                if found.length == LONGEST {
                    found.length = self.length(found.at, found.there, usize::MAX);
                }
                return Some((found, next));
            }
            (at, eight) = (next, following);
        }
    }

    /// The match at one of two places with the same hash of seven bytes.
    #[inline]
    fn long_match(&self, at: usize, eight: u64, last: i32, before: i32) -> Option<Match> {
        self.near(at, last)?;
        let whole = |there| Match { at, there, length: self.length(at, there, usize::MAX) };
        match (self.candidate(at, eight, last), self.candidate(at, eight, before)) {
            (None, None) => None,
            (Some(there), None) | (None, Some(there)) => Some(whole(there)),
            (Some(one), Some(other)) => {
                let (first, second) = (self.length(at, one, LONGEST), self.length(at, other, LONGEST));
                let (there, length) = if second > first { (other, second) } else { (one, first) };
                Some(if length == LONGEST { whole(there) } else { Match { at, there, length } })
            }
        }
    }

    /// Looks for a longer match by what follows the one that was found.
    #[inline]
    fn better_by_its_end(&self, found: &mut Match, limit: usize) {
        let end = found.at + found.length;
        if found.length >= GOOD || end >= limit {
            return;
        }
        let at = found.at + WORSE;
        let place = self.long[hash_of_seven(self.eight(end))][0];
        let there = i64::from(place) - i64::from(self.moved) - found.length as i64 + WORSE as i64;
        let distance = at as i64 - there;
        if there < 0 || distance <= 0 || distance >= i64::from(WINDOW) {
            return;
        }
        let length = self.length(at, there as usize, usize::MAX);
        if length > found.length {
            *found = Match { at, there: there as usize, length };
        }
    }

    /// In pieces that deflate can say.
    fn push_match(&mut self, mut length: usize, distance: usize) {
        while length > 0 {
            let piece = match length {
                ..=LONGEST => length,
                _ if length > LONGEST + SHORTEST => LONGEST,
                _ => LONGEST - SHORTEST,
            };
            self.tokens.push(Token::new(piece as u16, distance as u16));
            length -= piece;
        }
    }
}

#[inline]
fn hash_of_four(eight: u64) -> usize {
    ((eight as u32).wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)) as usize
}

#[inline]
fn hash_of_seven(eight: u64) -> usize {
    ((eight << 8).wrapping_mul(58_295_818_150_454_627) >> (64 - HASH_BITS)) as usize
}
