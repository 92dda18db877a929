//! Platforms, parsed and normalised as containerd's `platforms` package does
//! (<https://github.com/containerd/platforms>), and always kept in the normal form.

use std::fmt;
use std::str::FromStr;

/// An operating system, an architecture and a variant of it, in the normal form: `linux/arm64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    arch: String,
    variant: String,
}

/// Why a text is no platform.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum PlatformError {
    /// Not one to three parts between slashes.
    #[error("`{0}` is not a platform: it must be OS/ARCH or OS/ARCH/VARIANT")]
    Form(String),
    /// A part has a character that no platform has, or is empty.
    #[error("`{part}` can't be part of a platform")]
    Part {
        /// The part.
        part: String,
    },
    /// Nobody knows the operating system.
    #[error("unknown operating system `{0}`")]
    UnknownOs(String),
    /// Nobody knows the architecture.
    #[error("unknown architecture `{0}`")]
    UnknownArch(String),
    /// An operating system alone: which architecture it would mean depends on the machine.
    #[error("`{0}` names no architecture")]
    NoArch(String),
}

/// The operating systems that Go, and so containerd, knows.
pub const KNOWN_OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];

/// The architectures that Go, and so containerd, knows.
pub const KNOWN_ARCH: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "arm64",
    "arm64be",
    "armbe",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// A platform of its parts; an empty variant is none.
    pub fn new(os: &str, arch: &str, variant: &str) -> Result<Self, PlatformError> {
        for part in [os, arch] {
            check_part(part)?;
        }
        if !variant.is_empty() {
            check_part(variant)?;
        }
        let os = normal_os(os);
        let (arch, variant) = normal_arch(arch, variant);
        if !KNOWN_OS.contains(&os.as_str()) {
            return Err(PlatformError::UnknownOs(os));
        }
        if !KNOWN_ARCH.contains(&arch.as_str()) {
            return Err(PlatformError::UnknownArch(arch));
        }
        Ok(Self { os, arch, variant })
    }

    /// `linux/amd64`.
    pub fn linux_amd64() -> Self {
        Self {
            os: "linux".to_owned(),
            arch: "amd64".to_owned(),
            variant: String::new(),
        }
    }

    /// The platform of an image config, which may have been written by anything: normalised, but not checked
    /// against the known names. `None` unless both parts are there.
    pub fn of_config(os: &str, arch: &str, variant: &str) -> Option<Self> {
        if os.is_empty() || arch.is_empty() {
            return None;
        }
        let os = normal_os(os);
        let (arch, variant) = normal_arch(arch, variant);
        Some(Self { os, arch, variant })
    }

    /// Whether what is made for one may run on the other: operating system and architecture are the same, whatever the
    /// variant.
    pub fn is_same_machine(&self, other: &Self) -> bool {
        (&self.os, &self.arch) == (&other.os, &other.arch)
    }

    /// The operating system.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture.
    pub fn arch(&self) -> &str {
        &self.arch
    }

    /// The variant; empty when there is none.
    pub fn variant(&self) -> &str {
        &self.variant
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Parses `OS/ARCH[/VARIANT]`, or an architecture alone, which is Linux's.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.trim().split('/').collect();
        match parts.as_slice() {
            [""] => Err(PlatformError::Form(text.to_owned())),
            [os, arch] => Self::new(os, arch, ""),
            [os, arch, variant] if !variant.is_empty() => Self::new(os, arch, variant),
            [one] => {
                check_part(one)?;
                if KNOWN_OS.contains(&normal_os(one).as_str()) {
                    return Err(PlatformError::NoArch((*one).to_owned()));
                }
                Self::new("linux", one, "").map_err(|e| match e {
                    PlatformError::UnknownArch(_) => PlatformError::Form(text.to_owned()),
                    other => other,
                })
            }
            _ => Err(PlatformError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.arch)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

fn check_part(part: &str) -> Result<(), PlatformError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if part.is_empty() || !part.chars().all(fits) {
        return Err(PlatformError::Part { part: part.to_owned() });
    }
    Ok(())
}

fn normal_os(os: &str) -> String {
    match os.to_ascii_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

/// containerd's `normalizeArch`, variants that are the default left out.
fn normal_arch(arch: &str, variant: &str) -> (String, String) {
    let (arch, variant) = (arch.to_ascii_lowercase(), variant.to_ascii_lowercase());
    let (arch, variant) = match (arch.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", v) => ("amd64", v),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64", v) => ("arm64", v),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        (a, v) => (a, v),
    };
    (arch.to_owned(), variant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let shown = text
            .parse::<Platform>()
            .map_or_else(|e| e.to_string(), |p| p.to_string());
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn normalises_as_containerd_does() {
        check("linux/amd64", "linux/amd64");
        check("linux/amd64/v1", "linux/amd64");
        check("linux/amd64/v2", "linux/amd64/v2");
        check("Linux/X86_64", "linux/amd64");
        check("linux/x86-64", "linux/amd64");
        check("linux/i386", "linux/386");
        check("linux/aarch64", "linux/arm64");
        check("linux/arm64/v8", "linux/arm64");
        check("linux/arm64/v8.0", "linux/arm64");
        check("linux/arm64/9", "linux/arm64/v9");
        check("linux/arm", "linux/arm/v7");
        check("linux/arm/7", "linux/arm/v7");
        check("linux/arm/6", "linux/arm/v6");
        check("linux/armhf", "linux/arm/v7");
        check("linux/armel", "linux/arm/v6");
        check("macos/arm64", "darwin/arm64");
        check("windows/amd64", "windows/amd64");
        check("arm64", "linux/arm64");
    }

    #[test]
    fn refuses_what_is_no_platform() {
        check("", "`` is not a platform: it must be OS/ARCH or OS/ARCH/VARIANT");
        check("linux", "`linux` names no architecture");
        check("linux/", "`` can't be part of a platform");
        check("linux/am d64", "`am d64` can't be part of a platform");
        check(
            "linux/arm/v7/x",
            "`linux/arm/v7/x` is not a platform: it must be OS/ARCH or OS/ARCH/VARIANT",
        );
        check(
            "linux/arm/",
            "`linux/arm/` is not a platform: it must be OS/ARCH or OS/ARCH/VARIANT",
        );
        check("linux/amd46", "unknown architecture `amd46`");
        check("linus/amd64", "unknown operating system `linus`");
        check(
            "plattform",
            "`plattform` is not a platform: it must be OS/ARCH or OS/ARCH/VARIANT",
        );
    }
}
