//! Images, git, HTTP, and what is read while the script runs.

#![allow(clippy::needless_raw_string_hashes, reason = "some calls hold a `#` after a quote")]

use super::errors;

#[test]
fn sources() {
    let told = errors(
        r##"
bk.image("scratch")
bk.image("")
bk.image("Alpine")
bk.image("alpine:")
bk.image(" alpine")
bk.image("https://x.io/y")
bk.image(("a"):rep(64))
bk.image("a", { resolve_mode = "pul" })
bk.local_("")
bk.local_("a", { differ = "content" })
bk.git("")
bk.git("#main")
bk.git("/src/repo")
bk.git("file:///src/repo")
bk.git("https://")
bk.git("https://me:token@git.example.com/a.git")
bk.git("me:token@git.example.com/a.git")
bk.git("https://git.example.com/a b.git")
bk.git("-oProxyCommand=x")
bk.git("https://git.example.com/a.git#main", { ref = "v1" })
bk.git("https://git.example.com/a.git#:dir", { subdir = "other" })
bk.git("https://git.example.com/a.git", { ref = "--upload-pack=x" })
bk.git("https://git.example.com/a.git", { checksum = "main" })
bk.http("ftp://a.b/c")
bk.http("a.b/c")
bk.http("https:///c")
bk.http("https://me:pw@a.b/c")
bk.http("https://a.b/c d")
bk.https("http://a.b/c")
bk.https("a.b/c")
bk.http("https://a.b/c", { filename = "a/b" })
bk.http("https://a.b/c", { headers = { Accept = "a\nb" } })
bk.http("https://a.b/c", { chmod = "4755" })
bk.oci_layout("alpine:3.19")
"##,
    );
    insta::assert_snapshot!(told, @r##"
    bk.image("scratch")
        bad-value: argument 1 (ref) of bk.image() can't be "scratch", which is no image
        hint: write `bk.scratch()`
    bk.image("")
        bad-value: argument 1 (ref) of bk.image() can't be empty
    bk.image("Alpine")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: repository name `library/Alpine` must be lowercase
        hint: write "alpine"
    bk.image("alpine:")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid tag `` in the image reference
        hint: there is nothing after `:`; is the version's variable set?
    bk.image(" alpine")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid repository name `library/ alpine` in the image reference
        hint: it has a blank at its start or end
    bk.image("https://x.io/y")
        bad-value: argument 1 (ref) of bk.image() must be an image reference: invalid registry `https:` in the image reference
        hint: leave out the part up to `://`; for a file over HTTP there is bk.http
    bk.image(("a"):rep(64))
        bad-value: argument 1 (ref) of bk.image() must be an image reference: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is an image id, which no registry can be asked for
        hint: name the image by its repository, and pin it with `@sha256:…`
    bk.image("a", { resolve_mode = "pul" })
        bad-value: resolve_mode must be "default" or "pull" or "local", got "pul"
        hint: did you mean `pull`?
    bk.local_("")
        bad-value: argument 1 (name) of bk.local_() can't be empty
    bk.local_("a", { differ = "content" })
        bad-value: differ must be "none" or "metadata", got "content"
    bk.git("")
        bad-value: argument 1 (url) of bk.git() can't be empty
    bk.git("#main")
        bad-value: argument 1 (url) of bk.git() must be a git remote, got nothing before `#`
    bk.git("/src/repo")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "/src/repo" names no host
        hint: write `https://host/path.git` or `git@host:path.git`
    bk.git("file:///src/repo")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "file:///src/repo" has another scheme than https, http, ssh or git
        hint: a directory of this machine is had with bk.local_
    bk.git("https://")
        bad-value: argument 1 (url) of bk.git() names no host: "https://"
    bk.git("https://me:token@git.example.com/a.git")
        bad-value: argument 1 (url) of bk.git() must hold no password
        hint: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_token_secret`
    bk.git("me:token@git.example.com/a.git")
        bad-value: argument 1 (url) of bk.git() must hold no password
        hint: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_token_secret`
    bk.git("https://git.example.com/a b.git")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "https://git.example.com/a b.git" has a blank in it
    bk.git("-oProxyCommand=x")
        bad-value: argument 1 (url) of bk.git() must be a git remote: "-oProxyCommand=x" starts with a dash
    bk.git("https://git.example.com/a.git#main", { ref = "v1" })
        conflicting-options: `ref` is given twice: as an option, and as "main" in the URL
        hint: leave one out
    bk.git("https://git.example.com/a.git#:dir", { subdir = "other" })
        conflicting-options: `subdir` is given twice: as an option, and as "dir" in the URL
        hint: leave one out
    bk.git("https://git.example.com/a.git", { ref = "--upload-pack=x" })
        bad-value: ref must be a branch, a tag or a commit, got "--upload-pack=x"
    bk.git("https://git.example.com/a.git", { checksum = "main" })
        bad-value: checksum must be a commit, 40 or 64 lower-case hex digits or at least the first 7, got "main"
    bk.http("ftp://a.b/c")
        bad-value: argument 1 (url) of bk.http() must start with `http://` or `https://`, got "ftp://a.b/c"
    bk.http("a.b/c")
        bad-value: argument 1 (url) of bk.http() must start with `http://` or `https://`, got "a.b/c"
    bk.http("https:///c")
        bad-value: argument 1 (url) of bk.http() names no host: "https:///c"
    bk.http("https://me:pw@a.b/c")
        bad-value: argument 1 (url) of bk.http() must hold no password
        hint: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_header_secret`
    bk.http("https://a.b/c d")
        bad-value: argument 1 (url) of bk.http() has a blank in it: "https://a.b/c d"
        hint: write it as `%20`
    bk.https("http://a.b/c")
        bad-value: argument 1 (url) of bk.https() must start with `https://`, got "http://a.b/c"
        hint: for HTTP without TLS there is bk.http
    bk.https("a.b/c")
        bad-value: argument 1 (url) of bk.https() must start with `https://`, got "a.b/c"
    bk.http("https://a.b/c", { filename = "a/b" })
        bad-value: filename must be a name without `/`, got "a/b"
    bk.http("https://a.b/c", { headers = { Accept = "a\nb" } })
        bad-value: headers can't have a line break in `accept`
    bk.http("https://a.b/c", { chmod = "4755" })
        bad-value: chmod must be permission bits alone, up to 0777: `4755` has setuid, setgid or sticky, which BuildKit drops here
        hint: set them with run: `chmod u+s …`
    bk.oci_layout("alpine:3.19")
        bad-value: argument 1 (ref) of bk.oci_layout() must have a digest, got "alpine:3.19"
        hint: an OCI layout is read by digest: write `local/name@sha256:…`; the digests are in the directory's index.json
    "##);
}

#[test]
fn arguments_files_and_codecs() {
    let told = errors(
        r##"
bk.arg("A=B")
bk.arg("")
bk.arg("A", true)
bk.arg("A", {}, {})
bk.arg("A", { required = true })
bk.arg("A", { required = true, description = "the version" })
bk.arg("A", "x", { required = true })
bk.arg("A", "x", { choices = { "a", "b" } })
bk.arg("GIVEN", "one", { choices = { "one", "two" } })
bk.read_file("/etc/passwd")
bk.read_file("../x")
bk.read_file("missing")
bk.exists("")
bk.glob("/x")
bk.json.decode("{")
bk.json.decode("\255")
bk.yaml.decode("a: [")
bk.toml.decode("a =")
bk.json.encode()
bk.json.encode(nil)
bk.json.encode(s)
bk.json.encode({ a = { b = print } })
bk.json.encode({ 1, nil, 3 })
bk.json.encode({ 1, a = 2 })
bk.json.encode({ [0] = 1 })
bk.json.encode({ [true] = 1 })
bk.json.encode("\255")
bk.json.encode(0/0)
bk.toml.encode({ a = bk.null })
bk.toml.encode({ 1 })
(function() local t = {}; t.t = t; return bk.json.encode(t) end)()
(function() local t = {}; for _ = 1, 40 do t = { t, t } end; return bk.json.encode(t) end)()
"##,
    );
    insta::assert_snapshot!(told, @r#"
    bk.arg("A=B")
        bad-value: argument 1 (name) of bk.arg() must be a name without `=`, got "A=B"
        hint: the default is the second argument
    bk.arg("")
        bad-value: argument 1 (name) of bk.arg() can't be empty
    bk.arg("A", true)
        wrong-type: argument 2 (default) of bk.arg() must be a string or a number, got boolean
        hint: write it in quotes: "true"
    bk.arg("A", {}, {})
        wrong-type: argument 2 (default) of bk.arg() must be a string or a number, got table
    bk.arg("A", { required = true })
        missing-build-argument: build argument `A` is required, and not given
        hint: give it with `--build-arg A=…`
    bk.arg("A", { required = true, description = "the version" })
        missing-build-argument: build argument `A` is required, and not given
        note: `A` is the version
        hint: give it with `--build-arg A=…`
    bk.arg("A", "x", { required = true })
        bad-value: required is pointless beside the default "x"
        hint: leave one out
    bk.arg("A", "x", { choices = { "a", "b" } })
        bad-value: argument 2 (default) of bk.arg() must be one of the choices "a", "b", got "x"
    bk.arg("GIVEN", "one", { choices = { "one", "two" } })
        bad-argument-value: build argument `GIVEN` must be one of "one", "two", got "tow"
        hint: did you mean `two`?
    bk.read_file("/etc/passwd")
        bad-value: argument 1 (path) of bk.read_file() must be a path relative to the build context, got "/etc/passwd"
    bk.read_file("../x")
        outside-context: `../x` is outside the build context
    bk.read_file("missing")
        no-such-file: the build context has no file "missing"
        hint: ask with bk.exists() first if it may be missing
    bk.exists("")
        bad-value: argument 1 (path) of bk.exists() can't be empty
    bk.glob("/x")
        bad-value: argument 1 (pattern) of bk.glob() must be a path relative to the build context, got "/x"
    bk.json.decode("{")
        bad-text: this is no JSON: EOF while parsing an object at line 1 column 1
    bk.json.decode("\255")
        bad-text: this is no JSON: byte 1 is not UTF-8
    bk.yaml.decode("a: [")
        bad-text: this is no YAML: while parsing a node, did not find expected node content at line 2 column 1
    bk.toml.decode("a =")
        bad-text: this is no TOML: string values must be quoted, expected literal string at line 1 column 4
    bk.json.encode()
        missing-argument: bk.json.encode() needs argument 1 (value): a value, got 0 arguments
        hint: it takes value
    bk.json.encode(nil)
        bad-value: can't be encoded as JSON: value is nil; write bk.null for null
    bk.json.encode(s)
        bad-value: can't be encoded as JSON: value is a state
    bk.json.encode({ a = { b = print } })
        bad-value: can't be encoded as JSON: value.a.b is a function
    bk.json.encode({ 1, nil, 3 })
        bad-value: can't be encoded as JSON: value[2] is nil; write bk.null for null
    bk.json.encode({ 1, a = 2 })
        bad-value: can't be encoded as JSON: value is a list and has names as keys too
    bk.json.encode({ [0] = 1 })
        bad-value: can't be encoded as JSON: value has the key 0, and a list starts at 1
    bk.json.encode({ [true] = 1 })
        bad-value: can't be encoded as JSON: value has a key that is a boolean
    bk.json.encode("\255")
        bad-value: can't be encoded as JSON: value is not UTF-8 text
    bk.json.encode(0/0)
        bad-value: can't be encoded as JSON: value is NaN, which no text form has
    bk.toml.encode({ a = bk.null })
        bad-value: can't be encoded as TOML: value.a is null, which TOML has not
    bk.toml.encode({ 1 })
        bad-value: can't be encoded as TOML: a document is a table with names as keys
    (function() local t = {}; t.t = t; return bk.json.encode(t) end)()
        bad-value: can't be encoded as JSON: it is nested more than 120 deep, or holds itself
    (function() local t = {}; for _ = 1, 40 do t = { t, t } end; return bk.json.encode(t) end)()
        bad-value: can't be encoded as JSON: it holds more than 1000000 values
    "#);
}
