//! What scripts are warned of, though they run.

use super::evaluate_with;

/// Each warning with its line and its hint.
fn warned(script: &str) -> String {
    let evaluation = evaluate_with(super::Files::default(), script);
    let lines = evaluation.warnings.iter().map(|warning| {
        let line = warning.span.as_ref().map_or(0, |span| span.line);
        let notes = warning.notes.iter().map(|note| format!("\n  note: {note}"));
        let hint = warning.hint.as_deref().unwrap_or_default();
        format!(
            "{line}: {}{}\n  hint: {hint}",
            warning.message,
            notes.collect::<String>()
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn steps_whose_states_are_dropped() {
    let script = r#"
        local s = bk.image("alpine:3.19")
        s:run("one")
        s:copy(bk.local_("context"), "a", "/a")
        local used = s:run("two")
        local labelled = used:run("three"):with_metadata({ description = "third" })
        for i = 1, 3 do used:mkdir("/" .. i) end
        bk.export(labelled)
        bk.export(s:run("other"), { name = "other" })
    "#;
    insta::assert_snapshot!(warned(script), @r"
    3: nothing is made of the state that this step returns: the step isn't built
      note: so it is at build.lua:4, build.lua:7
      hint: states never change: go on with what a method returns (`s = s:run(…)`)
    ");
}

#[test]
fn a_run_that_changes_no_root_is_kept_by_its_outputs() {
    let script = r#"
        local s = bk.image("alpine:3.19")
        bk.export(s:run("check", { readonly_rootfs = true }))
    "#;
    insta::assert_snapshot!(warned(script), @r"
    3: nothing is made of the state that this step returns: the step isn't built
      hint: with `readonly_rootfs` its root is what it was before: go on with what it wrote (`run:output(dest)`)
    ");
}

#[test]
fn outputs_of_a_run_keep_it() {
    let script = r#"
        local s = bk.image("alpine:3.19")
        local made = s:run("make", { mounts = { bk.bind(bk.scratch(), "/out", { readonly = false }) } })
        bk.export(made:output("/out"))
    "#;
    assert_eq!(warned(script), "");
}

#[test]
fn the_library_loses_nothing() {
    let script = r#"
        local prelude = require("prelude")
        bk.export(prelude.go_binary_app("1.22-alpine", bk.local_("context"), { runtime_version = "3.19" }))
        bk.export(prelude.node_app("20-alpine", bk.local_("context"), {}), { name = "node" })
    "#;
    assert_eq!(warned(script), "");
}

#[test]
fn a_dot_and_variables_mean_what_they_say() {
    let script = r#"
        local context = bk.local_("context")
        local s = bk.image("python:3.11"):workdir("/app")
            :copy(context, "package.json", ".")
            :copy(context, ".", "."):copy(context, "src/", "."):copy(context, "*.json", "."):copy(context, "a", "./")
            :env({ PATH = "/venv/bin:$PATH", PS1 = "$ " })
        bk.export(s, { env = { HOME = "${HOME}/x" } })
    "#;
    insta::assert_snapshot!(warned(script), @r#"
    4: a file that is copied to `.` takes the place of the working directory, unless that is there already
      hint: write `"./"`: into the directory
    6: `$PATH` in the value of `PATH` stays as it is: nothing is put in
      hint: write the whole value; of build arguments, with `..`: `"v" .. bk.arg("VERSION")`
    7: `${HOME}` in the value of `HOME` stays as it is: nothing is put in
      hint: write the whole value; of build arguments, with `..`: `"v" .. bk.arg("VERSION")`
    "#);
}

#[test]
fn an_export_for_another_platform_than_its_image() {
    let script = r#"
        local arm = bk.image("alpine:3.19", { platform = "linux/arm64" })
        bk.export(arm, { platform = "linux/amd64" })
        bk.export(arm, { name = "same", platform = "linux/arm64" })
        bk.export(arm, { name = "its-own" })
        bk.export(arm:platform("linux/amd64"), { name = "said", platform = "linux/amd64" })
        bk.export(arm, { name = "config", platform = "linux/amd64", arch = "amd64" })
        bk.export(bk.image("alpine:3.19"), { name = "open", platform = "linux/s390x" })
        bk.export(bk.image("alpine:3.19", { platform = "linux/arm/v6" }), { name = "v", platform = "linux/arm/v7" })
        bk.export(bk.scratch():platform("linux/arm64"):mkdir("/a"), { name = "state", platform = "linux/amd64" })
        bk.export(bk.image("alpine"):platform("linux/arm64"), { name = "set", platform = "linux/amd64" })
        bk.export(arm:platform("linux/arm64"), { name = "both", platform = "linux/amd64" })
    "#;
    insta::assert_snapshot!(warned(script), @r"
    3: this export is for linux/amd64, and its image `alpine:3.19` for linux/arm64
      hint: leave `platform` out here, or ask `bk.image()` for linux/amd64 too
    10: this export is for linux/amd64, and its state for linux/arm64
      hint: leave `platform` out here
    11: this export is for linux/amd64, and its state for linux/arm64
      hint: leave `platform` out here
    12: this export is for linux/amd64, and its state for linux/arm64
      hint: leave `platform` out here
    ");
}

#[test]
fn a_layout_image_without_a_slash() {
    let digest = "0".repeat(64);
    let script = format!(
        "bk.export(bk.oci_layout('base@sha256:{digest}'))\n\
         bk.export(bk.oci_layout('local/base@sha256:{digest}'), {{ name = 'b' }})"
    );
    insta::assert_snapshot!(warned(&script), @r#"
    1: BuildKit doesn't read "base@sha256:000000000000000000000000000000000000000000000000…": there is no `/` in the image's name
      hint: any name will do, for the digest alone counts: write `local/name@sha256:…`
    "#);
}
