//! One build, exported in every form: a directory, a tar, an OCI and a Docker archive hold the same files.

use std::collections::BTreeMap;
use std::fs::File;

use luakit_testkit::image::Archive;
use luakit_testkit::rootfs::{Kind, Rootfs};

use crate::workbench::{Workbench, stderr_of, succeeded};

const FILES: &str = r##"
local tree = bk.scratch()
    :mkdir("/data", { mode = "0750", owner = "12:34" })
    :mkfile("/data/secret.txt", "not for all\n", { mode = "0600", owner = { user = 12, group = 34 } })
    :mkfile("/bin/tool", "#!/bin/sh\n", { mode = "0755" })
    :mkfile("/bytes", "\0\255\n")
    :mkfile("/gone", "")
    :rm("/gone")

bk.export(tree, { cmd = { "/bin/tool" } })
"##;

/// What every form holds: mode and kind by path.
fn listed(root: &Rootfs) -> BTreeMap<String, String> {
    let describe = |path: &str| {
        let entry = root.get(path).unwrap();
        match &entry.kind {
            Kind::File(content) => format!("{:04o} {}", entry.mode, content.escape_ascii()),
            Kind::Directory => format!("{:04o} directory", entry.mode),
            Kind::Symlink(target) => format!("-> {target}"),
            Kind::Special => "special".to_owned(),
        }
    };
    root.paths()
        .filter(|path| *path != "/")
        .map(|path| (path.to_owned(), describe(path)))
        .collect()
}

fn expected() -> BTreeMap<String, String> {
    [
        ("/bin", "0755 directory"),
        ("/bin/tool", "0755 #!/bin/sh\\n"),
        ("/bytes", "0644 \\x00\\xff\\n"),
        ("/data", "0750 directory"),
        ("/data/secret.txt", "0600 not for all\\n"),
    ]
    .map(|(path, facts)| (path.to_owned(), facts.to_owned()))
    .into()
}

#[test]
fn a_directory_has_the_files() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", FILES)]);
    let dest = bench.export(&project, &[], "type=local", "out");
    assert_eq!(listed(&Rootfs::from_directory(&dest).unwrap()), expected());
}

#[test]
fn a_tar_has_the_files_and_their_owners() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", FILES)]);
    let dest = bench.export(&project, &[], "type=tar", "out.tar");
    let root = Rootfs::from_tar(File::open(dest).unwrap()).unwrap();
    assert_eq!(listed(&root), expected());
    assert_eq!(root.get("/data").unwrap().owner, (12, 34));
    assert_eq!(root.get("/data/secret.txt").unwrap().owner, (12, 34));
    assert_eq!(root.get("/bin/tool").unwrap().owner, (0, 0));
}

#[test]
fn oci_and_docker_archives_have_the_files_and_the_config() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", FILES)]);
    for kind in ["oci", "docker"] {
        let dest = bench.export(&project, &[], &format!("type={kind}"), &format!("{kind}.tar"));
        let archive = Archive::open(&dest).unwrap();
        let images = archive.images().unwrap();
        assert_eq!(images.len(), 1, "{kind}");
        let root = images[0].root().unwrap();
        assert_eq!(listed(&root), expected(), "{kind}");
        assert_eq!(root.get("/data/secret.txt").unwrap().owner, (12, 34), "{kind}");
        assert_eq!(images[0].settings()["Cmd"], serde_json::json!(["/bin/tool"]), "{kind}");
    }
}

#[test]
fn one_solve_gives_several_outputs() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", FILES)]);
    let definition = bench.build(&project, &[]);
    let (directory, file) = (bench.path("both"), bench.path("both.tar"));
    let local = format!("type=local,dest={}", directory.display());
    let oci = format!("type=oci,dest={}", file.display());
    succeeded(
        "luakit solve",
        &bench.solve(&project, &definition, &["-o", &local, "-o", &oci]),
    );
    assert_eq!(listed(&Rootfs::from_directory(&directory).unwrap()), expected());
    assert_eq!(Archive::open(&file).unwrap().images().unwrap().len(), 1);
}

/// Nothing is built for a place that can't be written.
#[test]
fn a_file_in_a_directorys_place_is_told_before_the_build() {
    let bench = Workbench::new();
    let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"exit 7\"))";
    let project = bench.project(&[("build.lua", script), ("file", "text")]);
    for spec in ["type=local,dest=file", "type=oci,dest=file,tar=false"] {
        let output = bench.luakit(&project).args(["build", "-o", spec]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(
            stderr_of(&output),
            "error[usage]: can't write `file`: not a directory\n",
            "{spec}"
        );
    }
}

/// What a build writes is none of its input: not the last archive, and not the one that is being written.
#[test]
fn an_archive_in_the_context_is_no_input() {
    let bench = Workbench::new();
    let script = "local context = bk.local_(\"context\")\n\
                  bk.export(bk.image(\"alpine:3.19\"):copy(context, \".\", \"/all\"):run(\"ls /all > /list\"))\n";
    let project = bench.project(&[("build.lua", script), ("file.txt", "text")]);
    let spec = "type=tar,dest=sub/image.tar";
    std::fs::create_dir(project.join("sub")).unwrap();
    let build = || {
        let args = [
            "build",
            "-o",
            spec,
            "--metadata-file",
            "metadata.json",
            "--progress=plain",
        ];
        let output = bench.luakit(&project).args(args).output().unwrap();
        let said = stderr_of(&output);
        succeeded("luakit build", &output);
        said
    };
    build();
    let said = build();
    let lines: Vec<&str> = said.lines().collect();
    for step in ["copy / /all", "/bin/sh -c ls /all > /list"] {
        let at = lines.iter().position(|line| line.ends_with(step)).unwrap();
        assert!(lines[at + 1].ends_with(" CACHED"), "{said}");
    }
    let root = Rootfs::from_tar(File::open(project.join("sub/image.tar")).unwrap()).unwrap();
    let list = root.get("/list").unwrap();
    insta::assert_snapshot!(list.text().unwrap(), @r"
    build.lua
    file.txt
    sub
    ");
    assert!(root.get("/all/sub/image.tar").is_none());
}

#[test]
fn a_tar_goes_to_stdout() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", FILES)]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &["-o", "type=tar,dest=-"]);
    succeeded("luakit solve", &output);
    assert_eq!(listed(&Rootfs::from_tar(output.stdout.as_slice()).unwrap()), expected());
    let output = bench.solve(&project, &definition, &["-o", "type=tar,dest=/dev/stdout"]);
    succeeded("luakit solve", &output);
    assert_eq!(listed(&Rootfs::from_tar(output.stdout.as_slice()).unwrap()), expected());
}

/// Its definition has no bytes, and so looks like that of a `luakit build` which failed.
#[test]
fn an_exported_scratch_is_refused_in_a_pipe() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", "bk.export(bk.scratch())\n")]);
    let definition = bench.build(&project, &[]);
    assert_eq!(definition, b"");
    let output = bench.solve(&project, &definition, &["-o", "type=local,dest=out"]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("scratch"), "{said}");
    assert!(!project.join("out").exists());
}
