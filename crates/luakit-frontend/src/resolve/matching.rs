//! Which of an index's platforms serves a wanted one, and which serves it best.
//!
//! The rules are containerd's `platforms.Only`
//! (<https://github.com/containerd/platforms/blob/main/compare.go>), by which BuildKit picks from an index:
//! the platform itself, then its lower variants, then what a 64-bit machine runs of its 32-bit relative.

use luakit_llb::Platform;
use serde::Deserialize;

/// A platform as an index or a config writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct WirePlatform {
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) variant: String,
    #[serde(default, rename = "os.features")]
    pub(crate) os_features: Vec<String>,
}

impl WirePlatform {
    /// In the normal form; `None` when a part is missing.
    pub(crate) fn normal(&self) -> Option<Platform> {
        Platform::of_config(&self.os, &self.architecture, &self.variant)
    }
}

/// The platforms that serve a wanted one, the best first.
pub(crate) struct Matcher(Vec<Platform>);

impl Matcher {
    pub(crate) fn only(wanted: &Platform) -> Self {
        Self(vector(wanted))
    }

    /// How well a platform serves: 0 is best. `None` is not at all.
    pub(crate) fn rank(&self, offered: &WirePlatform) -> Option<usize> {
        let normal = offered.normal()?;
        // An image that asks for features of the system fits only where they were asked for. `win32k` is
        // the exception that containerd makes for older indexes.
        let features = offered
            .os_features
            .iter()
            .any(|f| offered.os != "windows" || f != "win32k");
        if features {
            return None;
        }
        self.0.iter().position(|p| *p == normal)
    }
}

fn vector(wanted: &Platform) -> Vec<Platform> {
    let of = |arch: &str, variant: &str| Platform::of_config(wanted.os(), arch, variant);
    let lower = |arch: &'static str, variant: &str, least: u32| {
        let number = variant.strip_prefix('v').unwrap_or(variant).parse::<u32>().unwrap_or(0);
        (least..number)
            .rev()
            .filter_map(move |v| of(arch, &format!("v{v}")))
            .collect::<Vec<_>>()
    };
    let mut vector = vec![wanted.clone()];
    match wanted.arch() {
        "amd64" => {
            vector.extend(lower("amd64", wanted.variant(), 1));
            vector.extend(of("386", ""));
        }
        "arm" => vector.extend(lower("arm", wanted.variant(), 5)),
        "arm64" => {
            let Some(versions) = arm64_versions(wanted.variant()) else {
                return vec![];
            };
            vector.clear();
            for (major, minor) in versions {
                vector.extend((0..=minor).rev().filter_map(|minor| match minor {
                    0 => of("arm64", &format!("v{major}")),
                    minor => of("arm64", &format!("v{major}.{minor}")),
                }));
            }
            vector.extend(of("arm", "v8"));
            vector.extend(lower("arm", "v8", 5));
        }
        _ => {}
    }
    vector
}

/// The last minor version of each major one that a variant of arm64 runs: v9.N runs v8.(N+5).
fn arm64_versions(variant: &str) -> Option<Vec<(u32, u32)>> {
    let variant = if variant.is_empty() { "v8" } else { variant };
    let (major, minor) = variant.split_once('.').unwrap_or((variant, "0"));
    let minor: u32 = minor.parse().ok()?;
    match (major, minor) {
        ("v8", 0..=9) => Some(vec![(8, minor)]),
        ("v9", 0..=7) => Some(vec![(9, minor), (8, (minor + 5).min(9))]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(wanted: &str) -> String {
        let wanted: Platform = wanted.parse().expect("a platform");
        let names: Vec<String> = vector(&wanted).iter().map(ToString::to_string).collect();
        names.join(" ")
    }

    #[test]
    fn orders_as_containerd_does() {
        assert_eq!(shown("linux/amd64"), "linux/amd64 linux/386");
        assert_eq!(
            shown("linux/amd64/v3"),
            "linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386"
        );
        assert_eq!(shown("linux/arm"), "linux/arm/v7 linux/arm/v6 linux/arm/v5");
        assert_eq!(
            shown("linux/arm64"),
            "linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5"
        );
        assert_eq!(
            shown("linux/arm64/v8.2"),
            "linux/arm64/v8.2 linux/arm64/v8.1 linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5"
        );
        assert!(shown("linux/arm64/v9").starts_with("linux/arm64/v9 linux/arm64/v8.5 linux/arm64/v8.4 "));
        assert!(shown("linux/arm64/v9.7").contains(" linux/arm64/v8.9 "));
        assert_eq!(shown("linux/s390x"), "linux/s390x");
    }

    #[test]
    fn features_and_attestations_never_match() {
        let matcher = Matcher::only(&Platform::linux_amd64());
        let offer = |os: &str, arch: &str, features: &[&str]| {
            matcher.rank(&WirePlatform {
                os: os.to_owned(),
                architecture: arch.to_owned(),
                variant: String::new(),
                os_features: features.iter().map(|f| (*f).to_owned()).collect(),
            })
        };
        assert_eq!(offer("linux", "x86_64", &[]), Some(0));
        assert_eq!(offer("linux", "386", &[]), Some(1));
        assert_eq!(offer("unknown", "unknown", &[]), None);
        assert_eq!(offer("linux", "amd64", &["sse4"]), None);
    }
}
