//! The one table of the `bk` API: every function, method and option, with its type, default and words.
//!
//! The decoder checks each call against it, "did you mean" looks its names up, and the editor stubs and the
//! API reference are generated from it, so they cannot disagree. It is data alone: what a function does
//! stands beside it in `api`, and a test holds the two together.

mod codec;
mod export;
mod graph;
mod inputs;
mod mounts;
mod sources;
mod state;

pub(crate) use graph::PLATFORM_PARTS;
pub(crate) use state::OWNER_PARTS;

/// The whole API.
#[derive(Debug, Clone, Copy)]
pub struct Api {
    /// The functions of `bk` and of the tables in it, in the order of the reference.
    pub functions: &'static [&'static Function],
    /// The values of `bk` that are no functions.
    pub constants: &'static [Constant],
    /// The objects that functions return.
    pub classes: &'static [Class],
    /// What types name without holding it: the parts of an owner and of a platform.
    pub records: &'static [&'static Record],
}

/// The whole API.
pub fn api_table() -> &'static Api {
    &API
}

static API: Api = Api {
    functions: &[
        &sources::IMAGE,
        &sources::SCRATCH,
        &sources::LOCAL,
        &sources::GIT,
        &sources::HTTP,
        &sources::HTTPS,
        &sources::OCI_LAYOUT,
        &mounts::CACHE,
        &mounts::SECRET,
        &mounts::SSH,
        &mounts::TMPFS,
        &mounts::BIND,
        &graph::MERGE,
        &graph::DIFF,
        &graph::PLATFORM,
        &inputs::ARG,
        &inputs::READ_FILE,
        &inputs::GLOB,
        &inputs::EXISTS,
        &codec::JSON_DECODE,
        &codec::JSON_ENCODE,
        &codec::YAML_DECODE,
        &codec::YAML_ENCODE,
        &codec::TOML_DECODE,
        &codec::TOML_ENCODE,
        &export::EXPORT,
    ],
    constants: &[graph::TARGET_PLATFORM, graph::BUILD_PLATFORM, inputs::ARGS, codec::NULL],
    classes: &[state::STATE, mounts::MOUNT, graph::PLATFORM_CLASS],
    records: &[&OWNER_PARTS, &PLATFORM_PARTS],
};

/// A function or a method.
#[derive(Debug)]
pub struct Function {
    /// What it belongs to.
    pub owner: Owner,
    /// Its name there.
    pub name: &'static str,
    /// What it takes by position, without the receiver of a method.
    pub params: &'static [Param],
    /// Whether the last parameter may come any number of times.
    pub variadic: bool,
    /// The table of options that may follow.
    pub options: Option<&'static Record>,
    /// What it returns; `None` is nothing.
    pub returns: Option<Type>,
    /// What it does, for people who write Dockerfiles.
    pub doc: &'static str,
    /// A short use of it.
    pub example: &'static str,
    /// The first version that has it.
    pub since: &'static str,
}

/// What a function belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// `bk`.
    Bk,
    /// A table in `bk`, such as `bk.json`.
    Sub(&'static str),
    /// An object: a method, called with `:`.
    Class(&'static str),
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name in messages and documentation.
    pub name: &'static str,
    /// What it takes.
    pub ty: Type,
    /// Whether it may be left out.
    pub optional: bool,
    /// What it is for.
    pub doc: &'static str,
}

/// A table with known keys: the options of a call, or a value made of parts.
#[derive(Debug)]
pub struct Record {
    /// Its name in the editor stubs.
    pub name: &'static str,
    /// Whether keys are compared without regard to case.
    pub ignore_case: bool,
    /// Its keys.
    pub fields: &'static [Field],
}

/// One key of a [`Record`].
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Other spellings, as good as the name. A call that gives two of them is refused.
    pub aliases: &'static [&'static str],
    /// What people write who come from elsewhere: only "did you mean" knows them.
    pub near: &'static [&'static str],
    /// What it takes.
    pub ty: Type,
    /// Whether it must be given.
    pub required: bool,
    /// What holds when it is not given, as text.
    pub default: Option<&'static str>,
    /// What it is for.
    pub doc: &'static str,
    /// The first version that has it.
    pub since: &'static str,
}

/// A value that is no function.
#[derive(Debug, Clone, Copy)]
pub struct Constant {
    /// Its name in `bk`, or in a class.
    pub name: &'static str,
    /// What it is.
    pub ty: Type,
    /// What it is for.
    pub doc: &'static str,
    /// The first version that has it.
    pub since: &'static str,
}

/// An object that functions return.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// What can be read from it.
    pub fields: &'static [Constant],
    /// What can be called on it.
    pub methods: &'static [&'static Function],
}

/// What an argument or an option takes.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// UTF-8 text without NUL, which may be empty.
    String,
    /// UTF-8 text without NUL that is not empty.
    Name,
    /// A path of a filesystem state: as [`Type::Name`].
    Path,
    /// A relative path of the build context.
    ContextPath,
    /// An absolute path below `/`, where a mount is put.
    MountPath,
    /// Any bytes.
    Bytes,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A number.
    Number,
    /// Bytes as a number or in Docker's form (`"64m"`).
    Size,
    /// Bytes as [`Type::Size`] takes them, or -1 for "unlimited".
    SizeOrUnlimited,
    /// A mode as `chmod` takes it: octal digits or symbolic.
    Mode,
    /// Permission bits: octal digits, up to `0777`.
    Permissions,
    /// An owner: `"user:group"` or `{ user =, group = }`.
    Owner,
    /// Text, or a whole number that is not negative, for a user's or group's name or id.
    UserName,
    /// Unix seconds, or RFC 3339 text.
    Time,
    /// Seconds as a number, or Go's form (`"1m30s"`).
    Duration,
    /// A platform object, `"os/arch/variant"` or `{ os =, arch =, variant = }`.
    Platform,
    /// `sha256:` and 64 hex digits.
    Digest,
    /// An IP address.
    Ip,
    /// A port of an image: `8080`, `"8080/tcp"`, `"8000-8010/udp"`.
    Port,
    /// A signal by name or number.
    Signal,
    /// A state.
    State,
    /// A mount.
    Mount,
    /// One of these strings.
    Enum(&'static [&'static str]),
    /// A list.
    List(&'static Type),
    /// A list that holds something.
    NonEmptyList(&'static Type),
    /// A list, or one element in its place.
    OneOrMore(&'static Type),
    /// A table from names to values.
    Map(&'static Type),
    /// Environment variables by name.
    Env,
    /// Environment variables by name, or a list of `"NAME=value"`.
    EnvOrList,
    /// Text by name; numbers become text.
    TextMap,
    /// A table with known keys.
    Record(&'static Record),
    /// The first of these that the Lua value's own type fits.
    Either(&'static [Type]),
    /// Text; a number becomes text.
    Text,
    /// Any Lua value.
    Any,
    /// An option that would be given a secret, and is refused; the text says what to do instead.
    Refused(&'static str),
}

impl Function {
    const fn new(owner: Owner, name: &'static str, doc: &'static str) -> Self {
        Self {
            owner,
            name,
            params: &[],
            variadic: false,
            options: None,
            returns: None,
            doc,
            example: "",
            since: "0.1",
        }
    }

    const fn params(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    const fn options(mut self, options: &'static Record) -> Self {
        self.options = Some(options);
        self
    }

    const fn returns(mut self, ty: Type) -> Self {
        self.returns = Some(ty);
        self
    }

    const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    /// How messages call it: `bk.image()`, `run()`.
    pub fn shown(&self) -> String {
        match self.owner {
            Owner::Bk => format!("bk.{}()", self.name),
            Owner::Sub(table) => format!("bk.{table}.{}()", self.name),
            Owner::Class(_) => format!("{}()", self.name),
        }
    }

    /// Whether it is called on an object, with `:`.
    pub fn is_method(&self) -> bool {
        matches!(self.owner, Owner::Class(_))
    }
}

impl Param {
    const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            optional: false,
            doc,
        }
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

impl Field {
    const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            near: &[],
            ty,
            required: false,
            default: None,
            doc,
            since: "0.1",
        }
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn near(mut self, near: &'static [&'static str]) -> Self {
        self.near = near;
        self
    }

    /// Whether `key` is this field, by its name or another spelling of it.
    pub fn is_called(&self, key: &[u8]) -> bool {
        self.name.as_bytes() == key || self.aliases.iter().any(|alias| alias.as_bytes() == key)
    }
}

impl Constant {
    const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self {
            name,
            ty,
            doc,
            since: "0.1",
        }
    }
}

/// A user's or group's number.
const ID: Type = Type::Integer {
    min: 0,
    max: u32::MAX as i64,
};

/// A count.
const COUNT: Type = Type::Integer { min: 0, max: MAX_EXACT };

/// The greatest whole number that Lua's numbers hold exactly.
pub(crate) const MAX_EXACT: i64 = 1 << 53;

const NAMES: Type = Type::List(&Type::Name);
