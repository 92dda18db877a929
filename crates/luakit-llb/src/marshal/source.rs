//! Source ops: identifiers and attributes (`solver/pb/attr.go`, `client/llb/source.go`).

use luakit_proto::{map, pb};

use crate::git_url::GitRemote;
use crate::marshal::{Options, Wire, caps, go_json};
use crate::op::{Differ, GitSource, HttpSource, ImageSource, LocalSource, OciLayoutSource, ResolveMode, Source};
use crate::platform::Platform;

/// The name of the build context among local sources.
pub const CONTEXT: &str = "context";

/// An identifier, with attributes and capabilities that are added as options ask for them.
struct Attributes {
    attrs: Vec<(&'static str, String)>,
    caps: Vec<&'static str>,
}

impl Attributes {
    fn new(cap: &'static str) -> Self {
        Self {
            attrs: Vec::new(),
            caps: vec![cap],
        }
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.attrs.push((name, value.into()));
        self
    }

    fn cap(&mut self, cap: &'static str) -> &mut Self {
        self.caps.push(cap);
        self
    }

    fn list(&mut self, name: &'static str, items: &[String], cap: &'static str) {
        if !items.is_empty() {
            self.set(name, go_json::string_array(items)).cap(cap);
        }
    }

    fn into_wire(self, identifier: String, platform: Option<(&Platform, bool)>) -> Wire {
        let source = pb::SourceOp {
            identifier,
            attrs: map::entries(self.attrs),
        };
        let op = pb::Op {
            platform: platform.map(|(platform, _)| super::platform_message(platform)),
            constraints: Some(pb::WorkerConstraints::default()),
            op: Some(pb::op::Op::Source(source)),
            ..Default::default()
        };
        Wire {
            op,
            caps: self.caps,
            explicit_platform: platform.is_some_and(|(_, explicit)| explicit),
        }
    }
}

pub(super) fn source(source: &Source, options: &Options<'_>) -> Wire {
    match source {
        Source::Image(s) => image(s, options),
        Source::Local(s) => local(s, options),
        Source::Git(s) => git(s, options),
        Source::Http(s) => http(s, options),
        Source::OciLayout(s) => oci_layout(s, options),
    }
}

fn image(source: &ImageSource, options: &Options<'_>) -> Wire {
    let mut a = Attributes::new(caps::SOURCE_IMAGE);
    let mode = match source.resolve_mode {
        ResolveMode::Default => options.resolve_mode,
        own => own,
    };
    match mode {
        ResolveMode::Default => {}
        ResolveMode::ForcePull => {
            a.set("image.resolvemode", mode.as_str())
                .cap(caps::SOURCE_IMAGE_RESOLVE_MODE);
        }
        ResolveMode::PreferLocal => {
            a.set("image.resolvemode", mode.as_str());
        }
    }
    if let Some(limit) = source.layer_limit {
        a.set("image.layerlimit", limit.to_string())
            .cap(caps::SOURCE_IMAGE_LAYER_LIMIT);
    }
    if let Some(checksum) = &source.checksum {
        a.set("image.checksum", checksum.as_str())
            .cap(caps::SOURCE_IMAGE_CHECKSUM);
    }
    let platform = source.platform.as_ref().unwrap_or(options.platform);
    let identifier = match options.pins.image(&source.reference, platform) {
        Some(resolved) if source.resolve_digest => resolved.pinned(&source.reference),
        _ => source.reference.clone(),
    };
    a.into_wire(
        format!("docker-image://{identifier}"),
        Some((platform, source.platform.is_some())),
    )
}

fn oci_layout(source: &OciLayoutSource, options: &Options<'_>) -> Wire {
    let mut a = Attributes::new(caps::SOURCE_OCI_LAYOUT);
    if let Some(store) = &source.store {
        a.set("oci.store", store.as_str());
    }
    if let Some(limit) = source.layer_limit {
        a.set("oci.layerlimit", limit.to_string());
    }
    let platform = source.platform.as_ref().unwrap_or(options.platform);
    a.into_wire(
        format!("oci-layout://{}", source.reference),
        Some((platform, source.platform.is_some())),
    )
}

fn local(source: &LocalSource, options: &Options<'_>) -> Wire {
    let mut a = Attributes::new(caps::SOURCE_LOCAL);
    a.list("local.includepattern", &source.include, caps::SOURCE_LOCAL_INCLUDE);
    let ignored = if source.name == CONTEXT {
        options.context_excludes
    } else {
        &[]
    };
    let exclude: Vec<String> = ignored.iter().chain(&source.exclude).cloned().collect();
    a.list("local.excludepatterns", &exclude, caps::SOURCE_LOCAL_EXCLUDE);
    a.list(
        "local.followpaths",
        &source.follow_paths,
        caps::SOURCE_LOCAL_FOLLOW_PATHS,
    );
    if let Some(session) = &source.session {
        a.set("local.session", session.as_str()).cap(caps::SOURCE_LOCAL_SESSION);
    }
    if let Some(hint) = &source.shared_key_hint {
        a.set("local.sharedkeyhint", hint.as_str())
            .cap(caps::SOURCE_LOCAL_SHARED_KEY_HINT);
    }
    match source.differ {
        None => {}
        Some(Differ::None) => {
            a.set("local.differ", "none");
        }
        Some(Differ::Metadata) => {
            a.set("local.differ", "metadata");
        }
    }
    if source.list_only {
        a.set("local.metadatatransfer", "true")
            .cap(caps::SOURCE_LOCAL_METADATA_TRANSFER);
    }
    a.set("local.unique", options.local_unique)
        .cap(caps::SOURCE_LOCAL_UNIQUE);
    a.into_wire(format!("local://{}", source.name), None)
}

fn git(source: &GitSource, options: &Options<'_>) -> Wire {
    let remote = GitRemote::parse(&source.url).ok();
    let url = remote.as_ref().map_or(source.url.as_str(), |r| r.remote.as_str());
    let mut a = Attributes::new(caps::SOURCE_GIT);
    if source.keep_git_dir {
        a.set("git.keepgitdir", "true").cap(caps::SOURCE_GIT_KEEP_DIR);
    }
    a.set("git.fullurl", url).cap(caps::SOURCE_GIT_FULL_URL);
    for (name, secret, default) in [
        ("git.authtokensecret", &source.auth_token_secret, "GIT_AUTH_TOKEN"),
        ("git.authheadersecret", &source.auth_header_secret, "GIT_AUTH_HEADER"),
    ] {
        a.set(name, secret.as_deref().unwrap_or(default));
        if secret.is_some() {
            a.cap(caps::SOURCE_GIT_HTTP_AUTH);
        }
    }
    if remote.as_ref().is_some_and(|r| r.ssh) {
        if let Some(hosts) = &source.known_ssh_hosts {
            a.set("git.knownsshhosts", format!("{}\n", hosts.trim_end_matches('\n')));
        }
        a.cap(caps::SOURCE_GIT_KNOWN_SSH_HOSTS);
        a.set("git.mountsshsock", source.ssh_socket.as_deref().unwrap_or("default"));
        a.cap(caps::SOURCE_GIT_MOUNT_SSH_SOCK);
    }
    if let Some(checksum) = &source.checksum {
        a.set("git.checksum", checksum.as_str()).cap(caps::SOURCE_GIT_CHECKSUM);
    }
    if source.skip_submodules {
        a.set("git.skipsubmodules", "true")
            .cap(caps::SOURCE_GIT_SKIP_SUBMODULES);
    }
    if source.mtime_commit {
        a.set("git.mtime", "commit").cap(caps::SOURCE_GIT_MTIME);
    }
    if source.fetch_by_commit {
        a.set("git.fetchbycommit", "true").cap(caps::SOURCE_GIT_FETCH_BY_COMMIT);
    }
    let mut id = remote.map_or_else(|| source.url.clone(), |r| r.identifier());
    let pin = options.pins.git(&source.url, source.reference.as_deref());
    let reference = pin.or(source.reference.as_deref());
    if reference.is_some() || source.subdir.is_some() {
        id.push('#');
        id.push_str(reference.unwrap_or_default());
    }
    if let Some(subdir) = &source.subdir {
        id.push(':');
        id.push_str(subdir);
    }
    a.into_wire(format!("git://{id}"), None)
}

fn http(source: &HttpSource, options: &Options<'_>) -> Wire {
    let mut a = Attributes::new(caps::SOURCE_HTTP);
    if let Some(checksum) = source.checksum.as_ref().or_else(|| options.pins.http(&source.url)) {
        a.set("http.checksum", checksum.as_str())
            .cap(caps::SOURCE_HTTP_CHECKSUM);
    }
    if let Some(mode) = source.chmod.map(|mode| mode & 0o777).filter(|mode| *mode != 0) {
        a.set("http.perm", format!("0{mode:o}")).cap(caps::SOURCE_HTTP_PERM);
    }
    if let Some(name) = &source.filename {
        a.set("http.filename", name.as_str());
    }
    for (name, id) in [("http.uid", source.uid), ("http.gid", source.gid)] {
        if let Some(id) = id.filter(|id| *id != 0) {
            a.set(name, id.to_string()).cap(caps::SOURCE_HTTP_UID_GID);
        }
    }
    if let Some(secret) = &source.auth_header_secret {
        a.set("http.authheadersecret", secret.as_str())
            .cap(caps::SOURCE_HTTP_AUTH);
    }
    for (name, value) in [
        ("http.header.accept", &source.accept),
        ("http.header.user-agent", &source.user_agent),
    ] {
        if let Some(value) = value {
            a.set(name, value.as_str()).cap(caps::SOURCE_HTTP_HEADER);
        }
    }
    a.into_wire(source.url.clone(), None)
}
