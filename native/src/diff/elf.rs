//! What the encoder reads of ELF files (64 bit, little-endian, x86-64). Whatever is odd in one makes it no ELF.

use super::layout::{KINDS, Kind, LOADS, Load, REGIONS};
use super::numbers::push;

const X86_64: u64 = 62;
const LOAD: u64 = 1;
const CODE_SEGMENT: u64 = 1;
const CODE_SECTION: u64 = 4;
const RELA: u64 = 4;
const NOTHING: u64 = 8;
const SYMBOLS: [u64; 2] = [2, 11];
const MOST: u64 = 1 << 48;
/// Bytes of a section's name that are looked at.
const NAME: usize = 32;
const POINTERS: [&[u8]; 7] =
    [b".init_array", b".fini_array", b".data.rel.ro", b".got", b".got.plt", b".data", b".dynamic"];

struct Section {
    kind: Kind,
    address: u64,
    start: u64,
    size: u64,
}

struct Elf {
    loads: Vec<Load>,
    sections: Vec<Section>,
}

/// The layout that tells a decoder what to expect of `new`; None where these are not two ELF files.
pub fn layout(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let (before, after) = (parse(old)?, parse(new)?);
    let frame_table =
        after.sections.iter().find(|section| section.kind == Kind::FrameTable).map(|section| section.address);
    let mut out = Vec::new();
    for loads in [&before.loads, &after.loads] {
        push(&mut out, loads.len() as u64);
        for load in loads {
            [load.address, load.offset, load.file, load.memory, u64::from(load.code)]
                .iter()
                .for_each(|number| push(&mut out, *number));
        }
    }
    let (mut count, mut regions, mut end) = (0, Vec::new(), 0);
    for section in before.sections {
        if section.start < end || count == REGIONS {
            continue;
        }
        push(&mut regions, KINDS.iter().position(|kind| *kind == section.kind)? as u64);
        push(&mut regions, section.start - end);
        push(&mut regions, section.size);
        push(&mut regions, section.address);
        push(&mut regions, if section.kind == Kind::FrameTable { frame_table.unwrap_or(0) } else { 0 });
        (count, end) = (count + 1, section.start + section.size);
    }
    push(&mut out, count as u64);
    out.extend(regions);
    Some(out)
}

fn number(data: &[u8], at: u64, width: usize) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let bytes = data.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn bounded(data: &[u8], at: u64) -> Option<u64> {
    number(data, at, 8).filter(|number| *number < MOST)
}

fn parse(data: &[u8]) -> Option<Elf> {
    if data.get(..6)? != b"\x7fELF\x02\x01" || number(data, 18, 2)? != X86_64 {
        return None;
    }
    let loads = loads(data)?;
    let sections = sections(data)?;
    Some(Elf { loads, sections }).filter(|elf| !elf.loads.is_empty() && elf.loads.len() <= LOADS)
}

fn loads(data: &[u8]) -> Option<Vec<Load>> {
    let start = bounded(data, 32)?;
    let mut loads = Vec::new();
    for header in (0..number(data, 56, 2)?).map(|i| start + i * 56) {
        if number(data, header, 4)? == LOAD {
            loads.push(Load {
                address: bounded(data, header + 16)?,
                offset: bounded(data, header + 8)?,
                file: bounded(data, header + 32)?,
                memory: bounded(data, header + 40)?,
                code: number(data, header + 4, 4)? & CODE_SEGMENT != 0,
            });
        }
    }
    Some(loads)
}

fn sections(data: &[u8]) -> Option<Vec<Section>> {
    let start = bounded(data, 40)?;
    let names = bounded(data, start + number(data, 62, 2)? * 64 + 24)?;
    let mut sections = Vec::new();
    for header in (0..number(data, 60, 2)?).map(|i| start + i * 64) {
        let (kind, flags) = (number(data, header + 4, 4)?, number(data, header + 8, 8)?);
        let name = (names + number(data, header, 4)?) as usize;
        let name = data.get(name..)?;
        let name = name[..name.len().min(NAME)].split(|byte| *byte == 0).next()?;
        let (address, start) = (bounded(data, header + 16)?, bounded(data, header + 24)?);
        let size = bounded(data, header + 32)?;
        if let Some(kind) = kind_of(kind, flags, name).filter(|_| start + size <= data.len() as u64) {
            sections.push(Section { kind, address, start, size });
        }
    }
    sections.sort_by_key(|section| section.start);
    Some(sections)
}

fn kind_of(kind: u64, flags: u64, name: &[u8]) -> Option<Kind> {
    match name {
        _ if kind == NOTHING => None,
        _ if flags & CODE_SECTION != 0 => Some(Kind::Code),
        _ if kind == RELA => Some(Kind::Relocations),
        _ if SYMBOLS.contains(&kind) => Some(Kind::Symbols),
        b".eh_frame_hdr" => Some(Kind::FrameTable),
        b".eh_frame" => Some(Kind::Frames),
        b".rodata" => Some(Kind::Constants),
        _ if POINTERS.contains(&name) => Some(Kind::Pointers),
        _ => None,
    }
}
