//! What an engine lacks, in the script's words: options, not the protocol's capabilities.

use luakit_buildkit::MissingCap;

/// A capability, what needs it in a script, and what does without it.
const NAMES: &[(&str, &str, Option<&str>)] = &[
    ("diffop", "`bk.diff`", None),
    ("exec.meta.cdi", "`devices` of `run`", None),
    (
        "exec.meta.linux.resources",
        "`resources` of `run`",
        Some("`ulimits` may do"),
    ),
    ("exec.meta.ulimit", "`ulimits` of `run`", None),
    ("exec.mount.tmpfs.size", "`size` of `bk.tmpfs`", None),
    (
        "exec.secretenv",
        "`env` of `bk.secret`",
        Some("mount the secret as a file, and read that in the command"),
    ),
    (
        "exec.validexitcode",
        "`valid_exit_codes` of `run`",
        Some("let the command itself succeed: `:run(\"… || [ $? -eq 1 ]\")`"),
    ),
    ("exporter.multiple", "several outputs of one build", None),
    (
        "file.copy.alwaysreplaceexistingdestpaths",
        "`always_replace` of `copy`",
        Some("`:rm` what is there first"),
    ),
    (
        "file.copy.includeexcludepatterns",
        "`include` and `exclude` of `copy`",
        None,
    ),
    (
        "file.copy.modestring",
        "a symbolic `mode` of `copy`",
        Some("write the mode as digits, or change it with a run: `:run(\"chmod u+x …\")`"),
    ),
    ("file.copy.requiredpaths", "`required_paths` of `copy`", None),
    (
        "file.symlink.create",
        "`symlink`",
        Some("make the link with a run: `:run(\"ln -s …\")`"),
    ),
    ("mergeop", "`bk.merge`", None),
    ("source.git.checksum", "`checksum` of `bk.git`", None),
    ("source.git.skipsubmodules", "`skip_submodules` of `bk.git`", None),
    ("source.http.auth", "`auth_header_secret` of `bk.http`", None),
    ("source.http.header", "`headers` of `bk.http`", None),
    ("source.image.checksum", "`checksum` of `bk.image`", None),
    ("source.image.layerlimit", "`layer_limit` of `bk.image`", None),
    ("source.ocilayout", "image layouts (`bk.oci_layout`)", None),
];

/// What the user calls a capability; BuildKit's own name for it where a script has no word for it.
pub(super) fn named(cap: &MissingCap) -> String {
    let known = NAMES.iter().find(|(name, ..)| *name == cap.cap);
    known.map_or_else(|| format!("`{}`", cap.cap), |(_, words, _)| (*words).to_owned())
}

/// What does without it.
pub(super) fn instead(cap: &MissingCap) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(name, ..)| *name == cap.cap)
        .and_then(|(.., instead)| *instead)
}
