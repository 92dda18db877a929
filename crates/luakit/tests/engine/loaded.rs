//! The examples in one command, into Docker: `luakit build -t NAME --load`, and what then runs there.

use luakit_testkit::image::Archive;

use crate::examples::{examples, found};
use crate::expect::Expectations;
use crate::workbench::{Workbench, succeeded};

/// With nothing to run, an image is saved and held against its expectations all the same.
#[test]
fn every_example_is_loaded_and_runs() {
    let bench = Workbench::new();
    let mut loaded = Loaded {
        bench: &bench,
        tags: Vec::new(),
    };
    let mut answers = 0;
    for name in found() {
        let folder = examples().join(&name);
        for (number, build) in Expectations::read(&folder).build.iter().enumerate() {
            let tag = loaded.tag(&format!("{}-{number}", name.replace('/', "-")));
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
                let images = archive.images().unwrap();
                let [image] = images.as_slice() else {
                    panic!("{name}: {} images", images.len())
                };
                build.compare(&bench, &folder, image);
            }
        }
    }
    assert_ne!(answers, 0, "no example says what its image answers");
}

/// Images that Docker has of this run. They go at once, when all is done: Docker collects what nothing refers to whenever
/// one goes.
struct Loaded<'b> {
    bench: &'b Workbench,
    tags: Vec<String>,
}

impl Loaded<'_> {
    fn tag(&mut self, name: &str) -> String {
        let tag = format!("luakit-loaded-{name}:{}", std::process::id());
        self.tags.push(tag.clone());
        tag
    }
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        let tags: Vec<&str> = self.tags.iter().map(String::as_str).collect();
        // After a failure the last of them may not be there.
        let _gone = self.bench.docker(&[&["image", "rm", "--force"], &*tags].concat());
    }
}
