//! Tarballs of several nodes, put one after the other.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use luakit_buildkit::CancellationToken;

/// The size of a tarball's records.
const RECORD: usize = 512;

/// How long an extended header may be.
const EXTENDED: u64 = 1 << 20;

/// Writes the entries of all parts, as they are, into one tarball, until the token is used: then the next write fails.
pub(super) fn join(parts: &[PathBuf], out: &mut dyn Write, cancel: &CancellationToken) -> io::Result<()> {
    let out = &mut Until { cancel, writer: out };
    for part in parts {
        let mut part = io::BufReader::new(File::open(part)?);
        copy_entries(&mut part, out)?;
    }
    // The end of a tarball.
    out.write_all(&[0; 2 * RECORD])?;
    out.flush()
}

/// Writes until the build is canceled.
struct Until<'a> {
    cancel: &'a CancellationToken,
    writer: &'a mut dyn Write,
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("the build was canceled"));
        }
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Copies headers and contents as they are, up to the empty record that ends a tarball: without it, it is cut off. Long
/// names and extended headers are entries like others, and stay before what they belong to.
fn copy_entries(part: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    // What an extended header says of the next entry.
    let mut extended_size = None;
    loop {
        let mut header = tar::Header::new_old();
        part.read_exact(header.as_mut_bytes()).map_err(cut_off)?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        out.write_all(header.as_bytes())?;
        let kind = header.entry_type();
        if kind.is_pax_local_extensions() {
            let size = header.entry_size()?;
            if size > EXTENDED {
                return Err(invalid("an extended header is too long"));
            }
            let mut records = Vec::new();
            copy(part, &mut records, size)?;
            out.write_all(&records)?;
            extended_size = pax_size(records.get(..usize::try_from(size).unwrap_or(0)).unwrap_or_default())?;
            continue;
        }
        let of_next = kind.is_gnu_longname() || kind.is_gnu_longlink();
        let size = match extended_size {
            Some(size) if !of_next => size,
            _ if is_bare(kind) => 0,
            _ => header.entry_size()?,
        };
        if !of_next {
            extended_size = None;
        }
        copy(part, out, size)?;
    }
}

/// Copies a content, and what fills its last record.
fn copy(part: &mut dyn Read, out: &mut dyn Write, size: u64) -> io::Result<()> {
    let padded = size.checked_next_multiple_of(RECORD as u64);
    let padded = padded.ok_or_else(|| invalid("a file is too long"))?;
    match io::copy(&mut part.take(padded), out)? {
        copied if copied == padded => Ok(()),
        _ => Err(cut_off(io::ErrorKind::UnexpectedEof.into())),
    }
}

/// Whether no content follows, whatever the size says (`archive/tar` of Go, which wrote these).
fn is_bare(kind: tar::EntryType) -> bool {
    kind.is_hard_link()
        || kind.is_symlink()
        || kind.is_character_special()
        || kind.is_block_special()
        || kind.is_dir()
        || kind.is_fifo()
}

/// The size that an extended header gives: what is 8 GiB or more doesn't fit into the header itself. A record is its own
/// length, a blank, `KEY=VALUE` and a line's end; values may hold any bytes.
fn pax_size(mut records: &[u8]) -> io::Result<Option<u64>> {
    let number = |digits: &[u8]| str::from_utf8(digits).ok()?.parse().ok();
    let malformed = || invalid("an extended header is malformed");
    let mut size = None;
    while !records.is_empty() {
        let blank = records.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
        let (digits, _) = records.split_at(blank);
        let length = number(digits).and_then(|length: u64| usize::try_from(length).ok());
        let record = length.and_then(|length| records.split_at_checked(length));
        let (record, rest) = record
            .filter(|(record, _)| record.len() > blank)
            .ok_or_else(malformed)?;
        if let Some(value) = record.get(blank + 1..).and_then(|pair| pair.strip_prefix(b"size=")) {
            let value = value.strip_suffix(b"\n").and_then(number);
            size = Some(value.ok_or_else(malformed)?);
        }
        records = rest;
    }
    Ok(size)
}

fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid("the tarball of a node is cut off"),
        _ => error,
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(parts: &[Vec<u8>]) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let parts = parts.iter().enumerate().map(|(at, bytes)| {
            let path = folder.path().join(at.to_string());
            std::fs::write(&path, bytes).unwrap();
            path
        });
        let parts: Vec<PathBuf> = parts.collect();
        let mut whole = Vec::new();
        join(&parts, &mut whole, &CancellationToken::new())?;
        Ok(whole)
    }

    fn part(entry: &str) -> Vec<u8> {
        let mut tarball = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        tarball.append_data(&mut header, entry, &b"hello"[..]).unwrap();
        tarball.into_inner().unwrap()
    }

    /// An entry whose size is in an extended header alone, as it is from 8 GiB on. Its content looks like the end of a
    /// tarball, and then like an entry.
    fn with_pax_size() -> Vec<u8> {
        let content = [
            vec![0; 2 * RECORD],
            part("none").get(..2 * RECORD).unwrap().to_vec(),
            vec![7; 3],
        ]
        .concat();
        let mut tarball = tar::Builder::new(Vec::new());
        let size = content.len().to_string();
        tarball.append_pax_extensions([("size", size.as_bytes())]).unwrap();
        let mut bytes = tarball.get_ref().clone();
        let mut header = tar::Header::new_ustar();
        header.set_path("large").unwrap();
        header.set_mode(0o644);
        header.set_size(0);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(&content);
        bytes.resize(bytes.len().next_multiple_of(RECORD) + 2 * RECORD, 0);
        bytes
    }

    fn listed(tarball: &[u8]) -> Vec<(String, usize)> {
        let mut archive = tar::Archive::new(tarball);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content.len())
        });
        entries.collect()
    }

    #[test]
    fn tarballs_become_one() {
        let long = format!("linux_arm64/{}", "x".repeat(200));
        let whole = joined(&[part("linux_amd64/f"), with_pax_size(), part(&long)]).unwrap();
        let expected = [("linux_amd64/f", 5), ("large", 4 * RECORD + 3), (&long, 5)];
        assert_eq!(listed(&whole), expected.map(|(name, size)| (name.to_owned(), size)));
    }

    #[test]
    fn what_is_no_extended_header() {
        assert_eq!(pax_size(b"9 size=9\n").unwrap(), Some(9));
        let lines = b"34 SCHILY.xattr.user.x=\n9 size=9\n\n11 size=10\n";
        assert_eq!(pax_size(lines).unwrap(), Some(10));
        assert_eq!(pax_size(b"").unwrap(), None);
        for records in [
            "x",
            " ",
            "0 ",
            "1 ",
            "99 size=9\n",
            "9 size=x\n",
            "9 size=9 ",
            "-1 size=1\n",
        ] {
            assert!(pax_size(records.as_bytes()).is_err(), "{records}");
        }
    }

    #[test]
    fn a_tarball_that_is_cut_off_is_no_whole() {
        for tarball in [part("f"), with_pax_size()] {
            for length in [RECORD, tarball.len() / 2 / RECORD * RECORD, tarball.len() - 2 * RECORD] {
                let cut = tarball.get(..length).unwrap().to_vec();
                let error = joined(&[cut]).unwrap_err();
                assert_eq!(error.to_string(), "the tarball of a node is cut off", "{length}");
            }
        }
    }
}
