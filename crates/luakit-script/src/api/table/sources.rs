//! Where filesystems come from.

use super::{COUNT, Field, Function, ID, NAMES, Owner, Param, Record, Type};

pub(super) static IMAGE: Function = Function::new(
    Owner::Bk,
    "image",
    "An image of a registry, as `FROM` names it. Its environment, working directory, user and shell apply to what runs on it.",
)
.params(&[Param::new(
    "ref",
    Type::Name,
    "The image: `alpine`, `golang:1.21`, `ghcr.io/acme/tool@sha256:…`. Without a tag it is `latest`, without a registry Docker Hub's.",
)])
.options(&IMAGE_OPTIONS)
.returns(Type::State)
.example("local base = bk.image(\"alpine:3.19\", { platform = \"linux/arm64\" })");

static IMAGE_OPTIONS: Record = Record {
    name: "ImageOptions",
    ignore_case: false,
    fields: &[
        Field::new("platform", Type::Platform, "The platform of the image, and of what runs on it.")
            .default("the target platform"),
        Field::new(
            "resolve_mode",
            Type::Enum(&["default", "pull", "local"]),
            "Whether the engine asks the registry although it has the image (`\"pull\"`), or never when it has it (`\"local\"`).",
        )
        .default("\"default\"")
        .near(&["pull_policy", "pull"]),
        Field::new(
            "resolve",
            Type::Enum(&["default", "always", "never"]),
            "The same as `resolve_mode`, in other words: `\"always\"` is `\"pull\"`, `\"never\"` is `\"local\"`.",
        )
        .default("\"default\""),
        Field::new(
            "resolve_digest",
            Type::Bool,
            "Whether the image, once resolved, is pinned by its digest.",
        )
        .default("true"),
        Field::new("layer_limit", COUNT, "How many of the image's layers are taken, from the lowest.").default("all"),
        Field::new("checksum", Type::Digest, "The digest that the image must have.").near(&["digest", "sha256"]),
    ],
};

pub(super) static SCRATCH: Function = Function::new(
    Owner::Bk,
    "scratch",
    "The empty filesystem, as `FROM scratch` starts from.",
)
.returns(Type::State)
.example("local root = bk.scratch():mkdir(\"/etc\")");

pub(super) static LOCAL: Function = Function::new(
    Owner::Bk,
    "local_",
    "A directory of the machine that builds. `\"context\"` is the build context, and obeys its ignore file: `SCRIPT.dockerignore` beside the script, else the context's `.dockerignore`.",
)
.params(&[Param::new(
    "name",
    Type::Name,
    "The directory's name: `\"context\"`, or one given with `--local NAME=DIR`.",
)])
.options(&LOCAL_OPTIONS)
.returns(Type::State)
.example("local src = bk.local_(\"context\", { include = { \"go.mod\", \"go.sum\" } })");

static LOCAL_OPTIONS: Record = Record {
    name: "LocalOptions",
    ignore_case: false,
    fields: &[
        Field::new("include", NAMES, "Patterns of what is sent, as in an ignore file.")
            .aliases(&["include_patterns"])
            .default("everything")
            .near(&["includes", "only", "files"]),
        Field::new(
            "exclude",
            NAMES,
            "Patterns of what is not sent; for the build context they come after its ignore file's.",
        )
        .aliases(&["exclude_patterns"])
        .default("nothing")
        .near(&["excludes", "ignore"]),
        Field::new(
            "follow_paths",
            NAMES,
            "Paths whose symlinks are followed, so that what they lead to is sent too.",
        ),
        Field::new(
            "shared_key_hint",
            Type::Name,
            "What lets directories under different names share what the engine was sent before.",
        ),
        Field::new(
            "differ",
            Type::Enum(&["none", "metadata"]),
            "How a file is found to have changed: by its metadata, or not at all, so that everything is sent again.",
        )
        .default("the engine's choice"),
    ],
};

pub(super) static GIT: Function = Function::new(
    Owner::Bk,
    "git",
    "A git repository, as `ADD https://….git` fetches it. `url#ref:subdir` works too.",
)
.params(&[Param::new(
    "url",
    Type::Name,
    "The remote: `https://host/path.git`, `git@host:path.git`, `ssh://…`, `git://…` or `host/path`.",
)])
.options(&GIT_OPTIONS)
.returns(Type::State)
.example("local src = bk.git(\"https://github.com/user/project.git\", { ref = \"v1.2.3\" })");

static GIT_OPTIONS: Record = Record {
    name: "GitOptions",
    ignore_case: false,
    fields: &[
        Field::new("ref", Type::Name, "The branch, tag or commit.")
            .default("the remote's default branch")
            .near(&["branch", "tag", "commit", "rev", "revision"]),
        Field::new(
            "subdir",
            Type::Path,
            "The directory of the repository that becomes the root.",
        )
        .near(&["subdirectory", "path", "dir"]),
        Field::new("keep_git_dir", Type::Bool, "Whether `.git` stays.").default("false"),
        Field::new(
            "checksum",
            Type::Name,
            "The commit that `ref` must be: all of its hex digits, or the first of them.",
        ),
        Field::new(
            "auth_token_secret",
            Type::Name,
            "The build secret that holds a token for HTTPS.",
        )
        .default("\"GIT_AUTH_TOKEN\"")
        .near(&["token", "auth_token"]),
        Field::new(
            "auth_header_secret",
            Type::Name,
            "The build secret that holds an `Authorization` header for HTTPS.",
        )
        .default("\"GIT_AUTH_HEADER\""),
        Field::new(
            "known_ssh_hosts",
            Type::Name,
            "Lines of a `known_hosts` file: whom to trust over ssh.",
        )
        .near(&["known_hosts"]),
        Field::new(
            "ssh_socket",
            Type::Name,
            "The id of the ssh agent, as the client that solves offers it (`buildctl build --ssh ID`).",
        )
        .default("\"default\""),
        Field::new("skip_submodules", Type::Bool, "Whether submodules are left alone.").default("false"),
    ],
};

pub(super) static HTTP: Function =
    Function::new(Owner::Bk, "http", "One file over HTTP, as `ADD https://…` fetches it.")
        .params(&[Param::new("url", Type::Name, "The URL: `http://` or `https://`.")])
        .options(&HTTP_OPTIONS)
        .returns(Type::State)
        .example("local file = bk.http(\"https://example.com/tool\", { chmod = 0755 })");

pub(super) static HTTPS: Function = Function::new(
    Owner::Bk,
    "https",
    "One file over HTTPS: `bk.http`, with `https://` URLs alone.",
)
.params(&[Param::new("url", Type::Name, "The URL: `https://`.")])
.options(&HTTP_OPTIONS)
.returns(Type::State)
.example("local file = bk.https(\"https://example.com/tool\", { filename = \"tool\" })");

const NO_CREDENTIALS: &str = "secrets don't belong in a build's definition: give an `Authorization` header as a build secret, and name it with `auth_header_secret`";

static HTTP_OPTIONS: Record = Record {
    name: "HttpOptions",
    ignore_case: false,
    fields: &[
        Field::new("checksum", Type::Digest, "The digest that the file must have.").near(&["digest", "sha256"]),
        Field::new("filename", Type::Name, "The file's name in the result.").default("the URL's last part"),
        Field::new("chmod", Type::Permissions, "Its permission bits.")
            .default("0600")
            .near(&["mode", "permissions"]),
        Field::new("uid", ID, "Its owner.").default("0"),
        Field::new("gid", ID, "Its group.").default("0"),
        Field::new(
            "headers",
            Type::Record(&HEADERS),
            "Headers of the request: `accept` and `user-agent` are all that BuildKit takes.",
        ),
        Field::new(
            "auth_header_secret",
            Type::Name,
            "The build secret that holds an `Authorization` header.",
        ),
        Field::new(
            "username",
            Type::Refused(NO_CREDENTIALS),
            "Refused: use `auth_header_secret`.",
        ),
        Field::new(
            "password",
            Type::Refused(NO_CREDENTIALS),
            "Refused: use `auth_header_secret`.",
        ),
    ],
};

static HEADERS: Record = Record {
    name: "HttpHeaders",
    ignore_case: true,
    fields: &[
        Field::new("accept", Type::Name, "The `Accept` header."),
        Field::new("user-agent", Type::Name, "The `User-Agent` header.").near(&["user_agent", "useragent"]),
        Field::new(
            "authorization",
            Type::Refused(NO_CREDENTIALS),
            "Refused: use `auth_header_secret`.",
        ),
    ],
};

pub(super) static OCI_LAYOUT: Function = Function::new(
    Owner::Bk,
    "oci_layout",
    "An image of an OCI layout directory that the client offers (`--oci-layout STORE=DIR`, as of `buildctl build`). With \
     that flag, its config is inherited as any image's.",
)
.params(&[Param::new(
    "ref",
    Type::Name,
    "The image, with its digest: `local/name@sha256:…`. Engines want a name with a `/`; what it is doesn't matter to them.",
)])
.options(&OCI_LAYOUT_OPTIONS)
.returns(Type::State)
.example("local base = bk.oci_layout(\"local/base@sha256:…\", { store = \"base\" })");

static OCI_LAYOUT_OPTIONS: Record = Record {
    name: "OciLayoutOptions",
    ignore_case: false,
    fields: &[
        Field::new("store", Type::Name, "The name that the directory was given under."),
        Field::new(
            "layer_limit",
            COUNT,
            "How many of the image's layers are taken, from the lowest.",
        )
        .default("all"),
    ],
};
