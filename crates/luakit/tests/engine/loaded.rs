//! The examples in one command, into Docker: `luakit build -t NAME --load`, and what then runs there.

use luakit_testkit::image::Archive;

use crate::examples::{examples, found};
use crate::expect::Expectations;
use crate::workbench::{Workbench, succeeded};

/// With nothing to run, an image is saved and held against its expectations all the same.
#[test]
fn every_example_is_loaded_and_runs() {
    let bench = Workbench::new();
    let mut answers = 0;
    for name in found() {
        let folder = examples().join(&name);
        for (number, build) in Expectations::read(&folder).build.iter().enumerate() {
            let tag = format!("luakit-loaded-{}:{number}", name.replace('/', "-"));
            let mut command = bench.luakit(&folder);
            command.args(["build", "-t", &tag, "--load"]).args(&build.args).arg(".");
            succeeded(&format!("{name}: luakit build --load"), &command.output().unwrap());
            for run in &build.run {
                let mut docker = vec!["run", "--rm", "--pull=never", "--platform", &build.platform];
                docker.extend(run.options.iter().map(String::as_str));
                docker.push(&tag);
                docker.extend(run.args.iter().map(String::as_str));
                assert_eq!(
                    bench.docker_says(&docker),
                    run.stdout,
                    "{name}: docker {}",
                    docker.join(" ")
                );
                answers += 1;
            }
            if build.run.is_empty() {
                let file = bench.path("saved.tar");
                bench.docker_says(&["image", "save", "--output", file.to_str().unwrap(), &tag]);
                let archive = Archive::open(&file).unwrap();
                build.compare(&bench, &folder, &archive.images().unwrap()[0]);
            }
            bench.docker_says(&["image", "rm", "--force", &tag]);
        }
    }
    assert!(answers >= 20, "{answers} images answered");
}
