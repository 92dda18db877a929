//! The images: which layers under which name, and what their configs say.
//!
//! Configs follow those of the namesakes: the same `PATH`, working directory, entrypoint and command.
//! Version variables say what is really inside, and come from the layers.

/// One image: a repository, its tags, its platforms and what its config says.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) host: &'static str,
    pub(super) repository: String,
    pub(super) tags: Vec<String>,
    pub(super) variants: Vec<Variant>,
    pub(super) env: &'static [&'static str],
    pub(super) entrypoint: &'static [&'static str],
    pub(super) cmd: &'static [&'static str],
    pub(super) workdir: &'static str,
    pub(super) user: &'static str,
}

/// One platform of an image.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) platform: &'static str,
    pub(super) layers: Vec<String>,
}

/// The images' platforms, with Debian's name of each architecture.
pub(super) const PLATFORMS: [(&str, &str); 3] = [
    ("linux/amd64", "amd64"),
    ("linux/arm64", "arm64"),
    ("linux/arm/v7", "armhf"),
];

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const GO_ENV: &[&str] = &[
    "PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "GOTOOLCHAIN=local",
    "GOPATH=/go",
];
const PYTHON_ENV: &[&str] = &[
    "PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
];
const RUST_ENV: &[&str] = &[
    "RUSTUP_HOME=/usr/local/rustup",
    "CARGO_HOME=/usr/local/cargo",
    "PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
];
const DISTROLESS_ENV: &[&str] = &[PATH, "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"];

/// What Alpine's tags call themselves: the layer `alpine-VERSION`, and the tags that have it.
pub(super) const ALPINES: [(&str, &[&str]); 4] = [
    ("3.18.12", &["3.18", "3.18.12"]),
    ("3.19.1", &["3.19", "3.19.1"]),
    ("3.19.7", &["3.19.7"]),
    ("3.20.6", &["3", "3.20", "3.20.6", "latest"]),
];

/// The layers that every image on Debian starts with.
const DEBIAN: [&str; 2] = ["debian", "debian-packages"];

/// All images.
pub(super) fn all() -> Vec<Image> {
    let mut images = vec![
        Image {
            variants: everywhere(&["busybox-ARCH"]),
            cmd: &["sh"],
            ..image("busybox", &["1", "1.36", "latest"])
        },
        debian("debian", &["12", "12-slim", "bookworm", "bookworm-slim", "latest"], &[]),
        debian("ubuntu", &["22.04", "jammy"], &["ubuntu-22.04"]),
        debian("ubuntu", &["24.04", "noble", "latest"], &["ubuntu-24.04"]),
        Image {
            variants: amd64(&["busybox-amd64", "fedora-39"]),
            cmd: &["/bin/bash"],
            ..image("fedora", &["39", "latest"])
        },
        go(
            "golang",
            &["1.21", "1.21-bookworm", "1", "latest"],
            &["buildpack", "go-amd64"],
        ),
        Image {
            env: GO_ENV,
            workdir: "/go",
            variants: amd64(&["busybox-amd64", "alpine-3.19.1", "go-amd64", "go-alpine"]),
            ..image("golang", &["1.21-alpine", "1.21-alpine3.19", "1.22-alpine", "alpine"])
        },
        node(&["20", "20-bookworm", "latest"], &["buildpack", "node", "node-debian"]),
        node(&["20-slim", "20-bookworm-slim", "slim"], &["node", "node-debian"]),
        Image {
            variants: amd64(&["busybox-amd64", "alpine-3.19.1", "node", "node-alpine"]),
            ..node(&["20-alpine", "20-alpine3.19", "alpine"], &[])
        },
        Image {
            env: PYTHON_ENV,
            ..debian(
                "python",
                &["3.11", "3.11-slim", "3.11-slim-bookworm", "slim", "latest"],
                &["python"],
            )
        },
        Image {
            env: RUST_ENV,
            variants: amd64(&["busybox-amd64", "alpine-3.19.1", "rust-alpine"]),
            ..image("rust", &["1.75-alpine", "1.75-alpine3.19", "alpine"])
        },
        Image {
            host: "gcr.io",
            env: DISTROLESS_ENV,
            variants: everywhere(&["distroless"]),
            cmd: &[],
            workdir: "/",
            user: "0",
            ..named("distroless/static-debian12", &["latest"])
        },
        Image {
            host: "gcr.io",
            env: DISTROLESS_ENV,
            variants: everywhere(&["distroless"]),
            cmd: &[],
            workdir: "/home/nonroot",
            user: "65532",
            ..named("distroless/static-debian12", &["nonroot"])
        },
    ];
    for (version, tags) in ALPINES {
        images.push(Image {
            variants: everywhere(&["busybox-ARCH", &format!("alpine-{version}")]),
            ..image("alpine", tags)
        });
    }
    images
}

/// `golang` on Debian: its other platforms are made without dpkg, so that nothing need be emulated.
fn go(repository: &str, tags: &[&str], layers: &[&str]) -> Image {
    let mut image = debian(repository, tags, layers);
    image.env = GO_ENV;
    image.workdir = "/go";
    for (platform, arch) in PLATFORMS.into_iter().skip(1) {
        let layers = [
            format!("busybox-{arch}"),
            format!("go-{arch}"),
            format!("go-foreign-{arch}"),
        ];
        image.variants.push(Variant {
            platform,
            layers: layers.to_vec(),
        });
    }
    image
}

fn node(tags: &[&str], layers: &[&str]) -> Image {
    Image {
        entrypoint: &["docker-entrypoint.sh"],
        cmd: &["node"],
        ..debian("node", tags, layers)
    }
}

fn debian(repository: &str, tags: &[&str], layers: &[&str]) -> Image {
    let cmd: &[&str] = if repository == "python" {
        &["python3"]
    } else {
        &["bash"]
    };
    Image {
        variants: amd64(&[&DEBIAN, layers].concat()),
        cmd,
        ..image(repository, tags)
    }
}

/// An image of Docker Hub's library, with no platforms yet.
fn image(name: &str, tags: &[&str]) -> Image {
    named(&format!("library/{name}"), tags)
}

fn named(repository: &str, tags: &[&str]) -> Image {
    Image {
        host: "docker.io",
        repository: repository.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        variants: Vec::new(),
        env: &[PATH],
        entrypoint: &[],
        cmd: &["/bin/sh"],
        workdir: "",
        user: "",
    }
}

fn amd64(layers: &[&str]) -> Vec<Variant> {
    let layers = layers.iter().map(|name| (*name).to_owned()).collect();
    vec![Variant {
        platform: "linux/amd64",
        layers,
    }]
}

/// A variant for each platform, with `ARCH` in a layer's name replaced.
fn everywhere(layers: &[&str]) -> Vec<Variant> {
    PLATFORMS
        .iter()
        .map(|(platform, arch)| Variant {
            platform,
            layers: layers.iter().map(|name| name.replace("ARCH", arch)).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_layer_of_an_image_has_a_recipe_with_its_layers_below() {
        let recipes = super::super::layers::all();
        for image in super::all() {
            for variant in &image.variants {
                let mut present = BTreeSet::new();
                for name in &variant.layers {
                    let recipe = recipes.iter().find(|recipe| recipe.name == *name);
                    let recipe = recipe.unwrap_or_else(|| panic!("no recipe for `{name}`"));
                    for below in &recipe.below {
                        assert!(
                            present.contains(below),
                            "{} lacks `{below}` below `{name}`",
                            image.repository
                        );
                    }
                    present.insert(name.clone());
                }
            }
        }
    }

    #[test]
    fn no_tag_is_given_twice() {
        let mut seen = BTreeSet::new();
        for image in super::all() {
            for tag in &image.tags {
                assert!(
                    seen.insert(format!("{}/{}:{tag}", image.host, image.repository)),
                    "{tag}"
                );
            }
        }
    }
}
