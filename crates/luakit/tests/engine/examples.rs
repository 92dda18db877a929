//! Every example, built on the engine and held against the `expect.toml` beside its script.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use luakit_testkit::image::Archive;

use crate::expect::{Build, Expectations};
use crate::workbench::{Workbench, succeeded};

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Builds one example, all its exports and platforms, in both ways: `luakit build | luakit solve`, and `luakit build`
/// alone. What comes of the second is run.
fn check(name: &str) {
    let bench = Workbench::new();
    let folder = examples().join(name);
    for (number, build) in Expectations::read(&folder).build.iter().enumerate() {
        let args: Vec<&str> = build.args.iter().map(String::as_str).collect();
        println!("{name}: luakit build {}", args.join(" "));
        let piped = bench.path(&format!("{number}.piped.tar"));
        let spec = format!("type=oci,dest={}", piped.display());
        let definition = bench.build(&folder, &args);
        succeeded("luakit solve", &bench.solve(&folder, &definition, &["-o", &spec]));
        compare(&bench, &folder, build, &piped);

        let direct = bench.path(&format!("{number}.direct.tar"));
        let tag = format!("luakit-example-{}:{number}", name.replace('/', "-"));
        let mut command = bench.luakit(&folder);
        command.args(["build", "build.lua"]).args(&args).arg("-o");
        command.arg(format!("type=oci,dest={}", direct.display()));
        if !build.run.is_empty() {
            command.args(["-o", &format!("type=image,name={tag}")]);
        }
        succeeded("luakit build -o", &command.output().unwrap());
        compare(&bench, &folder, build, &direct);

        for run in &build.run {
            let mut docker = vec!["run", "--rm", "--platform", &build.platform];
            docker.extend(run.options.iter().map(String::as_str));
            docker.push(&tag);
            docker.extend(run.args.iter().map(String::as_str));
            assert_eq!(bench.docker_says(&docker), run.stdout, "docker {}", docker.join(" "));
        }
        if !build.run.is_empty() {
            bench.docker_says(&["image", "rm", "--force", &tag]);
        }
    }
}

/// Ends the test where an archive is not as expected, and removes it.
fn compare(bench: &Workbench, folder: &Path, build: &Build, file: &Path) {
    let archive = Archive::open(file).unwrap();
    let images = archive.images().unwrap();
    assert_eq!(images.len(), 1, "one platform is one image");
    build.compare(bench, folder, &images[0]);
    fs::remove_file(file).unwrap();
}

/// One test for each example, and one that finds examples without a test.
macro_rules! built {
    ($($test:ident: $folder:literal,)*) => {
        $(
            #[test]
            fn $test() {
                check($folder);
            }
        )*

        #[test]
        fn every_example_is_built() {
            let built: BTreeSet<String> = [$($folder),*].map(str::to_owned).into();
            assert_eq!(built, found());
        }
    };
}

built! {
    configuration_environment: "patterns/configuration-environment",
    configuration_files: "patterns/configuration-files",
    configuration_runtime: "patterns/configuration-runtime",
    dependencies_cargo: "patterns/dependencies-cargo",
    dependencies_go: "patterns/dependencies-go",
    dependencies_npm: "patterns/dependencies-npm",
    dependencies_pip: "patterns/dependencies-pip",
    layers_chained_copy: "patterns/layers-chained-copy",
    layers_dependency_separation: "patterns/layers-dependency-separation",
    layers_single: "patterns/layers-single",
    multi_stage_cross_compilation: "patterns/multi-stage-cross-compilation",
    multi_stage_dependencies: "patterns/multi-stage-dependencies",
    multi_stage_distroless: "patterns/multi-stage-distroless",
    multi_stage_simple: "patterns/multi-stage-simple",
    parallel_installation: "patterns/parallel-installation",
    parallel_multi_platform: "patterns/parallel-multi-platform",
    parallel_operations: "patterns/parallel-operations",
    production_go: "patterns/production-go",
    production_node: "patterns/production-node",
    production_python: "patterns/production-python",
    reproducible_build_flags: "patterns/reproducible-build-flags",
    reproducible_pinned_versions: "patterns/reproducible-pinned-versions",
    reproducible_timestamps: "patterns/reproducible-timestamps",
    testing_in_build: "patterns/testing-in-build",
    testing_lint: "patterns/testing-lint",
    testing_parallel_suites: "patterns/testing-parallel-suites",
}

/// All folders with a script, but the one whose repository does not exist: see [`crate::git`].
pub(crate) fn found() -> BTreeSet<String> {
    let patterns = examples().join("patterns");
    fs::read_dir(patterns)
        .unwrap()
        .map(|item| item.unwrap())
        .filter(|item| item.path().join("build.lua").exists())
        .map(|item| format!("patterns/{}", item.file_name().to_string_lossy()))
        .filter(|name| name != "patterns/reproducible-source-pins")
        .collect()
}
