//! Whether a download is an archive, told by how it begins.

/// How much of a file tells.
pub(super) const HEADER: u64 = 1024;

/// Where a tar header has its checksum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Whether a file that begins so is one that engines unpack: a tar, or one compressed.
pub(super) fn is_archive(header: &[u8]) -> bool {
    let compressed: [&[u8]; 4] = [
        b"BZh",
        &[0x1f, 0x8b, 0x08],
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        // Zstandard.
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    compressed.iter().any(|magic| header.starts_with(magic)) || is_tar(header)
}

/// A tar's header sums up to its checksum, taken as if that were spaces.
fn is_tar(header: &[u8]) -> bool {
    let Some(block) = header.get(..512) else { return false };
    let field = block.get(CHECKSUM).unwrap_or_default();
    let text = String::from_utf8_lossy(field);
    let digits = text.trim_matches(['\0', ' ']);
    let Ok(said) = u32::from_str_radix(digits, 8) else {
        return false;
    };
    let byte = |(at, byte): (usize, &u8)| if CHECKSUM.contains(&at) { b' ' } else { *byte };
    let sum: u32 = block.iter().enumerate().map(byte).map(u32::from).sum();
    said == sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar() -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..9].copy_from_slice(b"build.lua");
        block[CHECKSUM].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    #[test]
    fn archives_are_told_from_scripts() {
        assert!(is_archive(&tar()));
        assert!(is_archive(b"BZh9") && is_archive(b"\x1f\x8b\x08\x00") && is_archive(b"\x28\xb5\x2f\xfd"));
        let mut damaged = tar();
        damaged[0] = b'x';
        assert!(!is_archive(&damaged));
        assert!(!is_archive(&[0; 1024]), "the end of a tar is no beginning");
        assert!(!is_archive(b"# syntax=luakit\n") && !is_archive(b""));
    }
}
