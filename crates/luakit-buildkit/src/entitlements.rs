//! Which devices a build may use: those that are allowed by name, and those that the engine gives to everybody.
//!
//! The rules are BuildKit's (`solver/llbsolver/vertex.go`, `solver/llbsolver/cdidevices`,
//! `util/entitlements` of <https://github.com/moby/buildkit>). A name may stand for several devices: `KIND=NAME` is one,
//! `KIND` the first of its kind, `KIND=*` all of them, and any other name a class. A device that the engine doesn't have
//! is the engine's to refuse.

use crate::engine::Worker;

/// The annotation by which a device belongs to a class.
const CLASS: &str = "org.mobyproject.buildkit.device.class";

/// A device of an engine's machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// `KIND=NAME`.
    pub name: String,
    /// Whether every build may use it.
    pub auto_allow: bool,
    /// A name that it shares with others.
    pub class: Option<String>,
}

impl Device {
    pub(crate) fn from_wire(device: luakit_proto::worker::CdiDevice) -> Self {
        Self {
            class: device.annotations.get(CLASS).cloned(),
            name: device.name,
            auto_allow: device.auto_allow,
        }
    }
}

/// Those of the devices `wanted` that a build with these entitlements would be refused on an engine with these workers.
pub fn unallowed<'a>(
    wanted: impl IntoIterator<Item = &'a str>,
    entitlements: &[String],
    workers: &[Worker],
) -> Vec<&'a str> {
    let devices = workers.first().map(|worker| worker.devices.as_slice());
    forbidden(wanted, entitlements, devices.unwrap_or_default())
}

pub(crate) fn forbidden<'a>(
    wanted: impl IntoIterator<Item = &'a str>,
    entitlements: &[String],
    devices: &[Device],
) -> Vec<&'a str> {
    if entitlements.iter().any(|entitlement| entitlement == "device") {
        return Vec::new();
    }
    let allowed = entitlements
        .iter()
        .filter_map(|entitlement| entitlement.strip_prefix("device="));
    let mut granted: Vec<&Device> = Vec::new();
    let mut aliases = Vec::new();
    for allowed in allowed {
        let mut fields = allowed.split(',');
        let name = fields.next().unwrap_or_default();
        match fields.find_map(|field| field.strip_prefix("alias=")) {
            Some(alias) => aliases.push(alias),
            None => granted.extend(meant(name, devices)),
        }
    }
    let is_forbidden = |name: &&str| {
        let free = |device: &&Device| device.auto_allow || granted.contains(device);
        !aliases.contains(name) && !meant(name, devices).iter().all(free)
    };
    wanted.into_iter().filter(is_forbidden).collect()
}

/// The devices that a name stands for.
fn meant<'d>(name: &str, devices: &'d [Device]) -> Vec<&'d Device> {
    let (kind, own) = name.split_once('=').unwrap_or((name, ""));
    let of_kind = |device: &&Device| device.name.split_once('=').is_some_and(|(other, _)| other == kind);
    let mut found: Vec<&Device> = Vec::new();
    if kind.contains('/') {
        let mut kin = devices.iter().filter(of_kind);
        match own {
            "" => found.extend(kin.next()),
            "*" => found.extend(kin),
            _ => found.extend(kin.find(|device| device.name == name)),
        }
    }
    if found.is_empty() {
        found.extend(devices.iter().filter(|device| device.class.as_deref() == Some(name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, auto_allow: bool, class: Option<&str>) -> Device {
        Device {
            name: name.to_owned(),
            auto_allow,
            class: class.map(str::to_owned),
        }
    }

    #[test]
    fn names_are_what_buildkit_takes_them_for() {
        let devices = [
            device("a.example/gpu=0", false, Some("gpu")),
            device("a.example/gpu=1", false, None),
            device("b.example/free=x", true, Some("gpu")),
        ];
        let check = |wanted: &str, allowed: &[&str], expect: bool| {
            let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(
                forbidden([wanted], &allowed, &devices).is_empty(),
                expect,
                "{wanted} {allowed:?}"
            );
        };
        check("a.example/gpu=0", &[], false);
        check("a.example/gpu=0", &["network.host"], false);
        check("a.example/gpu=0", &["device"], true);
        check("a.example/gpu=0", &["device=a.example/gpu=0"], true);
        check("a.example/gpu=0", &["device=a.example/gpu=1"], false);
        check("a.example/gpu", &["device=a.example/gpu=0"], true);
        check("a.example/gpu=*", &["device=a.example/gpu=0"], false);
        check("a.example/gpu=*", &["device=a.example/gpu=*"], true);
        check("gpu", &["device=a.example/gpu=0"], true);
        check("gpu", &[], false);
        check("b.example/free", &[], true);
        check("mine", &["device=a.example/gpu=0,alias=mine"], true);
        check("c.example/none=1", &[], true);
    }
}
