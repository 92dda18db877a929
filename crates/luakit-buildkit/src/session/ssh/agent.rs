//! The agent protocol, as far as a build may speak it.
//!
//! Messages are a big-endian length and that many bytes, the first of which is the type
//! (<https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent>). Two types pass; every other is
//! answered by `SSH_AGENT_FAILURE` without the agent hearing of it.

use std::io;
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::keys::Keyring;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The longest message, which is OpenSSH's own limit.
const LONGEST: usize = 256 << 10;

/// What isn't the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {0} bytes is none of the ssh agent protocol")]
pub(crate) struct Malformed(usize);

/// Takes the first whole message from `pending`, without its length.
pub(crate) fn split(pending: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
    let Some(length) = pending.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 || length > LONGEST {
        return Err(Malformed(length));
    }
    if pending.len() < 4 + length {
        return Ok(None);
    }
    pending.advance(4);
    Ok(Some(pending.split_to(length).freeze()))
}

/// Puts its length before a message.
fn framed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + message.len());
    put_string(&mut out, message);
    out.freeze()
}

/// Who answers what passes.
pub(crate) enum Backend {
    Socket(UnixStream),
    Keys(Arc<Keyring>),
}

impl Backend {
    /// Answers one request; the answer has its length before it.
    pub(crate) async fn answer(&mut self, request: Bytes) -> io::Result<Bytes> {
        let allowed = match request.first() {
            Some(&REQUEST_IDENTITIES) => request.len() == 1,
            Some(&SIGN_REQUEST) => true,
            _ => false,
        };
        if !allowed {
            return Ok(framed(&[FAILURE]));
        }
        match self {
            Self::Socket(socket) => ask(socket, &request).await,
            Self::Keys(keys) => {
                let keys = Arc::clone(keys);
                // Signing with a long RSA key takes a while.
                let answer = tokio::task::spawn_blocking(move || answer(&keys, &request)).await;
                Ok(framed(&answer.map_err(io::Error::other)?))
            }
        }
    }
}

/// Passes a request on to an agent.
async fn ask(socket: &mut UnixStream, request: &[u8]) -> io::Result<Bytes> {
    socket.write_all(&framed(request)).await?;
    let length = socket.read_u32().await? as usize;
    if length == 0 || length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, Malformed(length)));
    }
    let mut message = vec![0; length];
    socket.read_exact(&mut message).await?;
    Ok(framed(&message))
}

/// What an agent with these keys answers.
fn answer(keys: &Keyring, request: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    match request.split_first() {
        Some((&REQUEST_IDENTITIES, _)) => {
            out.put_u8(IDENTITIES_ANSWER);
            out.put_u32(u32::try_from(keys.identities().len()).unwrap_or(0));
            for (blob, comment) in keys.identities() {
                put_string(&mut out, blob);
                put_string(&mut out, comment.as_bytes());
            }
        }
        Some((&SIGN_REQUEST, rest)) => match sign(keys, rest) {
            Some(signature) => {
                out.put_u8(SIGN_RESPONSE);
                put_string(&mut out, &signature);
            }
            None => out.put_u8(FAILURE),
        },
        _ => out.put_u8(FAILURE),
    }
    out.to_vec()
}

fn sign(keys: &Keyring, rest: &[u8]) -> Option<Vec<u8>> {
    let (blob, rest) = take_string(rest)?;
    let (data, rest) = take_string(rest)?;
    let flags = u32::from_be_bytes(*rest.first_chunk()?);
    keys.sign(blob, data, flags)
}

pub(crate) fn put_string(out: &mut BytesMut, text: &[u8]) {
    // Nothing here comes near 4 GiB.
    out.put_u32(u32::try_from(text.len()).unwrap_or(0));
    out.put_slice(text);
}

fn take_string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Whatever a step sends, taking it apart ends and an answer is one message.
        #[test]
        fn any_request(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            let mut pending = BytesMut::from(&*bytes);
            while let Ok(Some(request)) = split(&mut pending) {
                let mut answer = BytesMut::from(&*framed(&answer(&Keyring::default(), &request)));
                proptest::prop_assert!(split(&mut answer).unwrap().is_some());
                proptest::prop_assert!(answer.is_empty());
            }
        }
    }
}
