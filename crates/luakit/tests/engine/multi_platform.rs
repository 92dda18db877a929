//! "Parallel Multi-Platform" of `docs/patterns.md`: a shell loop over `luakit build | luakit solve`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::workbench::{Workbench, stderr_of, succeeded};

#[test]
fn the_loop_tags_an_image_for_each_platform() {
    let bench = Workbench::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/patterns/parallel-multi-platform");
    let binary = Path::new(env!("CARGO_BIN_EXE_luakit"));
    let mut command = Command::new("bash");
    bench.prepare(&mut command, &folder);
    // The script calls `luakit` by its name.
    command.env("PATH", format!("{}:/usr/bin:/bin", binary.parent().unwrap().display()));
    let output = command.arg("build-all.sh").output().unwrap();
    succeeded("build-all.sh", &output);

    for (tag, platform) in [("myapp:linux-amd64", "amd64"), ("myapp:linux-arm64", "arm64")] {
        let said = bench.docker_says(&["image", "inspect", tag]);
        let inspected: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(inspected[0]["Architecture"], platform, "{tag}: {}", stderr_of(&output));
        assert_eq!(
            inspected[0]["Config"]["Entrypoint"],
            serde_json::json!(["/usr/local/bin/app"]),
            "{tag}"
        );
    }
    let run = |tag: &str| bench.docker_says(&["run", "--rm", tag]);
    assert_eq!(run("myapp:linux-amd64"), "hello from x86_64\n");
    bench.docker_says(&["image", "rm", "--force", "myapp:linux-amd64", "myapp:linux-arm64"]);
}
