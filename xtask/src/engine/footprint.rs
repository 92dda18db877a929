//! What the engine puts on the machine outside its namespaces: a bridge, cgroups, emulator entries.
//!
//! Everything here is made for one engine, named after its state folder, and removed by [`clear`] whether
//! the engine was stopped or killed. No packet filter rule is written and no kernel setting changed.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};

use super::place::Place;
use super::process::{command, output};

/// Foreign platforms whose programs can be emulated: platform, emulator, ELF magic, mask.
///
/// Magic and mask are the ELF header's class, byte order, type and machine, as QEMU's own
/// `scripts/qemu-binfmt-conf.sh` derives them.
pub(super) const EMULATED: [(&str, &str, &str, &str); 2] = [
    (
        "linux/arm64",
        "qemu-aarch64-static",
        r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
        r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff",
    ),
    (
        "linux/arm/v7",
        "qemu-arm-static",
        r"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00",
        r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff",
    ),
];

/// Runs in a mount namespace of its own: `$1` is the engine's id. Removes its emulator entries.
const CLEAR_EMULATORS: &str = r#"
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null || exit 0
for entry in /proc/sys/fs/binfmt_misc/luakit-"$1"-*; do
    if [ -e "$entry" ]; then echo -1 > "$entry"; fi
done
"#;

/// Makes the bridge on a subnet that nothing here uses; returns its address.
pub(super) fn make_bridge(place: &Place) -> Result<String> {
    let bridge = place.bridge();
    let subnet = free_subnet(place)?;
    let address = format!("{subnet}.1");
    output(command("ip").args(["link", "add", &bridge, "type", "bridge"]))?;
    output(command("ip").args(["addr", "add", &format!("{address}/24"), "dev", &bridge]))?;
    output(command("ip").args(["link", "set", &bridge, "up"]))?;
    Ok(address)
}

/// Removes all of it.
pub(super) fn clear(place: &Place) -> Result<()> {
    let bridge = place.bridge();
    if Path::new("/sys/class/net").join(&bridge).exists() {
        output(command("ip").args(["link", "del", &bridge]))?;
    }
    clear_cgroups(&place.cgroup())?;
    output(
        command("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "/bin/sh",
                "-euc",
                CLEAR_EMULATORS,
                "sh",
            ])
            .arg(place.id()),
    )?;
    Ok(())
}

fn free_subnet(place: &Place) -> Result<String> {
    let routes = output(command("ip").args(["-4", "-o", "route", "show", "table", "all"]))?;
    let taken: Vec<(u32, u32)> = routes
        .split_whitespace()
        .filter_map(range_of)
        .filter(|(from, to)| from <= to)
        .collect();
    for attempt in 0..=u8::MAX {
        let subnet = place.subnet(attempt);
        let Some((from, to)) = range_of(&format!("{subnet}.0/24")) else {
            continue;
        };
        if taken.iter().all(|(low, high)| to < *low || *high < from) {
            return Ok(subnet);
        }
    }
    bail!("no free /24 for the bridge of run steps: this machine's routes cover all that were tried")
}

/// The addresses that `10.1.2.0/24` or `10.1.2.3` covers.
fn range_of(word: &str) -> Option<(u32, u32)> {
    let (address, bits) = match word.split_once('/') {
        Some((address, bits)) => (address, bits.parse::<u32>().ok()?),
        None => (word, 32),
    };
    let first = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let size = 1_u64.checked_shl(32_u32.checked_sub(bits)?)?;
    let last = u64::from(first) + size - 1;
    Some((first, u32::try_from(last).unwrap_or(u32::MAX)))
}

/// Removes the cgroup `name` of every hierarchy, its children first.
fn clear_cgroups(name: &str) -> Result<()> {
    let base = Path::new("/sys/fs/cgroup");
    let mut tops = vec![base.join(name)];
    if let Ok(hierarchies) = fs::read_dir(base) {
        tops.extend(hierarchies.flatten().map(|entry| entry.path().join(name)));
    }
    for top in tops.iter().filter(|top| top.is_dir()) {
        // A killed process leaves its cgroup a moment after its death is seen.
        let mut tries = 50;
        while remove_tree(top).is_err() {
            tries -= 1;
            if tries == 0 {
                bail!("cgroup `{}` is still in use", top.display());
            }
            sleep(Duration::from_millis(100));
        }
    }
    Ok(())
}

/// `rmdir`, depth first: a cgroup's files cannot and need not be removed.
fn remove_tree(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::range_of;

    #[test]
    fn a_route_covers_its_prefix() {
        assert_eq!(range_of("10.1.2.0/24"), Some((0x0a01_0200, 0x0a01_02ff)));
        assert_eq!(range_of("192.0.2.1"), Some((0xc000_0201, 0xc000_0201)));
        assert_eq!(range_of("0.0.0.0/0"), Some((0, u32::MAX)));
        assert_eq!(range_of("default"), None);
        assert_eq!(range_of("10.0.0.0/40"), None);
    }
}
