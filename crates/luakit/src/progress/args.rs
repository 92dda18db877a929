//! `--progress`, and what the environment says of it, as buildx reads it.

use clap::ValueEnum as _;

use super::palette::Palette;
use super::{Mode, Setup};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::printer::Printer;

/// Lines of output below a running step, unless `BUILDKIT_TTY_LOG_LINES` says otherwise.
const LOG_LINES: usize = 6;

/// How the build is shown.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Messages")]
pub(crate) struct ProgressArgs {
    /// How the build is shown on stderr: `tty` draws the steps, `plain` prints all that happens, `rawjson` is
    /// BuildKit's status stream, `quiet` is errors alone; `auto` is what `BUILDKIT_PROGRESS` says, else `tty` on a
    /// terminal and `plain` elsewhere
    #[arg(long, value_name = "MODE", default_value = "auto")]
    progress: Mode,
}

impl ProgressArgs {
    /// Whether a display is asked for by the flag.
    pub(crate) fn is_given(&self) -> bool {
        self.progress != Mode::Auto
    }

    /// The same, silenced by `--quiet`, beside which no other mode makes sense.
    pub(crate) fn quietly(&self, quiet: bool) -> Result<Self, Failure> {
        match self.progress {
            mode if !quiet => Ok(Self { progress: mode }),
            Mode::Auto | Mode::Quiet => Ok(Self { progress: Mode::Quiet }),
            _ => Err(Failure::usage(
                "`--quiet` shows no progress, and `--progress` asks for some",
            )),
        }
    }

    /// The display that is asked for; with `rawjson` and `quiet` the printer leaves warnings out from here on. Fails where there is no terminal for `tty`.
    pub(crate) fn setup(&self, environment: &Environment, printer: &Printer) -> Result<Setup, Failure> {
        let mut mode = self.progress;
        if mode == Mode::Auto
            && let Some(text) = &environment.buildkit_progress
        {
            mode = Mode::from_str(text, false).map_err(|_| {
                let names: Vec<_> = Mode::value_variants()
                    .iter()
                    .filter_map(Mode::to_possible_value)
                    .collect();
                let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.get_name())).collect();
                Failure::usage(format!("BUILDKIT_PROGRESS: unknown progress mode `{text}`"))
                    .hint(format!("it is one of {}", names.join(", ")))
            })?;
        }
        let can_draw = printer.stderr_is_terminal() && !environment.dumb_terminal;
        let mode = match mode {
            Mode::Auto if can_draw => Mode::Tty,
            Mode::Auto => Mode::Plain,
            Mode::Tty if !can_draw => {
                return Err(Failure::usage("progress mode `tty` needs a terminal on stderr")
                    .hint("`--progress=plain` needs none"));
            }
            mode => mode,
        };
        if matches!(mode, Mode::Rawjson | Mode::Quiet) {
            printer.leave_warnings_out();
        }
        let (palette, wrong) = match environment.buildkit_colors.as_deref() {
            Some(text) if mode == Mode::Tty && printer.coloured() => Palette::parse(text),
            _ => (Palette::default(), Vec::new()),
        };
        for part in wrong {
            printer.warning(
                "colors",
                &format!("BUILDKIT_COLORS: `{part}` is no colour of a known kind, and was ignored"),
            );
        }
        let lines = environment
            .tty_log_lines
            .as_deref()
            .and_then(|lines| lines.parse().ok());
        Ok(Setup {
            mode,
            palette,
            log_lines: lines.filter(|lines| *lines > 0).unwrap_or(LOG_LINES),
            places: super::Places::default(),
        })
    }
}
