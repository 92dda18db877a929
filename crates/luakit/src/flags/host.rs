//! `--add-host HOST:IP`: lines for `/etc/hosts`, as docker buildx reads them
//! (<https://github.com/docker/buildx/blob/master/build/utils.go>).

use std::net::IpAddr;

/// The address that an engine gives its machine.
const GATEWAY: &str = "host-gateway";

/// One `--add-host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// The name, in lower case.
    pub(crate) name: String,
    pub(crate) addresses: Addresses,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Addresses {
    Ips(Vec<IpAddr>),
    /// The engine's machine, whose address the engine knows.
    Gateway,
}

/// What one `--add-host` has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosts(pub(crate) Vec<Host>);

/// Reads `HOST:IP` or `HOST=IP`, which may stand in brackets. Behind a comma comes another address, or another host.
pub(crate) fn parse(text: &str) -> Result<Hosts, String> {
    let mut hosts: Vec<Host> = Vec::new();
    for part in text.split(',') {
        match (address(part), hosts.last_mut()) {
            (
                Ok(ip),
                Some(Host {
                    addresses: Addresses::Ips(ips),
                    ..
                }),
            ) => ips.push(ip),
            _ => hosts.push(host(part)?),
        }
    }
    Ok(Hosts(hosts))
}

fn host(text: &str) -> Result<Host, String> {
    let parts = text.split_once('=').or_else(|| text.split_once(':'));
    let Some((name, addresses)) = parts.filter(|(name, addresses)| !name.is_empty() && !addresses.is_empty()) else {
        return Err("it must be HOST:IP, as in `db:10.0.0.2`".to_owned());
    };
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(format!("`{name}` is no host name"));
    }
    let addresses = if addresses == GATEWAY {
        Addresses::Gateway
    } else {
        Addresses::Ips(vec![address(addresses)?])
    };
    Ok(Host {
        name: name.to_lowercase(),
        addresses,
    })
}

fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let wrong = |_| format!("`{text}` is no IP address; the engine's own machine is `{GATEWAY}`");
    bare.unwrap_or(text).parse().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_buildx() {
        let texts = [
            "db:10.0.0.2",
            "DB=10.0.0.2",
            "six:fd00::1",
            "six=[fd00::1]",
            "two:10.0.0.1,10.0.0.2",
            "a:10.0.0.1,10.0.0.2,fd00::1,b:10.0.0.3,c=host-gateway",
            "a:10.0.0.1,b",
            "host.docker.internal:host-gateway",
            "db",
            ":10.0.0.2",
            "db:",
            "db:ten",
            "a b:10.0.0.1",
        ];
        let said = texts.map(|text| match parse(text) {
            Ok(Hosts(hosts)) => {
                let hosts = hosts.iter().map(|host| format!("{} {:?}", host.name, host.addresses));
                format!("{text} -> {}", hosts.collect::<Vec<_>>().join("; "))
            }
            Err(error) => format!("{text} -> {error}"),
        });
        insta::assert_snapshot!(said.join("\n"), @"
        db:10.0.0.2 -> db Ips([10.0.0.2])
        DB=10.0.0.2 -> db Ips([10.0.0.2])
        six:fd00::1 -> six Ips([fd00::1])
        six=[fd00::1] -> six Ips([fd00::1])
        two:10.0.0.1,10.0.0.2 -> two Ips([10.0.0.1, 10.0.0.2])
        a:10.0.0.1,10.0.0.2,fd00::1,b:10.0.0.3,c=host-gateway -> a Ips([10.0.0.1, 10.0.0.2, fd00::1]); b Ips([10.0.0.3]); c Gateway
        a:10.0.0.1,b -> it must be HOST:IP, as in `db:10.0.0.2`
        host.docker.internal:host-gateway -> host.docker.internal Gateway
        db -> it must be HOST:IP, as in `db:10.0.0.2`
        :10.0.0.2 -> it must be HOST:IP, as in `db:10.0.0.2`
        db: -> it must be HOST:IP, as in `db:10.0.0.2`
        db:ten -> `ten` is no IP address; the engine's own machine is `host-gateway`
        a b:10.0.0.1 -> `a b` is no host name
        ");
    }
}
