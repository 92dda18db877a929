//! Debian's packages without installing any: a private apt, and the engine's programs unpacked.
//!
//! The mirror is the machine's own, as apt itself reads its configuration (every format, every included
//! file); no host is named here. The private apt has its own sources, lists, cache and an empty dpkg
//! status, and checks signatures and hashes as ever: packages are fetched by it and unpacked by `dpkg -x`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::place::Place;
use super::process::{command, output, shell};

/// The release whose Docker has a BuildKit with merge and diff.
const ENGINE_SUITE: &str = "trixie";
/// The release that runs here: its runc suits kernels that trixie's does not, its packages fill the images.
pub(super) const IMAGE_SUITE: &str = "bookworm";
/// Architectures of the images, the machine's own first.
pub(super) const ARCHITECTURES: [&str; 3] = ["amd64", "arm64", "armhf"];

/// The engine's programs, with the suite each comes from.
const TOOLS: [(&str, &str); 17] = [
    ("docker.io", ENGINE_SUITE),
    ("containerd", ENGINE_SUITE),
    ("docker-cli", ENGINE_SUITE),
    ("docker-buildx", ENGINE_SUITE),
    ("tini", ENGINE_SUITE),
    ("runc", IMAGE_SUITE),
    ("docker-registry", IMAGE_SUITE),
    ("mmdebstrap", IMAGE_SUITE),
    ("busybox-static", IMAGE_SUITE),
    ("attr", IMAGE_SUITE),
    ("openssl", IMAGE_SUITE),
    ("python3-pip-whl", IMAGE_SUITE),
    ("qemu-user-static", IMAGE_SUITE),
    // No part of the engine: it reads what was pushed, as another client does. The rest are its libraries.
    ("skopeo", IMAGE_SUITE),
    ("libgpgme11", IMAGE_SUITE),
    ("libassuan0", IMAGE_SUITE),
    ("libdevmapper1.02.1", IMAGE_SUITE),
];

/// Changes when [`TOOLS`] or their unpacking does.
const TOOLS_STAMP: &str = "4";

/// Programs of the machine that everything else rests on.
const NEEDED: [&str; 11] = [
    "apt-get",
    "dpkg",
    "gpgv",
    "gzip",
    "ip",
    "perl",
    "python3",
    "setsid",
    "sha256sum",
    "tar",
    "unshare",
];

/// A private apt.
#[derive(Debug, Clone)]
pub(super) struct Apt {
    folder: PathBuf,
    mirror: String,
    keyring: String,
}

impl Apt {
    /// Finds the machine's mirror and lays the private apt out; its lists come with [`Self::update`].
    pub(super) fn prepare(place: &Place) -> Result<Self> {
        for program in NEEDED {
            if !on_path(program) {
                bail!(
                    "`{program}` is not on this machine: the test engine needs a Debian with apt, gpgv, perl, python3, util-linux and iproute2"
                );
            }
        }
        let machine = output(command("dpkg").arg("--print-architecture"))?;
        if machine.trim() != "amd64" {
            bail!("the test engine runs on amd64; this machine is {}", machine.trim());
        }
        let (mirror, signed_by) = machine_mirror()?;
        let archive = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let keyring = match signed_by {
            _ if Path::new(archive).exists() => archive.to_owned(),
            Some(keyring) => keyring,
            None => bail!("no `{archive}` here: install the package `debian-archive-keyring`"),
        };
        let apt = Self {
            folder: place.packages().join("apt"),
            mirror,
            keyring,
        };
        for sub in ["lists/partial", "cache/archives/partial", "state", "sources"] {
            fs::create_dir_all(apt.folder.join(sub))?;
        }
        fs::write(apt.folder.join("state/status"), "")?;
        Ok(apt)
    }

    /// The `.sources` text of a suite on the machine's mirror.
    pub(super) fn sources(&self, suite: &str, architectures: &[&str]) -> String {
        format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nArchitectures: {}\nSigned-By: {}\nTargets: Packages\n",
            self.mirror,
            architectures.join(" "),
            self.keyring,
        )
    }

    /// An `apt-get` or `apt-cache` of one suite; `status` is the dpkg status it starts from.
    pub(super) fn run(&self, program: &str, suite: &str, architectures: &[&str]) -> Result<Command> {
        let name = format!("{suite}-{}", architectures.join("-"));
        let sources = self.folder.join("sources").join(&name);
        fs::create_dir_all(&sources)?;
        fs::write(sources.join("debian.sources"), self.sources(suite, architectures))?;
        let state = self.folder.join("state");
        let mut apt = command(program);
        let mut set = |key: &str, value: &Path| {
            apt.arg(format!("-o{key}={}", value.display()));
        };
        set("Dir::Etc::sourcelist", Path::new("/dev/null"));
        set("Dir::Etc::sourceparts", &sources);
        set("Dir::Etc::preferences", Path::new("/dev/null"));
        set("Dir::Etc::preferencesparts", Path::new("/dev/null"));
        set("Dir::State", &state);
        set("Dir::State::status", &state.join("status"));
        set("Dir::State::lists", &self.folder.join("lists").join(suite));
        set("Dir::Cache", &self.folder.join("cache"));
        set("Dir::Cache::pkgcache", Path::new(""));
        set(
            "Dir::Cache::srcpkgcache",
            &self.folder.join("cache").join(format!("{name}.bin")),
        );
        apt.arg("-oAPT::Sandbox::User=root").arg("-oAcquire::Languages=none");
        apt.arg("-oAPT::Install-Recommends=false").arg("-oAcquire::Retries=3");
        if let Some(first) = architectures.first() {
            apt.arg(format!("-oAPT::Architecture={first}"));
        }
        apt.arg(format!("-oAPT::Architectures={}", architectures.join(",")));
        Ok(apt)
    }

    /// Fetches the lists of a suite, unless they are there.
    pub(super) fn update(&self, suite: &str, architectures: &[&str]) -> Result<()> {
        let lists = self.folder.join("lists").join(suite);
        let stamp = lists.join(".complete");
        let wanted = architectures.join(" ");
        if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            return Ok(());
        }
        fs::create_dir_all(lists.join("partial"))?;
        output(
            self.run("apt-get", suite, architectures)?
                .args(["update", "--error-on=any"]),
        )?;
        fs::write(stamp, wanted)?;
        Ok(())
    }

    /// Downloads exactly `names` of a suite into `folder`.
    pub(super) fn download(&self, suite: &str, architecture: &str, names: &[&str], folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let names = names.iter().map(|name| format!("{name}:{architecture}"));
        output(
            self.run("apt-get", suite, &[architecture])?
                .arg("download")
                .args(names)
                .current_dir(folder),
        )?;
        Ok(())
    }
}

/// The architectures whose lists a suite has.
fn known_architectures(suite: &str) -> &'static [&'static str] {
    if suite == ENGINE_SUITE {
        &["amd64"]
    } else {
        &ARCHITECTURES
    }
}

/// The engine's programs.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    /// The folder that the packages are unpacked in, laid out like `/`.
    pub(super) root: PathBuf,
}

impl Tools {
    /// A `PATH` with the engine's programs first.
    pub(super) fn path(&self) -> String {
        let root = self.root.display();
        let own = std::env::var("PATH").unwrap_or_default();
        format!("{root}/usr/sbin:{root}/usr/bin:{root}/sbin:{root}/bin:/usr/sbin:/usr/bin:/sbin:/bin:{own}")
    }
}

/// Unpacks the engine's programs, unless they are there.
pub(super) fn unpack_tools(place: &Place, apt: &Apt) -> Result<Tools> {
    let tools = Tools {
        root: place.packages().join("tools"),
    };
    let stamp = place.packages().join("tools.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == TOOLS_STAMP) {
        return Ok(tools);
    }
    println!("fetching the engine's packages");
    std::thread::scope(|scope| {
        let other = scope.spawn(|| apt.update(IMAGE_SUITE, &ARCHITECTURES));
        apt.update(ENGINE_SUITE, known_architectures(ENGINE_SUITE))?;
        other
            .join()
            .unwrap_or_else(|_| bail!("fetching package lists panicked"))
    })?;
    let debs = place.packages().join("debs");
    let partial = place.packages().join("tools.partial");
    remove_folder(&debs)?;
    remove_folder(&partial)?;
    fs::create_dir_all(&partial)?;
    for suite in [ENGINE_SUITE, IMAGE_SUITE] {
        let names: Vec<&str> = TOOLS
            .iter()
            .filter(|(_, of)| *of == suite)
            .map(|(name, _)| *name)
            .collect();
        apt.download(suite, "amd64", &names, &debs)?;
    }
    shell(
        r#"for deb in *.deb; do dpkg -x "$deb" "$1"; done
           # Of the emulators, only those of the images' platforms are kept.
           cd "$1/usr/bin"
           for emulator in qemu-*-static; do
               case $emulator in qemu-aarch64-static|qemu-arm-static) ;; *) rm "$emulator" ;; esac
           done"#,
        &debs,
        &[partial.as_os_str()],
    )?;
    // An engine may be running from the old ones: it finds its programs but for a moment.
    let old = place.packages().join("tools.old");
    remove_folder(&old)?;
    if tools.root.exists() {
        fs::rename(&tools.root, &old)?;
    }
    fs::rename(&partial, &tools.root)?;
    remove_folder(&old)?;
    remove_folder(&debs)?;
    fs::write(stamp, TOOLS_STAMP)?;
    Ok(tools)
}

/// Removes a folder and what is in it, if it is there.
pub(super) fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            Err(why).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// The address of the Debian archive that this machine installs from, and its keyring if it names one.
fn machine_mirror() -> Result<(String, Option<String>)> {
    let listed = output(command("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)",
        "Created-By: Packages",
    ]))?;
    for line in listed.lines() {
        let mut fields = line.split('|');
        let (Some(uri), Some(release), Some("main")) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        // The archive proper: not its security updates, which lie elsewhere.
        if [
            "bullseye",
            "bookworm",
            "trixie",
            "forky",
            "sid",
            "oldstable",
            "stable",
            "testing",
            "unstable",
        ]
        .contains(&release)
        {
            let keyring = fields.next().filter(|path| path.starts_with('/')).map(str::to_owned);
            return Ok((uri.to_owned(), keyring));
        }
    }
    bail!(
        "no Debian archive among this machine's apt sources (`apt-get indextargets` lists none): the test engine is made of Debian's packages"
    )
}
