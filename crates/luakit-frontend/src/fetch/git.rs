//! `git ls-remote`, read as BuildKit reads it
//! (<https://github.com/moby/buildkit/blob/master/source/git/source.go>): a reference is looked for as it is, then
//! among branches, then among tags.

use std::io::ErrorKind;
use std::process::Stdio;

use base64::Engine as _;
use luakit_llb::git_url::GitRemote;
use luakit_llb::reach::{GitRequest, is_commit};
use tokio::process::Command;

use crate::fetch::{GitCommand, PinFailure, Secrets};
use crate::public_url::{GitName, public_url};

pub(super) fn subject(request: &GitRequest) -> String {
    let url = public_url(&request.url);
    format!("git source `{}`", GitName(&url, request.reference.as_deref()))
}

pub(super) async fn commit(git: &GitCommand, secrets: &Secrets, request: &GitRequest) -> Result<String, PinFailure> {
    let remote = GitRemote::parse(&request.url).map_err(|e| PinFailure::Url(e.to_string()))?;
    let mut command = Command::new(&git.program);
    command.args(["ls-remote", "--", &remote.remote]);
    match &request.reference {
        Some(reference) => command.args([reference.clone(), format!("{reference}^{{}}")]),
        None => command.arg("HEAD"),
    };
    environment(&mut command, secrets, request, &remote);
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
        let said = String::from_utf8_lossy(&ran.stderr).replace(&remote.remote, &public_url(&remote.remote));
        return Err(PinFailure::Git { message: told(&said) });
    }
    choose(&String::from_utf8_lossy(&ran.stdout), request.reference.as_deref())
}

/// Nothing of a repository that we happen to stand in, no questions, no transport that runs programs.
fn environment(command: &mut Command, secrets: &Secrets, request: &GitRequest, remote: &GitRemote) {
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE"] {
        command.env_remove(name);
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git")
        .env("LC_ALL", "C");
    let Some((scheme, _)) = remote
        .remote
        .split_once("://")
        .filter(|(scheme, _)| scheme.starts_with("http"))
    else {
        return;
    };
    if let Some(header) = authorization(secrets, request, &remote.host) {
        // By the environment: a command line is everybody's to read.
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env(
                "GIT_CONFIG_KEY_0",
                format!("http.{scheme}://{}/.extraheader", remote.host),
            )
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: {header}"));
    }
}

/// The secret for this host comes before the one for every host, a header before a token.
fn authorization(secrets: &Secrets, request: &GitRequest, host: &str) -> Option<String> {
    let of = |name: &str| secrets.0.get(name).map(|secret| secret.trim().to_owned());
    let basic = |token: String| {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
        format!("basic {pair}")
    };
    let header = request.auth_header_secret.as_deref().unwrap_or("GIT_AUTH_HEADER");
    let token = request.auth_token_secret.as_deref().unwrap_or("GIT_AUTH_TOKEN");
    of(&format!("{header}.{host}"))
        .or_else(|| of(&format!("{token}.{host}")).map(basic))
        .or_else(|| of(header))
        .or_else(|| of(token).map(basic))
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

/// What went wrong, of all that git says: the line that it calls fatal.
fn told(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let fatal = lines().find_map(|line| line.strip_prefix("fatal: "));
    let line = fatal.or_else(|| lines().next_back()).unwrap_or("nothing");
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
        };
        let secrets = |names: &[&str]| {
            let named = names.iter().map(|n| ((*n).to_owned(), format!("value of {n}\n")));
            authorization(&Secrets(named.collect()), &request, "h.com")
        };
        assert_eq!(secrets(&[]), None);
        assert_eq!(secrets(&["HEADER", "TOKEN"]).as_deref(), Some("value of HEADER"));
        assert_eq!(
            secrets(&["HEADER", "TOKEN.h.com"]).as_deref(),
            Some("basic eC1hY2Nlc3MtdG9rZW46dmFsdWUgb2YgVE9LRU4uaC5jb20=")
        );
    }
}
