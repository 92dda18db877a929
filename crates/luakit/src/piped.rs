//! What comes on stdin, read to its end.

use std::io::{IsTerminal as _, Read as _};

use crate::failure::{Failure, reason};

/// Reads all of it. `what` it has to be is for errors; at a terminal there is none, and `hint` says how to give it.
pub(crate) fn read(what: &str, hint: &str) -> Result<Vec<u8>, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage(format!("there is no {what} on stdin")).hint(hint));
    }
    let mut bytes = Vec::new();
    let read = stdin.lock().read_to_end(&mut bytes);
    read.map_err(|e| Failure::usage(format!("can't read the {what} on stdin: {}", reason(&e))))?;
    Ok(bytes)
}
