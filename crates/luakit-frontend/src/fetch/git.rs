//! `git ls-remote`, read as BuildKit reads it
//! (<https://github.com/moby/buildkit/blob/master/source/git/source.go>): a reference is looked for as it is, then
//! among branches, then among tags.

use std::io::{ErrorKind, Write as _};
use std::process::Stdio;

use base64::Engine as _;
use luakit_llb::git_url::GitRemote;
use luakit_llb::reach::{GitRequest, is_commit};
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::fetch::git_login::{Login, Settings};
use crate::fetch::{GitCommand, PinFailure, SecretError, Secrets};
use crate::public_url::public_url;

pub(super) async fn commit(git: &GitCommand, secrets: &Secrets, request: &GitRequest) -> Result<String, PinFailure> {
    let remote = GitRemote::parse(&request.url).map_err(|e| PinFailure::Url(e.to_string()))?;
    let mut command = Command::new(&git.program);
    command.args(["ls-remote", "--", &public_url(&remote.remote)]);
    match &request.reference {
        Some(reference) => command.args([reference.clone(), format!("{reference}^{{}}")]),
        None => command.arg("HEAD"),
    };
    environment(&mut command);
    // It must outlive the command.
    let _known_hosts = if remote.ssh {
        over_ssh(&mut command, git, request).await?
    } else {
        None
    };
    let login = Login::of(&remote.remote);
    if let Some((scheme, _)) = remote.remote.split_once("://").filter(|(s, _)| s.starts_with("http")) {
        let place = format!("{scheme}://{}", remote.host);
        let mut settings = Settings::default();
        if let Some(login) = &login {
            login.give_to(&mut command, &mut settings, &place);
        }
        if let Some(header) = authorization(secrets, request, &remote.host)? {
            settings.add(format!("http.{place}/.extraheader"), format!("Authorization: {header}"));
        }
        settings.give_to(&mut command);
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let program = || git.program.display().to_string();
    let ran = match tokio::time::timeout(git.timeout, command.output()).await {
        Ok(Ok(ran)) => ran,
        Ok(Err(e)) if e.kind() == ErrorKind::NotFound => return Err(PinFailure::NoGit { program: program() }),
        Ok(Err(e)) => return Err(PinFailure::Git { message: e.to_string() }),
        Err(_) => return Err(PinFailure::GitTimedOut { limit: git.timeout }),
    };
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        let said = login.map_or_else(|| said.to_string(), |login| login.hide(&said));
        return Err(PinFailure::Git { message: told(&said) });
    }
    choose(&String::from_utf8_lossy(&ran.stdout), request.reference.as_deref())
}

/// Nothing of a repository that we happen to stand in, no questions, no transport that runs programs.
///
/// git asks for a user by `GIT_ASKPASS`, its configuration's `core.askPass`, `SSH_ASKPASS`, then on the terminal: an
/// empty first one ends the search, and the terminal is forbidden. Credential helpers of the user's own stay, which
/// answer without asking.
fn environment(command: &mut Command) {
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "SSH_ASKPASS",
    ] {
        command.env_remove(name);
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env("GCM_INTERACTIVE", "never")
        .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git")
        .env("LC_ALL", "C");
}

/// The user's own ssh command, told to ask nothing; where the script names hosts' keys, these and no others are known.
/// The file with them is returned.
async fn over_ssh(
    command: &mut Command,
    git: &GitCommand,
    request: &GitRequest,
) -> Result<Option<NamedTempFile>, PinFailure> {
    let mut ssh = match &git.ssh_command {
        Some(own) => own.clone(),
        None => configured_ssh(git).await.unwrap_or_else(|| "ssh".to_owned()),
    };
    ssh.push_str(" -oBatchMode=yes");
    let mut file = None;
    if let Some(hosts) = &request.known_ssh_hosts {
        let written = known_hosts(hosts).map_err(|e| PinFailure::Prepare(e.to_string()))?;
        let path = written.path().display().to_string().replace('\'', "'\\''");
        // ssh splits the value at spaces, unless it is quoted; the shell takes the outer quotes.
        ssh.push_str(" -oStrictHostKeyChecking=yes -oGlobalKnownHostsFile=/dev/null ");
        ssh.extend(["'-oUserKnownHostsFile=\"", path.as_str(), "\"'"]);
        file = Some(written);
    }
    // `-o` is OpenSSH's, so git need not try out what kind of ssh it is.
    command.env("GIT_SSH_COMMAND", ssh).env("GIT_SSH_VARIANT", "ssh");
    Ok(file)
}

fn known_hosts(lines: &str) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(lines.as_bytes())?;
    Ok(file)
}

/// `core.sshCommand` of the user's configuration, which `GIT_SSH_COMMAND` would hide.
async fn configured_ssh(git: &GitCommand) -> Option<String> {
    let mut command = Command::new(&git.program);
    command.args(["config", "--get", "core.sshCommand"]);
    environment(&mut command);
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let ran = tokio::time::timeout(git.timeout, command.output()).await.ok()?.ok()?;
    let value = String::from_utf8(ran.stdout).ok()?;
    Some(value.trim().to_owned()).filter(|value| ran.status.success() && !value.is_empty())
}

/// The secret for this host comes before the one for every host, a header before a token.
fn authorization(secrets: &Secrets, request: &GitRequest, host: &str) -> Result<Option<String>, SecretError> {
    let basic = |token: String| {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
        format!("basic {pair}")
    };
    let header = request.auth_header_secret.as_deref().unwrap_or("GIT_AUTH_HEADER");
    let token = request.auth_token_secret.as_deref().unwrap_or("GIT_AUTH_TOKEN");
    for place in [format!(".{host}"), String::new()] {
        if let Some(header) = secrets.text(&format!("{header}{place}"))? {
            return Ok(Some(header));
        }
        if let Some(token) = secrets.text(&format!("{token}{place}"))? {
            return Ok(Some(basic(token)));
        }
    }
    Ok(None)
}

fn choose(output: &str, reference: Option<&str>) -> Result<String, PinFailure> {
    let find = |name: &str| {
        let mut lines = output.lines().filter_map(|line| line.split_once('\t'));
        let (commit, _) = lines.find(|(commit, found)| *found == name && is_commit(commit))?;
        Some(commit.to_owned())
    };
    let Some(reference) = reference else {
        return find("HEAD").ok_or(PinFailure::Empty);
    };
    let in_folder = |folder: &str| format!("{folder}{}", reference.strip_prefix(folder).unwrap_or(reference));
    ["refs/", "refs/heads/", "refs/tags/"]
        .into_iter()
        .map(in_folder)
        // An annotated tag is an object of its own; what it names stands beside it.
        .find_map(|name| find(&format!("{name}^{{}}")).or_else(|| find(&name)))
        .ok_or_else(|| PinFailure::NoReference {
            reference: reference.to_owned(),
        })
}

/// What went wrong, of all that git says: the line that it calls fatal. Where that only says that ssh ended, what ssh
/// said last.
fn told(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let fatal = lines.iter().position(|line| line.starts_with("fatal: "));
    let before = fatal.and_then(|at| lines.get(at.checked_sub(1)?));
    let line = match fatal.and_then(|at| lines.get(at)?.strip_prefix("fatal: ")) {
        Some("Could not read from remote repository.") => before.copied().unwrap_or("no answer"),
        Some(line) => line,
        None => lines.last().copied().unwrap_or("nothing"),
    };
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
1111111111111111111111111111111111111111\trefs/heads/main
2222222222222222222222222222222222222222\trefs/heads/v1
3333333333333333333333333333333333333333\trefs/tags/v1
4444444444444444444444444444444444444444\trefs/tags/v1^{}
5555555555555555555555555555555555555555\trefs/tags/v2
6666666666666666666666666666666666666666\trefs/tags/v3
7777777777777777777777777777777777777777\trefs/tags/v3^{}
8888888888888888888888888888888888888888\trefs/heads/topic/v2
9999999999999999999999999999999999999999\tHEAD
";

    fn chosen(reference: Option<&str>) -> String {
        choose(OUTPUT, reference).map_or_else(|e| e.to_string(), |commit| commit.chars().take(1).collect())
    }

    #[test]
    fn branches_come_before_tags_and_tags_are_peeled() {
        assert_eq!(chosen(Some("main")), "1");
        assert_eq!(chosen(Some("v1")), "2");
        assert_eq!(chosen(Some("refs/tags/v1")), "4");
        assert_eq!(chosen(Some("v2")), "5");
        assert_eq!(chosen(Some("v3")), "7");
        assert_eq!(chosen(None), "9");
        assert_eq!(chosen(Some("v9")), "the repository has no branch or tag `v9`");
        assert_eq!(choose("", None), Err(PinFailure::Empty));
    }

    #[test]
    fn the_nearest_secret_is_shown() {
        let request = GitRequest {
            url: "https://h.com/a".to_owned(),
            reference: None,
            auth_token_secret: Some("TOKEN".to_owned()),
            auth_header_secret: Some("HEADER".to_owned()),
            known_ssh_hosts: None,
        };
        let secrets = |names: &[&str]| {
            let named = names.iter().map(|n| ((*n).to_owned(), format!("value of {n}\n")));
            authorization(&named.collect(), &request, "h.com").unwrap()
        };
        assert_eq!(secrets(&[]), None);
        assert_eq!(secrets(&["HEADER", "TOKEN"]).as_deref(), Some("value of HEADER"));
        assert_eq!(
            secrets(&["HEADER", "TOKEN.h.com"]).as_deref(),
            Some("basic eC1hY2Nlc3MtdG9rZW46dmFsdWUgb2YgVE9LRU4uaC5jb20=")
        );
    }
}
