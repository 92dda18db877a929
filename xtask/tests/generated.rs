//! What is generated and committed is what would be generated now.
#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn the_protobuf_code_is_current() {
    is_current("proto");
}

#[test]
fn the_docs_and_the_stubs_are_current() {
    is_current("docs");
}

fn is_current(chore: &str) {
    let checked = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args([chore, "--check"])
        .output()
        .unwrap();
    let (said, why) = (
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr),
    );
    assert!(checked.status.success(), "cargo xtask {chore} --check\n{said}{why}");
}
