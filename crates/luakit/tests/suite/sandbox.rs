//! Nothing outside the context and the script's directory can be read.

use crate::project::Project;

/// Evaluates an expression that must be refused, in a context with a link out of it.
fn check(expression: &str) -> String {
    let outside = Project::new(&[("secret.txt", "secret"), ("mod.lua", "return 'secret'")]);
    let script = format!("error('got ' .. tostring({expression}))");
    let project = Project::new(&[("build.lua", &script)]);
    std::os::unix::fs::symlink(outside.path(), project.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), project.path().join("file")).unwrap();
    let run = project.run(&["validate"]);
    assert_eq!(run.code(), 3, "{expression}");
    let stderr = run.stderr();
    assert!(!stderr.contains("got secret"), "{expression}\n{stderr}");
    stderr.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn there_is_no_way_out() {
    let expressions = [
        "bk.read_file('../secret.txt')",
        "bk.read_file('/etc/passwd')",
        "bk.read_file('link/secret.txt')",
        "bk.read_file('file')",
        "bk.exists('../x')",
        "require('link.mod')",
        "require('../mod')",
        "require('/etc/passwd')",
        "io.open('/etc/passwd')",
        "os.execute('id')",
        "loadfile('/etc/passwd')",
    ];
    let lines: Vec<String> = expressions.iter().map(|e| format!("{e}: {}", check(e))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    bk.read_file('../secret.txt'): error[outside-context]: `../secret.txt` is outside the build context
    bk.read_file('/etc/passwd'): error[bad-value]: argument 1 (path) of bk.read_file() must be a path relative to the build context, got "/etc/passwd"
    bk.read_file('link/secret.txt'): error[outside-context]: `link/secret.txt` is outside the build context
    bk.read_file('file'): error[outside-context]: `file` is outside the build context
    bk.exists('../x'): error[outside-context]: `../x` is outside the build context
    require('link.mod'): error[module-outside]: module `link.mod` is outside the script's directory and the context
    require('../mod'): error[module-outside]: module `../mod` is outside the script's directory and the context
    require('/etc/passwd'): error[module-outside]: module `/etc/passwd` is outside the script's directory and the context
    io.open('/etc/passwd'): error[sandboxed]: io.open is not available in build scripts (sandboxed)
    os.execute('id'): error[sandboxed]: os.execute is not available in build scripts (sandboxed)
    loadfile('/etc/passwd'): error[sandboxed]: loadfile is not available in build scripts (sandboxed)
    "#);
}

#[test]
fn the_environment_is_not_the_scripts() {
    let project = Project::new(&[("build.lua", "error(tostring(os.getenv('SECRET')))")]);
    let output = project
        .command()
        .args(["validate"])
        .env("SECRET", "hush")
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hush"));
    let output = project
        .command()
        .args(["validate", "--arg", "SECRET"])
        .env("SECRET", "hush")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("hush"));
}
