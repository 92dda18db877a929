//! The state folder, and every name that is derived from it.
//!
//! Two engines on one machine never meet: ports, addresses, the bridge, the cgroup and the emulators'
//! entries all come from a hash of the folder's path. Everything the engine writes is under the folder,
//! but for sockets when the folder's path is too long for one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// `sun_path` holds 108 bytes; containerd derives longer names from the folder we give it.
const LONGEST_SOCKET_FOLDER: usize = 80;

/// A state folder.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The folder itself, absolute.
    pub(super) root: PathBuf,
    hash: [u8; 32],
}

impl Place {
    /// The place at `folder`, which is made if it does not exist.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let root = folder.canonicalize()?;
        let hash = Sha256::digest(root.as_os_str().as_encoded_bytes()).into();
        Ok(Self { root, hash })
    }

    /// Eight hexadecimal digits that stand for the folder.
    pub(super) fn id(&self) -> String {
        hex::encode(self.hash.first_chunk::<4>().unwrap_or(&[0; 4]))
    }

    /// What the running daemons keep; removed whole when they stop.
    pub(super) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The daemons' logs, kept after they stop.
    pub(super) fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The registry's storage: kept, so that a warm start pushes nothing.
    pub(super) fn registry(&self) -> PathBuf {
        self.root.join("registry")
    }

    /// Made layers and images, by the hash of their recipe.
    pub(super) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// What the server of packages gives to run steps.
    pub(super) fn served(&self) -> PathBuf {
        self.root.join("served")
    }

    /// Where apt's private state and the unpacked packages are.
    pub(super) fn packages(&self) -> PathBuf {
        self.root.join("packages")
    }

    /// The folder of the Docker socket: short enough for one.
    pub(super) fn sockets(&self) -> PathBuf {
        if self.root.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
            self.root.clone()
        } else {
            PathBuf::from(format!("/tmp/luakit-engine-{}", self.id()))
        }
    }

    /// The Docker daemon's socket.
    pub(super) fn docker_socket(&self) -> PathBuf {
        self.sockets().join("docker.sock")
    }

    /// The socket of the Docker daemon with a graph driver.
    pub(super) fn graph_socket(&self) -> PathBuf {
        self.sockets().join("graph.sock")
    }

    /// The bridge of run steps.
    pub(super) fn bridge(&self) -> String {
        format!("lk{}", self.id())
    }

    /// The cgroup that holds every container, in each hierarchy.
    pub(super) fn cgroup(&self) -> String {
        format!("luakit-{}", self.id())
    }

    /// A loopback address of this engine alone.
    pub(super) fn loopback(&self) -> String {
        let [a, b, c, ..] = self.hash;
        // 127.64.0.1 to 127.127.255.254: clear of what people use by hand.
        format!("127.{}.{b}.{}", 64 + a % 64, 1 + c % 254)
    }

    /// The `attempt`th /24 to try for the bridge, as the first three bytes of its addresses.
    pub(super) fn subnet(&self, attempt: u8) -> String {
        let [.., y, z] = self.hash;
        format!("10.{}.{}", 200_u8.saturating_add(y % 50), z.wrapping_add(attempt))
    }

    /// The registry's preferred port.
    pub(super) fn port(&self) -> u16 {
        let [.., x, y] = self.hash;
        20_000 + u16::from_be_bytes([x, y]) % 10_000
    }
}
