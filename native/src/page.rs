//! Pages of a simple index (PEP 691), cut to the rows that somebody can have a use for: of ten rows nine are for other machines.

use std::collections::{HashMap, HashSet};
use std::str::from_utf8;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zlib_rs::{Inflate, InflateFlush, Status};

const DEPTH: usize = 64;
/// As in `releases`.
const MOST_TAGS: usize = 256;
const GZIP: u8 = 31;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<RowFilter>()
}

#[pyclass(frozen)]
struct RowFilter {
    tags: HashSet<Vec<u8>>,
}

#[pymethods]
impl RowFilter {
    #[new]
    fn new(tags: Vec<String>) -> Self {
        Self { tags: tags.into_iter().map(String::into_bytes).collect() }
    }

    /// The page without the rows that are of no use, and whether it had any; None for a page that is odd in any way.
    fn cut<'py>(
        &self,
        py: Python<'py>,
        body: &Bound<'py, PyBytes>,
        gzipped: bool,
        limit: usize,
        sdists: bool,
    ) -> Option<(Bound<'py, PyBytes>, bool)> {
        let body = body.as_bytes();
        let found = py.detach(|| {
            if gzipped { self.shortened(&unpacked(body, limit)?, sdists) } else { self.shortened(body, sdists) }
        });
        found.map(|(page, any)| (PyBytes::new(py, &page), any))
    }
}

/// One member of gzip, of at most `limit` bytes.
fn unpacked(body: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut stream = Inflate::new(true, GZIP);
    let mut found = vec![0; (body.len() * 8).min(limit) + 1];
    loop {
        let (read, written) = (stream.total_in() as usize, stream.total_out() as usize);
        match stream.decompress(&body[read..], &mut found[written..], InflateFlush::NoFlush).ok()? {
            Status::StreamEnd if stream.total_in() as usize == body.len() => {
                found.truncate(stream.total_out() as usize);
                return (found.len() <= limit).then_some(found);
            }
            Status::StreamEnd => return None,
            _ if stream.total_out() as usize == found.len() && found.len() <= limit => {
                let size = (found.len() * 2).min(limit + 1);
                found.resize(size, 0);
            }
            _ if stream.total_in() as usize == read && stream.total_out() as usize == written => return None,
            _ => {}
        }
    }
}

impl RowFilter {
    fn shortened(&self, page: &[u8], sdists: bool) -> Option<(Vec<u8>, bool)> {
        from_utf8(page).ok()?;
        let mut scanner = Scanner { data: page, at: 0 };
        let mut cut = None;
        scanner.members(|scanner, key, escaped| {
            if escaped || (key == b"files" && cut.is_some()) {
                return None;
            }
            if key == b"files" {
                cut = Some(self.rows(scanner, sdists)?);
                return Some(());
            }
            scanner.value(1)
        })?;
        scanner.space();
        if scanner.at != page.len() {
            return None;
        }
        let rows = cut?;
        let mut found = Vec::with_capacity(rows.bytes + page.len() - (rows.end - rows.start));
        found.extend_from_slice(&page[..rows.start]);
        for (place, row) in rows.kept.iter().enumerate() {
            if place > 0 {
                found.push(b',');
            }
            found.extend_from_slice(row);
        }
        found.extend_from_slice(&page[rows.end..]);
        Some((found, rows.any))
    }

    fn rows<'a>(&self, scanner: &mut Scanner<'a>, sdists: bool) -> Option<Rows<'a>> {
        let mut known = HashMap::new();
        let mut rows = Rows { start: scanner.at + 1, end: 0, any: false, bytes: 0, kept: Vec::new() };
        scanner.elements(|scanner| {
            if scanner.peek()? != b'{' {
                return scanner.value(2);
            }
            rows.any = true;
            let start = scanner.at;
            let file = scanner.file()?;
            if self.keeps(&file, sdists, &mut known) {
                let row = &scanner.data[start..scanner.at];
                rows.bytes += row.len() + 1;
                rows.kept.push(row);
            }
            Some(())
        })?;
        rows.end = scanner.at - 1;
        Some(rows)
    }

    fn keeps<'a>(&self, file: &File<'a>, sdists: bool, known: &mut HashMap<&'a [u8], bool>) -> bool {
        match file {
            File::Odd => true,
            File::None => false,
            File::Named(name) => match name.strip_suffix(b".whl") {
                None => sdists,
                Some(stem) => {
                    let Some(tags) = last_parts(stem) else { return true };
                    *known.entry(tags).or_insert_with(|| self.takes(tags))
                }
            },
        }
    }

    /// Whether one of some compressed tag sets (PEP 425) is known.
    fn takes(&self, tags: &[u8]) -> bool {
        let lower = tags.to_ascii_lowercase();
        let mut parts = lower.split(|byte| *byte == b'-');
        let (Some(pythons), Some(abis), Some(platforms)) = (parts.next(), parts.next(), parts.next()) else {
            return true;
        };
        let dotted = |set: &'_ [u8]| set.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let (pythons, abis, platforms) = (dotted(pythons), dotted(abis), dotted(platforms));
        if pythons.len().saturating_mul(abis.len()).saturating_mul(platforms.len()) > MOST_TAGS {
            return false;
        }
        pythons.iter().any(|python| {
            abis.iter().any(|abi| {
                platforms.iter().any(|platform| self.tags.contains(&[&python[..], abi, platform].join(&b'-')))
            })
        })
    }
}

/// `PYTHON-ABI-PLATFORM` at the end of a wheel's name; None where there are no three parts, or not of plain letters.
fn last_parts(stem: &[u8]) -> Option<&[u8]> {
    if !stem.is_ascii() {
        return None;
    }
    let start = stem.iter().enumerate().rev().filter(|(_, byte)| **byte == b'-').nth(2)?.0;
    Some(&stem[start + 1..])
}

struct Rows<'a> {
    start: usize,
    end: usize,
    any: bool,
    bytes: usize,
    kept: Vec<&'a [u8]>,
}

enum File<'a> {
    Named(&'a [u8]),
    None,
    /// Spelled in a way that a parser of JSON had better look at.
    Odd,
}

/// Walks over a text that is JSON, or finds out that it is none; what it skips it does not judge to the last character.
struct Scanner<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn space(&mut self) {
        while matches!(self.data.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.data.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// What stands between quotes, and whether there is a backslash in it.
    fn string(&mut self) -> Option<(&'a [u8], bool)> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += self.data[self.at..].iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            if self.data[self.at] == b'"' {
                self.at += 1;
                return Some((&self.data[start..self.at - 1], escaped));
            }
            escaped = true;
            self.at += 2;
            if self.at > self.data.len() {
                return None;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.members(|scanner, _, _| scanner.value(depth + 1)),
            b'[' => self.elements(|scanner| scanner.value(depth + 1)),
            _ => self.word(),
        }
    }

    /// A number, or one of JSON's three words.
    fn word(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.data.get(self.at), Some(b'a'..=b'z' | b'0'..=b'9' | b'-' | b'+' | b'.' | b'E')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn members(&mut self, mut each: impl FnMut(&mut Self, &'a [u8], bool) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            self.space();
            let (key, escaped) = self.string()?;
            self.take(b':')?;
            self.space();
            each(self, key, escaped)?;
            if self.peek()? == b'}' {
                return self.take(b'}');
            }
            self.take(b',')?;
        }
    }

    fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            self.space();
            each(self)?;
            if self.peek()? == b']' {
                return self.take(b']');
            }
            self.take(b',')?;
        }
    }

    /// The file that a row is about.
    fn file(&mut self) -> Option<File<'a>> {
        let mut found = File::None;
        self.members(|scanner, key, escaped| {
            if escaped {
                found = File::Odd;
            }
            if key != b"filename" {
                return scanner.value(3);
            }
            found = match (&found, scanner.peek()?) {
                (File::None, b'"') => match scanner.string()? {
                    (name, false) => File::Named(name),
                    _ => File::Odd,
                },
                _ => {
                    scanner.value(3)?;
                    File::Odd
                }
            };
            Some(())
        })?;
        Some(found)
    }
}
