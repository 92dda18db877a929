//! The capabilities that an op needs of an engine, as `solver/pb/caps.go` spells them.
//!
//! An engine checks them before it solves, so an op lists exactly those that BuildKit's client lists.

pub(crate) const CONSTRAINTS: &str = "constraints";
pub(crate) const PLATFORM: &str = "platform";
pub(crate) const META_DESCRIPTION: &str = "meta.description";
pub(crate) const META_IGNORE_CACHE: &str = "meta.ignorecache";
pub(crate) const META_EXPORT_CACHE: &str = "meta.exportcache";

pub(crate) const EXEC_META_BASE: &str = "exec.meta.base";
pub(crate) const EXEC_META_CDI: &str = "exec.meta.cdi";
pub(crate) const EXEC_META_LINUX_RESOURCES: &str = "exec.meta.linux.resources";
pub(crate) const EXEC_META_NETWORK: &str = "exec.meta.network";
pub(crate) const EXEC_META_PROXY: &str = "exec.meta.proxyenv";
pub(crate) const EXEC_META_SECURITY: &str = "exec.meta.security";
pub(crate) const EXEC_META_ULIMIT: &str = "exec.meta.ulimit";
pub(crate) const EXEC_MOUNT_BIND: &str = "exec.mount.bind";
pub(crate) const EXEC_MOUNT_CACHE: &str = "exec.mount.cache";
pub(crate) const EXEC_MOUNT_CACHE_SHARING: &str = "exec.mount.cache.sharing";
pub(crate) const EXEC_MOUNT_SECRET: &str = "exec.mount.secret";
pub(crate) const EXEC_MOUNT_SELECTOR: &str = "exec.mount.selector";
pub(crate) const EXEC_MOUNT_SSH: &str = "exec.mount.ssh";
pub(crate) const EXEC_MOUNT_TMPFS: &str = "exec.mount.tmpfs";
pub(crate) const EXEC_MOUNT_TMPFS_SIZE: &str = "exec.mount.tmpfs.size";
pub(crate) const EXEC_SECRET_ENV: &str = "exec.secretenv";
pub(crate) const EXEC_VALID_EXIT_CODE: &str = "exec.validexitcode";

pub(crate) const FILE_BASE: &str = "file.base";
pub(crate) const MERGE: &str = "mergeop";
pub(crate) const DIFF: &str = "diffop";

pub(crate) const SOURCE_GIT: &str = "source.git";
pub(crate) const SOURCE_GIT_CHECKSUM: &str = "source.git.checksum";
pub(crate) const SOURCE_GIT_FETCH_BY_COMMIT: &str = "source.git.fetchbycommit";
pub(crate) const SOURCE_GIT_FULL_URL: &str = "source.git.fullurl";
pub(crate) const SOURCE_GIT_HTTP_AUTH: &str = "source.git.httpauth";
pub(crate) const SOURCE_GIT_KEEP_DIR: &str = "source.git.keepgitdir";
pub(crate) const SOURCE_GIT_KNOWN_SSH_HOSTS: &str = "source.git.knownsshhosts";
pub(crate) const SOURCE_GIT_MOUNT_SSH_SOCK: &str = "source.git.mountsshsock";
pub(crate) const SOURCE_GIT_MTIME: &str = "source.git.mtime";
pub(crate) const SOURCE_GIT_SKIP_SUBMODULES: &str = "source.git.skipsubmodules";
pub(crate) const SOURCE_HTTP: &str = "source.http";
pub(crate) const SOURCE_HTTP_AUTH: &str = "source.http.auth";
pub(crate) const SOURCE_HTTP_CHECKSUM: &str = "source.http.checksum";
pub(crate) const SOURCE_HTTP_HEADER: &str = "source.http.header";
pub(crate) const SOURCE_HTTP_PERM: &str = "source.http.perm";
/// Misspelt upstream, and so everywhere.
pub(crate) const SOURCE_HTTP_UID_GID: &str = "soruce.http.uidgid";
pub(crate) const SOURCE_IMAGE: &str = "source.image";
pub(crate) const SOURCE_IMAGE_CHECKSUM: &str = "source.image.checksum";
pub(crate) const SOURCE_IMAGE_LAYER_LIMIT: &str = "source.image.layerlimit";
pub(crate) const SOURCE_IMAGE_RESOLVE_MODE: &str = "source.image.resolvemode";
pub(crate) const SOURCE_LOCAL: &str = "source.local";
pub(crate) const SOURCE_LOCAL_EXCLUDE: &str = "source.local.excludepatterns";
pub(crate) const SOURCE_LOCAL_FOLLOW_PATHS: &str = "source.local.followpaths";
pub(crate) const SOURCE_LOCAL_INCLUDE: &str = "source.local.includepatterns";
pub(crate) const SOURCE_LOCAL_METADATA_TRANSFER: &str = "source.local.metadatatransfer";
pub(crate) const SOURCE_LOCAL_SESSION: &str = "source.local.sessionid";
pub(crate) const SOURCE_LOCAL_SHARED_KEY_HINT: &str = "source.local.sharedkeyhint";
pub(crate) const SOURCE_LOCAL_UNIQUE: &str = "source.local.unique";
pub(crate) const SOURCE_OCI_LAYOUT: &str = "source.ocilayout";
