//! Which node of a builder builds which platform, by buildx's rules.
//!
//! If every platform is declared by a node, exactly, that settles it and no node need be asked. Else each platform
//! goes to the node that fits it best of what nodes declare and what they say they run, where a machine also runs what
//! it is a superset of (arm64 runs arm, amd64 runs 386). What fits nowhere goes to the first node, which may emulate it.
//! See `build/resolver` of <https://github.com/docker/buildx> and <https://github.com/containerd/platforms>.

use luakit_llb::Platform;

/// What is known of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodePlatforms {
    /// What it was declared to build.
    pub declared: Vec<Platform>,
    /// What its workers say they run.
    pub workers: Vec<Platform>,
}

/// A node's part of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The node's place in the list.
    pub node: usize,
    /// What it builds, in the order asked for.
    pub platforms: Vec<Platform>,
}

/// Divides platforms by what nodes declare alone; nothing unless each is declared by a node.
pub fn assign_declared(wanted: &[Platform], nodes: &[NodePlatforms]) -> Option<Vec<Share>> {
    let declared: Vec<Vec<&Platform>> = nodes.iter().map(|node| node.declared.iter().collect()).collect();
    let chosen: Option<Vec<usize>> = wanted.iter().map(|p| best(p, &declared, itself)).collect();
    Some(shares(wanted, &chosen?))
}

/// Divides platforms among nodes. No platform at all is the first node's.
pub fn assign(wanted: &[Platform], nodes: &[NodePlatforms]) -> Vec<Share> {
    if let Some(shares) = assign_declared(wanted, nodes) {
        return shares;
    }
    let known: Vec<Vec<&Platform>> = nodes
        .iter()
        .map(|node| node.declared.iter().chain(&node.workers).collect())
        .collect();
    let chosen: Vec<usize> = wanted.iter().map(|p| best(p, &known, runs).unwrap_or(0)).collect();
    shares(wanted, &chosen)
}

/// The shares, in the order in which their first platforms were asked for.
fn shares(wanted: &[Platform], chosen: &[usize]) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for (platform, node) in wanted.iter().zip(chosen) {
        match shares.iter_mut().find(|share| share.node == *node) {
            Some(share) => share.platforms.push(platform.clone()),
            None => shares.push(Share {
                node: *node,
                platforms: vec![platform.clone()],
            }),
        }
    }
    if shares.is_empty() {
        shares.push(Share {
            node: 0,
            platforms: Vec::new(),
        });
    }
    shares
}

/// The node that fits best; the first of equals.
fn best(wanted: &Platform, nodes: &[Vec<&Platform>], reach: fn(&Platform) -> Vec<Platform>) -> Option<usize> {
    let mut best: Option<(usize, Platform)> = None;
    for (index, platforms) in nodes.iter().enumerate() {
        for platform in platforms {
            let reach = reach(platform);
            let rank = |p: &Platform| reach.iter().position(|r| r == p);
            let Some(own) = rank(wanted) else { continue };
            let better = match &best {
                None => true,
                Some((_, other)) => rank(other).is_none_or(|other| own < other),
            };
            if better {
                best = Some((index, (*platform).clone()));
            }
        }
    }
    best.map(|(index, _)| index)
}

fn itself(platform: &Platform) -> Vec<Platform> {
    vec![platform.clone()]
}

/// What a machine of a platform runs natively, itself first.
fn runs(platform: &Platform) -> Vec<Platform> {
    let mut all = vec![platform.clone()];
    let os = platform.os();
    let level = |variant: &str| variant.strip_prefix('v').and_then(|v| v.parse::<u8>().ok());
    let arm = |top: u8| (5..=top).rev().map(|v| ("arm", format!("v{v}")));
    let more: Vec<(&str, String)> = match (platform.arch(), level(platform.variant())) {
        ("arm", Some(top @ 6..=8)) => arm(top - 1).collect(),
        ("arm64", None) => arm(8).collect(),
        ("amd64", None) => vec![("386", String::new())],
        ("amd64", Some(top @ 2..=9)) => {
            let lower = (2..top).rev().map(|v| ("amd64", format!("v{v}")));
            lower
                .chain([("amd64", String::new()), ("386", String::new())])
                .collect()
        }
        _ => Vec::new(),
    };
    let more = more
        .iter()
        .filter_map(|(arch, variant)| Platform::new(os, arch, variant).ok());
    all.extend(more);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platforms(text: &str) -> Vec<Platform> {
        text.split_whitespace().map(|p| p.parse().unwrap()).collect()
    }

    /// Nodes are `declared | workers`.
    fn check(wanted: &str, nodes: &[&str], expect: &str) {
        let nodes: Vec<NodePlatforms> = nodes
            .iter()
            .map(|node| {
                let (declared, workers) = node.split_once('|').unwrap();
                NodePlatforms {
                    declared: platforms(declared),
                    workers: platforms(workers),
                }
            })
            .collect();
        let shares = assign(&platforms(wanted), &nodes);
        let text: Vec<String> = shares
            .iter()
            .map(|share| {
                let platforms: Vec<String> = share.platforms.iter().map(Platform::to_string).collect();
                format!("{}: {}", share.node, platforms.join(" "))
            })
            .collect();
        assert_eq!(text.join("; "), expect, "{wanted} on {nodes:?}");
    }

    #[test]
    fn who_builds_what() {
        let own = ["|linux/amd64 linux/386", "|linux/arm64 linux/arm/v7"];
        check("linux/amd64 linux/arm64", &own, "0: linux/amd64; 1: linux/arm64");
        check(
            "linux/arm64 linux/amd64 linux/arm/v7",
            &own,
            "1: linux/arm64 linux/arm/v7; 0: linux/amd64",
        );
        // What nobody has is the first's.
        check("linux/riscv64", &own, "0: linux/riscv64");
        check("", &own, "0: ");
        // Declarations win over what workers say, if they say all.
        let declared = ["|linux/amd64 linux/arm64", "linux/arm64|linux/arm64"];
        check("linux/arm64", &declared, "1: linux/arm64");
        check("linux/arm64 linux/amd64", &declared, "0: linux/arm64 linux/amd64");
        // An exact fit beats a superset; a superset beats nothing.
        check("linux/arm/v7", &["|linux/arm64", "|linux/arm/v7"], "1: linux/arm/v7");
        check("linux/arm/v7", &["|linux/amd64", "|linux/arm64"], "1: linux/arm/v7");
        check("linux/386", &["|linux/arm64", "|linux/amd64"], "1: linux/386");
        check("linux/amd64", &["|linux/386", "|linux/amd64/v3"], "1: linux/amd64");
        // An arm of a lower level doesn't run a higher one's.
        check("linux/arm/v7", &["|linux/amd64", "|linux/arm/v6"], "0: linux/arm/v7");
        // Only an exact declaration settles it without asking.
        assert_eq!(
            assign_declared(
                &platforms("linux/arm/v7"),
                &[NodePlatforms {
                    declared: platforms("linux/arm64"),
                    workers: Vec::new()
                }]
            ),
            None
        );
    }
}
