//! The flags of every command that builds on an engine.

use std::path::PathBuf;

use super::attach::AttachArgs;
use super::choice::EngineChoice;
use crate::flags::entitlement::{self, Allowed};
use crate::flags::local;
use crate::progress::ProgressArgs;

/// What surrounds a build on an engine.
#[derive(Debug, clap::Args)]
pub(crate) struct EngineArgs {
    /// Give the build a local directory under the name that the script uses
    #[arg(long, value_name = "NAME=DIR", value_parser = local::parse, help_heading = "Inputs")]
    pub(crate) local: Vec<(String, PathBuf)>,
    /// Let the build do more than it may by itself: `network.host`, `security.insecure`, `device` or `device=NAME`; several
    /// are separated by commas
    #[arg(long, value_name = "ENTITLEMENT", value_parser = entitlement::parse, help_heading = "Runs")]
    allow: Vec<Allowed>,
    #[command(flatten)]
    pub(crate) attach: AttachArgs,
    #[command(flatten)]
    pub(crate) progress: ProgressArgs,
    #[command(flatten)]
    pub(crate) choice: EngineChoice,
}

impl EngineArgs {
    /// The entitlements that are given.
    pub(crate) fn allowed(&self) -> Vec<String> {
        self.allow.iter().flat_map(|Allowed(names)| names).cloned().collect()
    }

    /// The first of these flags that is given, for a command that may do without an engine.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        let choice = &self.choice;
        let given = [
            (!self.local.is_empty(), "--local"),
            (!self.allow.is_empty(), "--allow"),
            (self.progress.is_given(), "--progress"),
            (choice.addr.is_some(), "--addr"),
            (choice.builder.is_some(), "--builder"),
            (choice.tlscacert.is_some(), "--tlscacert"),
            (choice.tlscert.is_some(), "--tlscert"),
            (choice.tlsservername.is_some(), "--tlsservername"),
            (choice.tlsdir.is_some(), "--tlsdir"),
        ];
        let own = given.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag);
        own.or_else(|| self.attach.given())
    }
}
