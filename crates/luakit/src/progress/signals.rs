//! The signals that end a build: Ctrl-C's, and those of a system that stops the process or loses its terminal.
//!
//! Until the first [`Signals`] is made they end the process, as ever; from then on they are only told. A hang-up that was
//! to be ignored when the process began (`nohup`) stays so.

use tokio::signal::unix::{self, SignalKind};

/// What asks for a build's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The system, or whoever runs the process.
    Terminate,
    /// The terminal is gone.
    HangUp,
}

/// Hears them.
pub(super) struct Signals {
    interrupt: Option<unix::Signal>,
    terminate: Option<unix::Signal>,
    hang_up: Option<unix::Signal>,
}

impl Signals {
    /// Begins to hear. One that can't be heard ends the process, as ever.
    pub(super) fn listen() -> Self {
        Self {
            interrupt: unix::signal(SignalKind::interrupt()).ok(),
            terminate: unix::signal(SignalKind::terminate()).ok(),
            hang_up: (!ignores_hang_up())
                .then(|| unix::signal(SignalKind::hangup()).ok())
                .flatten(),
        }
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            () = heard(&mut self.interrupt) => Signal::Interrupt,
            () = heard(&mut self.terminate) => Signal::Terminate,
            () = heard(&mut self.hang_up) => Signal::HangUp,
        }
    }
}

async fn heard(signal: &mut Option<unix::Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Whether the process was started with hang-ups ignored. Where there is no `/proc`, nobody knows.
fn ignores_hang_up() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignored(&status, 1))
}

/// Whether a process's status says that it ignores the signal of this number (`proc_pid_status(5)`).
fn ignored(status: &str, number: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored() {
        let status = |mask: &str| format!("Name:\tluakit\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n");
        assert!(ignored(&status("0000000000001001"), 1));
        assert!(!ignored(&status("0000000000001000"), 1));
        assert!(!ignored(&status("what"), 1));
        assert!(!ignored("", 1));
    }
}
