//! Modes as Go's `fs.FileMode` numbers them, from and to `st_mode`.

use rustix::fs::{FileType, Mode, RawMode};

pub(crate) const DIR: u32 = 1 << 31;
pub(crate) const SYMLINK: u32 = 1 << 27;
pub(crate) const DEVICE: u32 = 1 << 26;
pub(crate) const PIPE: u32 = 1 << 25;
pub(crate) const SOCKET: u32 = 1 << 24;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
pub(crate) const CHAR_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;
const IRREGULAR: u32 = 1 << 19;
/// The bits that say what kind of entry it is; none of them is a regular file.
pub(crate) const TYPE: u32 = DIR | SYMLINK | DEVICE | PIPE | SOCKET | CHAR_DEVICE | IRREGULAR;

/// The special permission bits, Go's and the system's.
const SPECIAL: [(u32, Mode); 3] = [(SETUID, Mode::SUID), (SETGID, Mode::SGID), (STICKY, Mode::SVTX)];

/// Go's bits for an `st_mode`.
pub(crate) fn to_go(st_mode: RawMode) -> u32 {
    let kind = match FileType::from_raw_mode(st_mode) {
        FileType::RegularFile => 0,
        FileType::Directory => DIR,
        FileType::Symlink => SYMLINK,
        FileType::Fifo => PIPE,
        FileType::Socket => SOCKET,
        FileType::BlockDevice => DEVICE,
        FileType::CharacterDevice => DEVICE | CHAR_DEVICE,
        FileType::Unknown => IRREGULAR,
    };
    let mode = Mode::from_raw_mode(st_mode);
    let special = SPECIAL
        .iter()
        .filter(|(_, bit)| mode.contains(*bit))
        .map(|(go, _)| go)
        .sum::<u32>();
    kind | special | (mode.bits() & 0o777)
}

/// The permissions among Go's bits, the special ones included.
pub(crate) fn permissions(go: u32) -> Mode {
    let mut mode = Mode::from_raw_mode(go & 0o777);
    for (bit, special) in SPECIAL {
        if go & bit != 0 {
            mode |= special;
        }
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (st_mode, go) in [
            (0o100_644, 0o644),
            (0o040_755, DIR | 0o755),
            (0o104_755, SETUID | 0o755),
            (0o041_777, DIR | STICKY | 0o777),
            (0o120_777, SYMLINK | 0o777),
            (0o020_600, DEVICE | CHAR_DEVICE | 0o600),
        ] {
            assert_eq!(to_go(st_mode), go, "{st_mode:o}");
            assert_eq!(permissions(go).bits(), st_mode & 0o7777);
        }
    }
}
