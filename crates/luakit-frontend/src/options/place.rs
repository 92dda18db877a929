//! Where the script and the build context are.

use luakit_llb::op::GitSource;

use super::OptionError;
use super::epoch;
use super::given::Given;
use crate::git_context;

/// Where the script and the build context are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The script's path: in the client's directory of scripts, or in the context where that is elsewhere.
    pub filename: String,
    /// The build context.
    pub context: MainContext,
    /// The directory of the context that takes its place. It is for contexts that are no directory of the client's:
    /// of those the client sends a part itself.
    pub subdir: Option<String>,
    /// What the client calls the directory that the script is in.
    pub script_local: String,
    /// Whether the script is in that directory wherever the context is.
    pub script_is_local: bool,
    /// What the client calls the directory that is the context.
    pub context_local: String,
}

/// What the build context is.
#[derive(Debug, Clone)]
pub enum MainContext {
    /// A directory of the client's, or a frontend's input of its name.
    Local,
    /// A git repository.
    Git(GitSource),
    /// A download, from the web or from the client itself (`http://buildkit-session/…`): an archive, or the script.
    Http(String),
}

/// Keeps `.git` in a context.
const KEEP_GIT_DIR: &str = "build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR";

impl Place {
    pub(super) fn of(given: Given<'_>) -> Result<Self, OptionError> {
        // It renames the option, not the directory: <https://github.com/moby/buildkit/blob/master/frontend/dockerui/context.go>.
        let option = given.get("contextkey").unwrap_or("context");
        let script_local = given.get("dockerfilekey");
        Ok(Self {
            filename: filename(given),
            context: main_context(given, option)?,
            subdir: given.get("contextsubdir").map(str::to_owned),
            script_local: script_local.unwrap_or("dockerfile").to_owned(),
            script_is_local: script_local.is_some(),
            context_local: "context".to_owned(),
        })
    }
}

/// The script's name where none is given. If another frontend found us named in a file, it is the one that this
/// frontend reads by default.
fn filename(given: Given<'_>) -> String {
    let default = match given.get("cmdline") {
        Some(_) => "Dockerfile",
        None => "build.lua",
    };
    given.get("filename").unwrap_or(default).to_owned()
}

fn main_context(given: Given<'_>, option: &str) -> Result<MainContext, OptionError> {
    let keep_git_dir = given.flag(KEEP_GIT_DIR)?.unwrap_or(false);
    let Some(url) = given.get(option) else {
        return Ok(MainContext::Local);
    };
    if git_context::is_git_context(url) {
        // With one time for everything the times of a checkout would be odd, unless the URL asks for them.
        let source = git_context::parse_with_times(url, given.get(epoch::OPTION).is_some());
        let source = source.map_err(|error| OptionError::secret(option, error.to_string()))?;
        return Ok(MainContext::Git(GitSource {
            keep_git_dir: source.keep_git_dir || keep_git_dir,
            ..source
        }));
    }
    if git_context::has_credentials(url) {
        return Err(OptionError::secret(
            option,
            "a user in a URL would be in the build's definition: leave it out",
        ));
    }
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(MainContext::Http(url.to_owned()));
    }
    Err(
        OptionError::secret(option, "it is the URL of neither a git repository nor a file")
            .with_hint("a repository's web address ends in `.git`; leave the option out for a directory"),
    )
}
