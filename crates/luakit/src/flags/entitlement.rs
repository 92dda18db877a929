//! `--allow ENTITLEMENT`: what a build may do beyond the usual.

/// `network.host`, `security.insecure`, or `device`, of which `device=NAME` allows one.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    match text {
        "network.host" | "security.insecure" | "device" => Ok(text.to_owned()),
        _ if text.strip_prefix("device=").is_some_and(|name| !name.is_empty()) => Ok(text.to_owned()),
        _ => Err("it must be one of network.host, security.insecure, device, device=NAME".to_owned()),
    }
}
