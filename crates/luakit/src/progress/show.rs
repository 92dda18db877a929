//! One build from its first event to its last, with Ctrl-C and its kin.

use std::pin::pin;

use luakit_buildkit::CancellationToken;
use luakit_buildkit::progress::Event;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::signals::{Signal, Signals};
use super::{Display, Outcome, TICK};
use crate::failure::Failure;

/// Runs a build that tells its observer what happens, and shows it; all that takes its time belongs into it, since
/// signals are heard here alone. Ctrl-C uses the token, with which the build ends when the engine has ended it; once
/// more, and this leaves at once. Either way that is [`Failure::interrupted`]. The other signals do the same.
pub(crate) async fn show<T, E>(
    mut display: Display<'_>,
    cancel: CancellationToken,
    build: impl AsyncFnOnce(&mut (dyn FnMut(Event) + Send)) -> Result<T, E>,
) -> Result<Result<T, E>, Failure> {
    let mut signals = Signals::listen();
    let (sender, mut events) = mpsc::unbounded_channel();
    // The receiver lives as long as the build.
    let mut observer = move |event| drop(sender.send(event));
    let mut build = pin!(build(&mut observer));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut first: Option<Signal> = None;
    let outcome = loop {
        tokio::select! {
            Some(event) = events.recv() => display.update(&event),
            _ = ticks.tick() => display.tick(),
            outcome = &mut build => break outcome,
            signal = signals.next() => {
                if let Some(first) = first {
                    display.finish(Outcome::Canceled);
                    return Err(Failure::interrupted(first));
                }
                first = Some(signal);
                cancel.cancel();
                display.say("canceling the build; press Ctrl-C again to leave at once");
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        display.update(&event);
    }
    match (outcome, first) {
        (Err(_), Some(signal)) => {
            display.finish(Outcome::Canceled);
            Err(Failure::interrupted(signal))
        }
        (outcome, _) => {
            display.finish(if outcome.is_ok() {
                Outcome::Done
            } else {
                Outcome::Failed
            });
            Ok(outcome)
        }
    }
}

/// Does what belongs to a build and isn't shown. A signal ends it at once.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut signals = Signals::listen();
    tokio::select! {
        outcome = work => outcome,
        signal = signals.next() => Err(Failure::interrupted(signal)),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::{Command, ExitCode};
    use std::time::Duration;

    use clap::ColorChoice;

    use super::*;
    use crate::printer::Printer;
    use crate::progress::{Mode, Palette, Places, Setup};

    /// Runs a build that sends signals to its own process, such as Ctrl-C's, and then goes on.
    async fn interrupted(
        signals: Vec<&'static str>,
        build: impl AsyncFnOnce(CancellationToken) -> Result<(), ()>,
    ) -> ExitCode {
        let setup = Setup {
            mode: Mode::Quiet,
            palette: Palette::default(),
            log_lines: 6,
            places: Places::default(),
        };
        let printer = Printer::new(ColorChoice::Never);
        let display = Display::new(setup, &printer);
        let cancel = CancellationToken::new();
        let ours = cancel.clone();
        let outcome = show(display, cancel, async |_| {
            for signal in signals {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let pid = std::process::id().to_string();
                assert!(
                    Command::new("kill")
                        .args([signal, &*pid])
                        .status()
                        .is_ok_and(|s| s.success())
                );
            }
            build(ours).await
        });
        match tokio::time::timeout(Duration::from_secs(20), outcome).await {
            Ok(Ok(_)) => ExitCode::SUCCESS,
            Ok(Err(failure)) => failure.exit_code(),
            Err(_late) => ExitCode::from(99),
        }
    }

    /// One test, for a signal reaches all of a process.
    #[tokio::test]
    async fn signals() {
        for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
            let ends = interrupted(vec![signal], async |cancel| {
                cancel.cancelled().await;
                Err(())
            });
            assert_eq!(ends.await, ExitCode::from(code), "the build ends when it is canceled");
            let hangs = interrupted(vec![signal, signal], async |_| std::future::pending().await);
            assert_eq!(hangs.await, ExitCode::from(code), "the second leaves at once");
        }
        let wins = interrupted(vec!["-INT"], async |cancel| {
            cancel.cancelled().await;
            Ok(())
        });
        assert_eq!(wins.await, ExitCode::SUCCESS, "the build was done just then");
    }
}
