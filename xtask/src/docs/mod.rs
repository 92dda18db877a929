//! `cargo xtask docs`: writes the editor stubs (`types/`, `.luarc.json`), the reference (`docs/reference/`) and
//! the manual pages (`docs/man/`).
//!
//! All of it comes from what the program itself uses: the table of the `bk` API, the comments of the prelude's
//! Lua, and clap's definitions. The output is committed, so that it can be read where it lies; `--check` says
//! whether it is current. Nothing here writes by hand what one of these sources could say.

#[cfg(feature = "docs")]
mod cli;
#[cfg(feature = "docs")]
mod editor;
#[cfg(feature = "docs")]
mod files;
mod lint;
#[cfg(feature = "docs")]
mod luacats;
#[cfg(feature = "docs")]
mod manual;
#[cfg(feature = "docs")]
mod prelude;
#[cfg(feature = "docs")]
mod reference;
#[cfg(feature = "docs")]
mod stubs;
#[cfg(test)]
#[cfg(feature = "docs")]
mod tests;
#[cfg(feature = "docs")]
mod words;

#[cfg(feature = "docs")]
pub(crate) use files::run;

/// Write the editor stubs, the reference and the manual pages.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only say which of the committed files are not current; exit with an error if there are any.
    #[arg(long)]
    check: bool,
    /// Check the examples' scripts against the committed stubs, as an editor does. It compiles EmmyLua's checker
    /// into `target/lint` first, which takes some minutes.
    #[arg(long, conflicts_with = "check")]
    lint: bool,
}

/// Runs this chore again with what it needs.
#[cfg(not(feature = "docs"))]
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.lint {
        return lint::run();
    }
    let flags = args.check.then_some("--check");
    crate::again::with_feature("docs", &["docs"].into_iter().chain(flags).collect::<Vec<_>>())
}
