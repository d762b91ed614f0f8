//! One changed piece: blocks of the old one with differences, new bytes between them.
//!
//! The format is that of `airlock/core/change.py`; its docstring has it.

use super::layout::{Field, Layout};
use super::numbers::{Numbers, push, zigzag};
use super::prediction::{Map, value};
use super::{Block, Fault};

pub const PARTS: usize = 10;
/// Encoded: inserted, moved, added, same, different, diff, extra, layout, right, wrong.
pub type Parts<'a> = [&'a [u8]; PARTS];

pub fn decode(old: &[u8], length: usize, parts: &Parts) -> Result<Vec<u8>, Fault> {
    let [inserted, moved, added, same, different, diff, extra, layout, right, wrong] = *parts;
    let blocks = blocks(old.len(), length, [inserted, moved, added])?;
    // Before memory is taken. Blocks do not overlap, so that their sum is no more than `length`.
    if blocks.iter().map(|block| block.len).sum::<usize>().checked_add(extra.len()) != Some(length) {
        return Err(Fault("too few new bytes, or more than there is room for"));
    }
    let mut new = vec![0; length];
    copy(&mut new, old, &blocks, extra)?;
    if layout.is_empty() {
        if !right.is_empty() || !wrong.is_empty() {
            return Err(Fault("fields without a layout"));
        }
    } else {
        let layout = Layout::parse(layout, old.len())?;
        let fields = layout.fields(old);
        predict(&mut new, &fields, &blocks, Map::new(&layout, old.len(), &blocks), right, wrong)?;
    }
    add(&mut new, &blocks, [same, different, diff])?;
    Ok(new)
}

fn blocks(old: usize, new: usize, [inserted, moved, added]: [&[u8]; 3]) -> Result<Vec<Block>, Fault> {
    let (mut inserted, mut moved, mut added) = (Numbers::new(inserted), Numbers::new(moved), Numbers::new(added));
    let mut out = Vec::new();
    let (mut end, mut place) = (0usize, 0usize);
    while !added.ended() {
        end += inserted.within(new - end)?;
        let start = place as i64 + moved.signed()?.clamp(-(1 << 40), 1 << 40);
        if start < 0 || start > old as i64 {
            return Err(Fault("a block outside the base"));
        }
        let len = added.within((new - end).min(old - start as usize))?;
        if len == 0 {
            return Err(Fault("a block of nothing"));
        }
        out.push(Block { old: start as usize, new: end, len });
        end += len;
        place = start as usize + len;
    }
    if inserted.ended() && moved.ended() { Ok(out) } else { Err(Fault("numbers that no block asks for")) }
}

fn copy(new: &mut [u8], old: &[u8], blocks: &[Block], extra: &[u8]) -> Result<(), Fault> {
    let (mut end, mut rest) = (0, extra);
    for block in blocks {
        rest = fill(&mut new[end..block.new], rest)?;
        new[block.new..block.new + block.len].copy_from_slice(&old[block.old..block.old + block.len]);
        end = block.new + block.len;
    }
    rest = fill(&mut new[end..], rest)?;
    if rest.is_empty() { Ok(()) } else { Err(Fault("more new bytes than there is room for")) }
}

fn fill<'a>(gap: &mut [u8], source: &'a [u8]) -> Result<&'a [u8], Fault> {
    let (taken, rest) = source.split_at_checked(gap.len()).ok_or(Fault("too few new bytes"))?;
    gap.copy_from_slice(taken);
    Ok(rest)
}

/// The fields that lie wholly in a block.
fn within<'a>(fields: &'a [Field], block: &Block) -> impl Iterator<Item = &'a Field> {
    let end = block.old + block.len;
    let first = fields.partition_point(|field| (field.at as usize) < block.old);
    fields[first..].iter().take_while(move |field| field.at as usize + field.width() <= end)
}

fn predict(
    new: &mut [u8],
    fields: &[Field],
    blocks: &[Block],
    mut map: Map,
    right: &[u8],
    wrong: &[u8],
) -> Result<(), Fault> {
    let (mut right, mut wrong) = (Numbers::new(right), Numbers::new(wrong));
    let mut left = right.next()?;
    for block in blocks {
        for field in within(fields, block) {
            let at = field.at as usize - block.old + block.new;
            let Some(mut expected) = map.expected(field, at) else { continue };
            if left == 0 {
                let error = wrong.signed()?;
                map.learn(field, error);
                expected = expected.wrapping_add(error as u64);
                left = right.next()?;
            } else {
                left -= 1;
            }
            new[at..at + field.width()].copy_from_slice(&expected.to_le_bytes()[..field.width()]);
        }
    }
    if left == 0 && right.ended() && wrong.ended() { Ok(()) } else { Err(Fault("more fields than there are")) }
}

/// Adds the differences to the bytes of all blocks, as runs: so many as they are, so many with one of `diff` each.
fn add(new: &mut [u8], blocks: &[Block], [same, different, diff]: [&[u8]; 3]) -> Result<(), Fault> {
    let (mut same, mut different, mut diff) = (Numbers::new(same), Numbers::new(different), diff.iter());
    let (mut number, mut at) = (0, 0);
    while !same.ended() {
        let mut skip = same.next()?;
        while number < blocks.len() && skip >= (blocks[number].len - at) as u64 {
            skip -= (blocks[number].len - at) as u64;
            (number, at) = (number + 1, 0);
        }
        at += if number < blocks.len() { skip as usize } else { 0 };
        for _ in 0..different.next()? {
            let block = blocks.get(number).ok_or(Fault("differences outside every block"))?;
            let byte = diff.next().ok_or(Fault("too few differences"))?;
            let place = block.new + at;
            new[place] = new[place].wrapping_add(*byte);
            at += 1;
            if at == block.len {
                (number, at) = (number + 1, 0);
            }
        }
    }
    if different.ended() && diff.next().is_none() { Ok(()) } else { Err(Fault("differences that nothing asks for")) }
}

pub fn encode(
    old: &[u8],
    new: &[u8],
    blocks: &[Block],
    relocation: Option<(&Layout, &[u8], &[Field])>,
) -> [Vec<u8>; PARTS] {
    let mut parts: [Vec<u8>; PARTS] = Default::default();
    let (mut place, mut end) = (0, 0);
    for block in blocks {
        push(&mut parts[0], (block.new - end) as u64);
        push(&mut parts[1], zigzag(block.old as i64 - place));
        push(&mut parts[2], block.len as u64);
        parts[6].extend_from_slice(&new[end..block.new]);
        (place, end) = ((block.old + block.len) as i64, block.new + block.len);
    }
    parts[6].extend_from_slice(&new[end..]);
    let mut expected = vec![0; new.len()];
    for block in blocks {
        expected[block.new..block.new + block.len].copy_from_slice(&old[block.old..block.old + block.len]);
    }
    if let Some((layout, data, fields)) = relocation {
        parts[7].extend_from_slice(data);
        let map = Map::new(layout, old.len(), blocks);
        (parts[8], parts[9]) = errors(new, &mut expected, fields, blocks, map);
    }
    differences(new, &expected, blocks, &mut parts);
    parts
}

/// How many fields were expected rightly between two that were not, and what those two were wrong by.
fn errors(new: &[u8], expected: &mut [u8], fields: &[Field], blocks: &[Block], mut map: Map) -> (Vec<u8>, Vec<u8>) {
    let (mut right, mut wrong, mut run) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        for field in within(fields, block) {
            let (at, width) = (field.at as usize - block.old + block.new, field.width());
            let Some(guess) = map.expected(field, at) else { continue };
            let error = value(new, at, width).wrapping_sub(guess);
            let error = if width == 8 { error as i64 } else { i64::from(error as u32 as i32) };
            // A number has 63 bits; a field that is off by more is left to the differences.
            if error == 0 || error.unsigned_abs() >> 61 != 0 {
                run += 1;
                expected[at..at + width].copy_from_slice(&guess.to_le_bytes()[..width]);
                continue;
            }
            push(&mut right, run);
            push(&mut wrong, zigzag(error));
            run = 0;
            map.learn(field, error);
            expected[at..at + width].copy_from_slice(&new[at..at + width]);
        }
    }
    push(&mut right, run);
    (right, wrong)
}

fn differences(new: &[u8], expected: &[u8], blocks: &[Block], parts: &mut [Vec<u8>; PARTS]) {
    /// So many equal bytes are worth a pair of numbers.
    const WORTH: usize = 4;
    let (mut same, mut run, mut equal) = (0u64, Vec::new(), 0);
    let mut flush = |same: &mut u64, run: &mut Vec<u8>, equal: &mut usize| {
        run.truncate(run.len() - *equal);
        if !run.is_empty() {
            push(&mut parts[3], *same);
            push(&mut parts[4], run.len() as u64);
            parts[5].extend_from_slice(run);
            run.clear();
            *same = 0;
        }
        *same += *equal as u64;
        *equal = 0;
    };
    for block in blocks {
        for at in block.new..block.new + block.len {
            let difference = new[at].wrapping_sub(expected[at]);
            if difference == 0 && run.is_empty() {
                same += 1;
                continue;
            }
            run.push(difference);
            equal = if difference == 0 { equal + 1 } else { 0 };
            if equal == WORTH {
                flush(&mut same, &mut run, &mut equal);
            }
        }
    }
    flush(&mut same, &mut run, &mut equal);
}
