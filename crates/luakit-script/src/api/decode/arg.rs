//! Decoded values, and how a function takes them.

use std::net::IpAddr;
use std::rc::Rc;

use luakit_llb::op::{Mode, Owner};
use luakit_llb::{ImageDigest, Platform, State};
use mlua::Value;

use crate::api::objects::MountSpec;

/// A value that passed the table's checks.
#[derive(Debug, Clone)]
pub(in crate::api) enum Arg {
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
    Word(&'static str),
    List(Vec<Arg>),
    Pairs(Vec<(String, Arg)>),
    Record(Options),
    State(State),
    Mount(Rc<MountSpec>),
    Platform(Platform),
    Mode(Mode),
    Owner(Owner),
    Digest(ImageDigest),
    Ip(IpAddr),
    Texts(Vec<String>),
    Lua(Value),
}

/// What a record held, by the names of the table.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct Options(pub(super) Vec<(&'static str, Arg)>);

impl Options {
    /// Takes an option out.
    pub(in crate::api) fn take<T: FromArg>(&mut self, name: &str) -> mlua::Result<Option<T>> {
        let Some(place) = self.0.iter().position(|(key, _)| *key == name) else {
            return Ok(None);
        };
        let (key, arg) = self.0.swap_remove(place);
        convert(key, arg).map(Some)
    }

    /// The first option that nobody took.
    pub(in crate::api) fn left(&self) -> Option<&'static str> {
        self.0.first().map(|(name, _)| *name)
    }
}

/// What an [`Arg`] becomes in a function's body. The table says which variant comes, so a mismatch is a
/// mistake of this crate; it is told, not hidden.
pub(in crate::api) trait FromArg: Sized {
    /// The value, if the variant is the right one.
    fn from_arg(arg: Arg) -> Option<Self>;
}

pub(super) fn convert<T: FromArg>(name: &str, arg: Arg) -> mlua::Result<T> {
    T::from_arg(arg).ok_or_else(|| {
        mlua::Error::runtime(format!(
            "internal error: `{name}` has another type than the API table says"
        ))
    })
}

macro_rules! from_arg {
    ($($ty:ty: $pattern:pat => $value:expr;)*) => {
        $(impl FromArg for $ty {
            fn from_arg(arg: Arg) -> Option<Self> {
                match arg {
                    $pattern => Some($value),
                    _ => None,
                }
            }
        })*
    };
}

from_arg! {
    bool: Arg::Bool(value) => value;
    i64: Arg::Int(value) => value;
    f64: Arg::Number(value) => value;
    &'static str: Arg::Word(value) => value;
    Vec<u8>: Arg::Bytes(value) => value;
    Options: Arg::Record(value) => value;
    State: Arg::State(value) => value;
    Rc<MountSpec>: Arg::Mount(value) => value;
    Platform: Arg::Platform(value) => value;
    Mode: Arg::Mode(value) => value;
    Owner: Arg::Owner(value) => value;
    ImageDigest: Arg::Digest(value) => value;
    IpAddr: Arg::Ip(value) => value;
    Value: Arg::Lua(value) => value;
}

impl FromArg for Arg {
    fn from_arg(arg: Arg) -> Option<Self> {
        Some(arg)
    }
}

impl FromArg for String {
    fn from_arg(arg: Arg) -> Option<Self> {
        match arg {
            Arg::Text(text) => Some(text),
            Arg::Word(word) => Some(word.to_owned()),
            _ => None,
        }
    }
}

impl FromArg for u32 {
    fn from_arg(arg: Arg) -> Option<Self> {
        match arg {
            Arg::Int(value) => Self::try_from(value).ok(),
            _ => None,
        }
    }
}

impl FromArg for i32 {
    fn from_arg(arg: Arg) -> Option<Self> {
        match arg {
            Arg::Int(value) => Self::try_from(value).ok(),
            _ => None,
        }
    }
}

/// A list, or one element that stands for a list of it.
impl<T: FromArg> FromArg for Vec<T>
where
    T: Element,
{
    fn from_arg(arg: Arg) -> Option<Self> {
        match arg {
            Arg::List(items) => items.into_iter().map(T::from_arg).collect(),
            Arg::Texts(texts) => texts.into_iter().map(|text| T::from_arg(Arg::Text(text))).collect(),
            one => Some(vec![T::from_arg(one)?]),
        }
    }
}

/// What stands in lists. (Bytes do not: `Vec<u8>` is a string's.)
pub(in crate::api) trait Element {}

impl Element for String {}
impl Element for i32 {}
impl Element for State {}
impl Element for Rc<MountSpec> {}
impl Element for Arg {}

/// Names and values, sorted by name, or in the order of a list.
impl<T: FromArg> FromArg for Vec<(String, T)> {
    fn from_arg(arg: Arg) -> Option<Self> {
        match arg {
            Arg::Pairs(pairs) => pairs.into_iter().map(|(k, v)| Some((k, T::from_arg(v)?))).collect(),
            _ => None,
        }
    }
}
