//! `luakit version`.

use crate::failure::Failure;
use crate::printer::Printer;

/// Print the version
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, printer: &Printer) -> Result<(), Failure> {
    printer.data(concat!("luakit ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())
}
