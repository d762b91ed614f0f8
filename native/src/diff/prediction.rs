//! Where old addresses went, as the blocks of a change tell and as what was decoded so far has taught.

use super::Block;
use super::layout::{Field, Layout, Relative, address_of, load_of, long, word};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

pub struct Map<'a> {
    layout: &'a Layout,
    size: usize,
    starts: Vec<u32>,
    shifts: Vec<i64>,
    learned: HashMap<u64, u64>,
}

impl<'a> Map<'a> {
    /// Of all blocks over an old byte the longest tells, of those the first in the new file; where none is, the one before.
    pub fn new(layout: &'a Layout, size: usize, blocks: &[Block]) -> Self {
        let mut order: Vec<&Block> = blocks.iter().collect();
        order.sort_by_key(|block| (block.old, block.new));
        let mut marks: Vec<usize> = blocks.iter().flat_map(|block| [block.old, block.old + block.len]).collect();
        marks.sort_unstable();
        marks.dedup();
        let mut map = Map { layout, size, starts: vec![], shifts: vec![], learned: HashMap::new() };
        let mut active: BinaryHeap<(usize, Reverse<usize>, usize)> = BinaryHeap::new();
        let mut coming = order.into_iter().peekable();
        for mark in marks {
            while let Some(block) = coming.next_if(|block| block.old == mark) {
                active.push((block.len, Reverse(block.new), block.old));
            }
            while active.peek().is_some_and(|(len, _, old)| old + len <= mark) {
                active.pop();
            }
            if let Some((_, Reverse(new), old)) = active.peek() {
                map.add(mark, *new as i64 - *old as i64);
            }
        }
        map
    }

    fn add(&mut self, start: usize, shift: i64) {
        if self.shifts.last() != Some(&shift) {
            self.starts.push(start as u32);
            self.shifts.push(shift);
        }
    }

    fn moved(&self, target: u64) -> u64 {
        let Some(load) = load_of(target, &self.layout.old).filter(|load| load.file > 0) else { return target };
        let within = (target - load.address).min(load.file - 1);
        let place = (load.offset + within) as i64;
        if place >= self.size as i64 || self.starts.is_empty() {
            return target;
        }
        let segment = self.starts.partition_point(|start| i64::from(*start) <= place).max(1) - 1;
        let there = place + self.shifts[segment];
        match address_of(there.max(0) as u64, &self.layout.new) {
            Some(address) if there >= 0 => address + (target - load.address - within),
            _ => target,
        }
    }

    pub fn get(&self, target: u64) -> u64 {
        self.learned.get(&target).copied().unwrap_or_else(|| self.moved(target))
    }

    /// What is expected in `field`, whose place in the new file is `at`; None where that is not in memory.
    pub fn expected(&self, field: &Field, at: usize) -> Option<u64> {
        let target = self.get(field.target);
        let origin = match field.relative {
            Relative::Nothing => return Some(target),
            Relative::Site => address_of(at as u64, &self.layout.new)?,
            Relative::End => address_of(at as u64, &self.layout.new)? + 4,
            Relative::Told => field.origin,
            Relative::Table => self.get(field.origin),
        };
        Some(target.wrapping_sub(origin) & 0xffff_ffff)
    }

    /// A field was `error` more than expected, modulo its width.
    pub fn learn(&mut self, field: &Field, error: i64) {
        let target = self.get(field.target).wrapping_add(error as u64);
        self.learned.insert(field.target, target);
    }
}

/// What a field of `data` holds.
pub fn value(data: &[u8], at: usize, width: usize) -> u64 {
    if width == 8 { long(data, at) } else { u64::from(word(data, at)) }
}
