//! What the decoder is told of two ELF files, and the fields with addresses that follow from it.
//!
//! The rules are those of `airlock/core/relocation.py`, to the bit; its docstring has them.

use super::Fault;
use super::numbers::Numbers;

const MOST: u64 = 1 << 48;
pub const LOADS: usize = 64;
pub const REGIONS: usize = 64;
/// Last opcode bytes of instructions whose operand may be relative to the instruction pointer.
const OPCODES: [u8; 75] = [
    0x01, 0x03, 0x08, 0x09, 0x0b, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x21, 0x23, 0x28, 0x29, 0x2a, 0x2b,
    0x2c, 0x2d, 0x2e, 0x2f, 0x31, 0x33, 0x38, 0x39, 0x3a, 0x3b, 0x40, 0x51, 0x54, 0x57, 0x58, 0x59, 0x5a, 0x5c, 0x5e,
    0x63, 0x6e, 0x6f, 0x7e, 0x7f, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0xb0, 0xb1,
    0xb6, 0xb7, 0xbe, 0xbf, 0xc1, 0xc6, 0xc7, 0xd1, 0xd6, 0xdb, 0xeb, 0xef, 0xf6, 0xf7, 0xfe, 0xff, 0x50, 0xe6,
];

#[derive(Clone, Copy, Default, PartialEq)]
pub struct Load {
    pub address: u64,
    pub offset: u64,
    pub file: u64,
    pub memory: u64,
    pub code: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Code,
    Relocations,
    Symbols,
    Pointers,
    FrameTable,
    Frames,
    Constants,
}

#[derive(Clone, Copy)]
pub struct Region {
    pub kind: Kind,
    pub start: usize,
    pub size: usize,
    pub address: u64,
    /// Where it went; told of the frame table alone.
    pub new_address: u64,
}

/// How both files lie in memory, and what is where in the old one.
pub struct Layout {
    pub old: Vec<Load>,
    pub new: Vec<Load>,
    pub regions: Vec<Region>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Relative {
    /// The field is the address.
    Nothing,
    /// To the field's own place.
    Site,
    /// To the end of the field.
    End,
    /// To an address that is told.
    Told,
    /// To a table that something points to.
    Table,
}

#[derive(Clone, Copy)]
pub struct Field {
    pub at: u32,
    pub relative: Relative,
    pub target: u64,
    /// Of the table, or what is told.
    pub origin: u64,
}

impl Field {
    pub fn width(&self) -> usize {
        if self.relative == Relative::Nothing { 8 } else { 4 }
    }
}

impl Layout {
    pub fn parse(data: &[u8], size: usize) -> Result<Layout, Fault> {
        let mut numbers = Numbers::new(data);
        let mut layout = Layout { old: loads(&mut numbers)?, new: loads(&mut numbers)?, regions: Vec::new() };
        let mut end = 0;
        for _ in 0..numbers.within(REGIONS)? {
            let kind = kind(numbers.next()?)?;
            let start = end + numbers.within(size - end)?;
            let region = Region {
                kind,
                start,
                size: numbers.within(size - start)?,
                address: address(&mut numbers)?,
                new_address: address(&mut numbers)?,
            };
            end = start + region.size;
            layout.regions.push(region);
        }
        if numbers.ended() { Ok(layout) } else { Err(Fault("a layout has something behind it")) }
    }

    /// All fields of the old file, in order, none over another.
    pub fn fields(&self, old: &[u8]) -> Vec<Field> {
        let mut out = Vec::new();
        let mut tables = Vec::new();
        let loads = &self.old;
        for region in &self.regions {
            match region.kind {
                Kind::Code => code(old, region, loads, &mut out, &mut tables),
                Kind::Relocations => rows(old, region, 24, &[0, 16], loads, &mut out),
                Kind::Symbols => rows(old, region, 24, &[8], loads, &mut out),
                Kind::Pointers => rows(old, region, 8, &[0], loads, &mut out),
                Kind::FrameTable => frame_table(old, region, loads, &mut out),
                Kind::Frames => frames(old, region, loads, &mut out),
                Kind::Constants => {}
            }
        }
        tables.sort_unstable();
        tables.dedup();
        for region in self.regions.iter().filter(|region| region.kind == Kind::Constants) {
            jump_tables(old, region, &tables, loads, &mut out);
        }
        out.sort_by_key(|field| field.at);
        let mut end = 0;
        out.retain(|field| {
            let keep = field.at as usize >= end;
            if keep {
                end = field.at as usize + field.width();
            }
            keep
        });
        out
    }
}

fn address(numbers: &mut Numbers) -> Result<u64, Fault> {
    match numbers.next()? {
        number if number < MOST => Ok(number),
        _ => Err(Fault("an address is too large")),
    }
}

fn loads(numbers: &mut Numbers) -> Result<Vec<Load>, Fault> {
    (0..numbers.within(LOADS)?)
        .map(|_| {
            Ok(Load {
                address: address(numbers)?,
                offset: address(numbers)?,
                file: address(numbers)?,
                memory: address(numbers)?,
                code: numbers.within(1)? == 1,
            })
        })
        .collect()
}

pub const KINDS: [Kind; 7] =
    [Kind::Code, Kind::Relocations, Kind::Symbols, Kind::Pointers, Kind::FrameTable, Kind::Frames, Kind::Constants];

fn kind(number: u64) -> Result<Kind, Fault> {
    KINDS.get(number as usize).copied().ok_or(Fault("an unknown kind of region"))
}

pub fn address_of(offset: u64, loads: &[Load]) -> Option<u64> {
    let load = loads.iter().find(|load| offset >= load.offset && offset - load.offset < load.file)?;
    Some(offset - load.offset + load.address)
}

pub fn load_of(address: u64, loads: &[Load]) -> Option<&Load> {
    loads.iter().find(|load| address >= load.address && address - load.address < load.memory)
}

fn inside(target: i64, loads: &[Load]) -> bool {
    target > 0 && load_of(target as u64, loads).is_some()
}

fn in_code(target: i64, loads: &[Load]) -> bool {
    target > 0 && load_of(target as u64, loads).is_some_and(|load| load.code)
}

pub fn word(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

pub fn long(data: &[u8], at: usize) -> u64 {
    u64::from(word(data, at)) | u64::from(word(data, at + 4)) << 32
}

fn relative(data: &[u8], at: usize) -> i64 {
    i64::from(word(data, at) as i32)
}

fn code(old: &[u8], region: &Region, loads: &[Load], out: &mut Vec<Field>, tables: &mut Vec<u64>) {
    let mut operand = [false; 256];
    OPCODES.iter().for_each(|opcode| operand[usize::from(*opcode)] = true);
    let end = region.start + region.size;
    let mut i = region.start;
    while i + 6 <= end {
        let (first, second) = (old[i], old[i + 1]);
        let (at, data) = match first {
            0xe8 | 0xe9 => (i + 1, false),
            0x0f if second & 0xf0 == 0x80 => (i + 2, false),
            _ if operand[usize::from(first)] && second & 0xc7 == 0x05 => (i + 2, true),
            _ => {
                i += 1;
                continue;
            }
        };
        let target = (region.address + (at - region.start) as u64 + 4) as i64 + relative(old, at);
        if if data { inside(target, loads) } else { in_code(target, loads) } {
            if data && first == 0x8d {
                tables.push(target as u64);
            }
            out.push(Field { at: at as u32, relative: Relative::End, target: target as u64, origin: 0 });
            i = at + 4;
        } else {
            i += 1;
        }
    }
}

fn rows(old: &[u8], region: &Region, size: usize, columns: &[usize], loads: &[Load], out: &mut Vec<Field>) {
    for row in 0..region.size / size {
        for column in columns {
            let at = region.start + row * size + column;
            let target = long(old, at);
            if target < MOST && inside(target as i64, loads) {
                out.push(Field { at: at as u32, relative: Relative::Nothing, target, origin: 0 });
            }
        }
    }
}

fn frame_table(old: &[u8], region: &Region, loads: &[Load], out: &mut Vec<Field>) {
    for entry in 3..region.size / 4 {
        let at = region.start + entry * 4;
        let target = region.address as i64 + relative(old, at);
        if inside(target, loads) {
            let origin = region.new_address;
            out.push(Field { at: at as u32, relative: Relative::Told, target: target as u64, origin });
        }
    }
}

fn frames(old: &[u8], region: &Region, loads: &[Load], out: &mut Vec<Field>) {
    let end = region.start + region.size;
    let mut place = region.start;
    while place + 12 <= end {
        let length = word(old, place);
        if length == 0 || length == u32::MAX {
            return;
        }
        let at = place + 8;
        let target = (region.address + (at - region.start) as u64) as i64 + relative(old, at);
        if word(old, place + 4) != 0 && inside(target, loads) {
            out.push(Field { at: at as u32, relative: Relative::Site, target: target as u64, origin: 0 });
        }
        place += 4 + length as usize;
    }
}

fn jump_tables(old: &[u8], region: &Region, tables: &[u64], loads: &[Load], out: &mut Vec<Field>) {
    let end = region.address + region.size as u64;
    let first = tables.partition_point(|table| *table < region.address);
    for (number, table) in tables.iter().enumerate().skip(first) {
        let stop = tables.get(number + 1).copied().unwrap_or(end).min(end);
        if table % 4 != 0 {
            continue;
        }
        let mut entry = *table;
        while entry + 4 <= stop {
            let at = region.start + (entry - region.address) as usize;
            let target = *table as i64 + relative(old, at);
            if !in_code(target, loads) {
                break;
            }
            out.push(Field { at: at as u32, relative: Relative::Table, target: target as u64, origin: *table });
            entry += 4;
        }
    }
}
