//! What a build may use of this machine besides directories: secrets, SSH agents, image layouts; and the policy that
//! its sources are under.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use luakit_buildkit::source_policy::Policy;
use luakit_buildkit::{Attachments, ContentStore, SecretSource, source_policy};
use luakit_diagnostic::Diagnostic;

use crate::environment::Environment;
use crate::failure::{Failure, Kind, reason};
use crate::flags::secret::{self, SecretSpec};
use crate::flags::ssh::{self, SshSpec};
use crate::flags::{local, secret as secret_flag};

/// What is attached to a build.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Inputs")]
pub(crate) struct AttachArgs {
    /// Give steps a secret by the name that the script uses: a file's content, or an environment variable's. Without
    /// either, the variable of that name, else the file of that name
    #[arg(long, value_name = "id=NAME[,src=FILE|env=VAR]", value_parser = secret::parse)]
    secret: Vec<SecretSpec>,
    /// Let steps use an ssh agent: the one that runs (`default`), another one's socket, or keys without a passphrase; with
    /// `raw=true`, any socket as it is
    #[arg(long, value_name = "default|ID[=SOCKET[,raw=true]|KEY[,KEY]]", value_parser = ssh::parse)]
    ssh: Vec<SshSpec>,
    /// Give the build an OCI image layout under the name that the script uses
    #[arg(long, value_name = "NAME=DIR", value_parser = local::parse)]
    oci_layout: Vec<(String, PathBuf)>,
    /// Put the build's sources under the policy in this file [default: what `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY` names]
    #[arg(long, value_name = "FILE")]
    source_policy_file: Option<PathBuf>,
}

impl AttachArgs {
    /// A flag that only means something to an engine. A layout also says the configs of its images.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--secret", !self.secret.is_empty()),
            ("--ssh", !self.ssh.is_empty()),
            ("--source-policy-file", self.source_policy_file.is_some()),
        ];
        flags.iter().find(|(_, given)| *given).map(|(flag, _)| *flag)
    }

    /// What steps and sources may use. Values of variables are read here, those of files when they are asked for.
    pub(crate) fn attachments(&self, environment: &Environment) -> Result<Attachments, Failure> {
        let mut attachments = Attachments::default();
        for spec in &self.secret {
            let source = match &spec.source {
                secret_flag::SecretSource::File(path) => SecretSource::File(path.clone()),
                secret_flag::SecretSource::Env(_) => {
                    let wrong = |why| Failure::usage(format!("the secret `{}`: {why}", spec.id));
                    SecretSource::Value(spec.value().map_err(wrong)?)
                }
            };
            attachments.secrets.insert(spec.id.clone(), source);
        }
        for spec in &self.ssh {
            let source = spec.source(environment.ssh_auth_sock.as_deref())?;
            attachments.ssh.insert(spec.id.clone(), source);
        }
        attachments.stores = self.layouts()?;
        Ok(attachments)
    }

    /// The layouts, by the names that engines ask for them by.
    pub(crate) fn layouts(&self) -> Result<BTreeMap<String, ContentStore>, Failure> {
        let mut stores = BTreeMap::new();
        for (name, dir) in &self.oci_layout {
            let store = ContentStore {
                dir: dir.clone(),
                writable: false,
            };
            if stores.insert(format!("oci:{name}"), store).is_some() {
                return Err(Failure::usage(format!("`--oci-layout` gives `{name}` twice")));
            }
        }
        Ok(stores)
    }

    /// The policy of the file that was named, by the flag or else by the environment.
    pub(crate) fn source_policy(&self, environment: &Environment) -> Result<Option<Policy>, Failure> {
        let file = self.source_policy_file.as_ref().or(environment.source_policy.as_ref());
        file.map(|file| read_policy(file)).transpose()
    }
}

fn read_policy(file: &Path) -> Result<Policy, Failure> {
    let text = std::fs::read(file).map_err(|e| {
        Failure::usage(format!(
            "can't read the source policy `{}`: {}",
            file.display(),
            reason(&e)
        ))
    })?;
    source_policy::parse(&text).map_err(|error| {
        let message = format!("`{}` is no source policy: {error}", file.display());
        Failure::new(Kind::Usage, Diagnostic::error("source-policy", message))
    })
}
