//! Private keys from files, and signing with them as an agent does.
//!
//! Takes what `ssh-keygen` writes (ed25519, ECDSA and RSA), and RSA keys in the older PEM forms that clouds
//! hand out. Keys that need a passphrase are refused with words that say so: nobody is there to type one.
//! RSA signatures are the SHA-2 ones of RFC 8332; the SHA-1 one is refused, as servers do.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
use rsa::traits::PublicKeyParts as _;
use sha2::{Sha256, Sha512};
use ssh_key::private::KeypairData;
use ssh_key::{Mpint, PrivateKey};

use super::agent::put_string;

/// No key file is longer.
const LONGEST: u64 = 100 << 10;

/// The request's flags for RSA.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// Why a file is no key that can be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It can't be read.
    #[error("can't read the key `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It needs a passphrase.
    #[error("the key `{}` is encrypted: add it to an ssh agent and forward that", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// It is a public key.
    #[error("`{}` is a public key: give the private one", path.display())]
    Public {
        /// The file.
        path: PathBuf,
    },
    /// It holds no private key of a known form.
    #[error("`{}` is no usable private key: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Keys of an agent, in the order given.
#[derive(Default)]
pub(crate) struct Keyring(Vec<Identity>);

struct Identity {
    /// The public key, as the protocol has it.
    blob: Vec<u8>,
    comment: String,
    key: Key,
}

enum Key {
    Rsa(rsa::RsaPrivateKey),
    Other(KeypairData),
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|i| &i.comment)).finish()
    }
}

impl Keyring {
    pub(crate) fn load(paths: &[PathBuf]) -> Result<Self, KeyError> {
        paths
            .iter()
            .map(|path| load(path))
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }

    /// Public keys and their comments.
    pub(crate) fn identities(&self) -> impl ExactSizeIterator<Item = (&[u8], &str)> {
        self.0.iter().map(|i| (i.blob.as_slice(), i.comment.as_str()))
    }

    /// A signature as the protocol has it; nothing if there is no such key or it can't sign that way.
    pub(crate) fn sign(&self, blob: &[u8], data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let identity = self.0.iter().find(|i| i.blob == blob)?;
        let rsa = match &identity.key {
            Key::Other(key) => {
                let signature: ssh_key::Signature = key.try_sign(data).ok()?;
                return Some(strings(&[
                    signature.algorithm().as_str().as_bytes(),
                    signature.as_bytes(),
                ]));
            }
            Key::Rsa(key) => key.clone(),
        };
        // Blinded: a step that measures times learns nothing of the key.
        let mut random = rsa::rand_core::OsRng;
        let (name, signature) = if flags & RSA_SHA2_512 != 0 {
            let key = rsa::pkcs1v15::SigningKey::<Sha512>::new(rsa);
            ("rsa-sha2-512", key.try_sign_with_rng(&mut random, data).ok()?)
        } else if flags & RSA_SHA2_256 != 0 {
            let key = rsa::pkcs1v15::SigningKey::<Sha256>::new(rsa);
            ("rsa-sha2-256", key.try_sign_with_rng(&mut random, data).ok()?)
        } else {
            return None;
        };
        Some(strings(&[name.as_bytes(), &signature.to_bytes()]))
    }
}

/// The protocol's strings, one after another.
fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for part in parts {
        put_string(&mut out, part);
    }
    out.to_vec()
}

fn load(path: &Path) -> Result<Identity, KeyError> {
    let read = |source| KeyError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(read)?;
    file.take(LONGEST).read_to_string(&mut text).map_err(read)?;
    let malformed = |reason: &str| KeyError::Malformed {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let encrypted = || KeyError::Encrypted { path: path.to_owned() };
    let text = text.trim();
    let label = text
        .lines()
        .next()
        .and_then(|l| l.strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    match label {
        Some("OPENSSH PRIVATE KEY") => {
            let key = PrivateKey::from_openssh(text).map_err(|e| malformed(&e.to_string()))?;
            if key.is_encrypted() {
                return Err(encrypted());
            }
            openssh(&key).map_err(|e| malformed(&e.to_string()))
        }
        Some("RSA PRIVATE KEY") if text.contains("ENCRYPTED") => Err(encrypted()),
        Some("ENCRYPTED PRIVATE KEY") => Err(encrypted()),
        Some("RSA PRIVATE KEY") => {
            let key = rsa::RsaPrivateKey::from_pkcs1_pem(text).map_err(|e| malformed(&e.to_string()))?;
            rsa_identity(key, path.display().to_string()).map_err(|e| malformed(&e.to_string()))
        }
        Some("PRIVATE KEY") if let Ok(key) = rsa::RsaPrivateKey::from_pkcs8_pem(text) => {
            rsa_identity(key, path.display().to_string()).map_err(|e| malformed(&e.to_string()))
        }
        Some(label) if label.ends_with("PRIVATE KEY") => {
            Err(malformed("its form is not known; `ssh-keygen -p -f FILE` rewrites it"))
        }
        _ if text.starts_with("ssh-") || text.starts_with("ecdsa-") => Err(KeyError::Public { path: path.to_owned() }),
        _ => Err(malformed("it doesn't begin as one")),
    }
}

fn openssh(key: &PrivateKey) -> Result<Identity, ssh_key::Error> {
    let comment = key.comment().to_owned();
    match key.key_data() {
        KeypairData::Rsa(pair) => {
            let number = |n: &Mpint| {
                let bytes = n.as_positive_bytes().ok_or(ssh_key::Error::FormatEncoding)?;
                Ok::<_, ssh_key::Error>(rsa::BigUint::from_bytes_be(bytes))
            };
            // Not through ssh-key's own conversion, which takes the first prime twice.
            let key = rsa::RsaPrivateKey::from_components(
                number(&pair.public.n)?,
                number(&pair.public.e)?,
                number(&pair.private.d)?,
                vec![number(&pair.private.p)?, number(&pair.private.q)?],
            )
            .map_err(|_| ssh_key::Error::Crypto)?;
            rsa_identity(key, comment)
        }
        data @ (KeypairData::Ed25519(_) | KeypairData::Ecdsa(_)) => Ok(Identity {
            blob: key.public_key().to_bytes()?,
            comment,
            key: Key::Other(data.clone()),
        }),
        _ => Err(ssh_key::Error::AlgorithmUnsupported {
            algorithm: key.algorithm(),
        }),
    }
}

fn rsa_identity(key: rsa::RsaPrivateKey, comment: String) -> Result<Identity, ssh_key::Error> {
    key.validate().map_err(|_| ssh_key::Error::Crypto)?;
    let e = Mpint::from_positive_bytes(&key.e().to_bytes_be())?;
    let n = Mpint::from_positive_bytes(&key.n().to_bytes_be())?;
    let blob = strings(&[b"ssh-rsa", e.as_bytes(), n.as_bytes()]);
    Ok(Identity {
        blob,
        comment,
        key: Key::Rsa(key),
    })
}
