//! `--allow ENTITLEMENT`: what a build may do beyond the usual.

/// What one `--allow` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed(pub(crate) Vec<String>);

/// `network.host`, `security.insecure`, or `device`, of which `device=NAME` allows one; several are separated by commas.
pub(crate) fn parse(text: &str) -> Result<Allowed, String> {
    let parts = text.split(',').map(|part| match part {
        "network.host" | "security.insecure" | "device" => Ok(part.to_owned()),
        _ if part.strip_prefix("device=").is_some_and(|name| !name.is_empty()) => Ok(part.to_owned()),
        _ => Err("it must be one of network.host, security.insecure, device, device=NAME".to_owned()),
    });
    parts.collect::<Result<_, _>>().map(Allowed)
}
