//! `docs/man/luakit*.1`, from clap's definitions: a page for the program, and one for each command.
//!
//! They are roff for `man`, in the form that `clap_mangen` gives it. What is global is told on each page, as in `--help`.

use clap::Command;
use clap_mangen::Man;

/// A manual page: `luakit-build.1`, and its roff.
pub(super) struct Manual {
    pub(super) file: String,
    pub(super) text: String,
}

/// All pages of the command line.
///
/// # Errors
///
/// If a page can't be rendered.
pub(super) fn pages(command: Command) -> anyhow::Result<Vec<Manual>> {
    // What clap adds itself says nothing that the other pages don't.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let name = command.get_name().to_owned();
    let mut pages = vec![page(command.clone(), &name)?];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages.push(page(sub.clone(), &format!("{name}-{}", sub.get_name()))?);
    }
    Ok(pages)
}

fn page(command: Command, name: &str) -> anyhow::Result<Manual> {
    // The page's own name is with a hyphen, that of the usage line as it is typed.
    let command = command.display_name(name.to_owned());
    let mut roff = Vec::new();
    // Without a date: the same flags give the same bytes.
    Man::new(command)
        .title(name.to_uppercase())
        .source("Luakit")
        .manual("Luakit")
        .render(&mut roff)?;
    Ok(Manual {
        file: format!("{name}.1"),
        text: String::from_utf8(roff)?,
    })
}
