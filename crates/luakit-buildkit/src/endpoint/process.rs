//! A child process whose standard input and output are a connection.
//!
//! The child ends with the connection. What it writes to stderr is kept, its last part at least, and is what an error
//! says when the child ends: `ssh` and `kubectl` tell there why there is no connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// What is kept of a child's stderr, in bytes.
const KEPT: usize = 2 << 10;

/// How long a child that has closed its output may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A program with its arguments, that an address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The address.
    pub address: String,
    /// The program's name, looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// What somebody at the other end has said on stderr; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    stderr: Vec<u8>,
    /// How it ended.
    end: Option<String>,
}

impl Said {
    pub(super) fn add(&self, bytes: &[u8]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut heard.stderr;
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }

    /// As text on one line, without what would move a terminal's cursor.
    pub(crate) fn text(&self) -> String {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&heard.stderr);
        let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
        let text = lines.collect::<Vec<_>>().join("; ");
        text.chars().filter(|c| !c.is_control()).collect()
    }

    pub(super) fn ended(&self, how: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).end = Some(how.to_owned());
    }

    /// Why the connection broke, if the other end has ended and said so. Not every layer above passes errors on whole.
    pub(crate) fn end(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).end.clone()
    }
}

/// A running child.
pub(super) struct Process {
    program: String,
    stdin: ChildStdin,
    stdout: ChildStdout,
    said: Said,
    end: End,
}

enum End {
    /// The child, and the reading of its stderr.
    NotYet(Option<Box<(Child, ChildStderr)>>),
    Waiting(Pin<Box<dyn Future<Output = Option<ExitStatus>> + Send>>),
    Over(Option<ExitStatus>),
}

impl CommandLine {
    /// Starts the program. What it says meanwhile is in `said`.
    pub(super) fn spawn(&self, said: &Said) -> io::Result<Process> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A session of its own: Ctrl-C is for us, who then cancel the build over this connection, and a password can't
        // be asked for on a terminal that shows progress.
        // SAFETY: between fork and exec only `setsid` is called, which is async-signal-safe and allocates nothing.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
        }
        let failed = |e: io::Error| {
            let reason = match e.kind() {
                io::ErrorKind::NotFound => "it is not installed, or not in `PATH`".to_owned(),
                _ => e.to_string(),
            };
            io::Error::new(e.kind(), format!("can't run `{}`: {reason}", self.program))
        };
        let mut child = command.spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a child without pipes"));
        };
        Ok(Process {
            program: self.program.clone(),
            stdin,
            stdout,
            said: said.clone(),
            end: End::NotYet(Some(Box::new((child, stderr)))),
        })
    }
}

impl Process {
    /// Takes what is there of the child's stderr, so that it never blocks on it.
    fn listen(&mut self, cx: &mut Context<'_>) {
        let End::NotYet(Some(running)) = &mut self.end else {
            return;
        };
        let stderr = &mut running.1;
        let mut space = [0; 512];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut *stderr).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => self.said.add(buf.filled()),
                _ => return,
            }
        }
    }

    /// Waits for the child's end, and says why it came; nothing when it went well.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        loop {
            match &mut self.end {
                End::NotYet(running) => {
                    let Some(running) = running.take() else {
                        self.end = End::Over(None);
                        continue;
                    };
                    let (mut child, mut stderr) = *running;
                    let said = self.said.clone();
                    self.end = End::Waiting(Box::pin(async move {
                        let rest = async {
                            let mut space = [0; 512];
                            while let Ok(read @ 1..) = stderr.read(&mut space).await {
                                said.add(space.get(..read).unwrap_or_default());
                            }
                        };
                        let ended = async { tokio::join!(child.wait(), rest).0 };
                        tokio::time::timeout(LAST_WORDS, ended).await.ok()?.ok()
                    }));
                }
                End::Waiting(waiting) => {
                    let status = ready!(waiting.as_mut().poll(cx));
                    self.end = End::Over(status);
                }
                End::Over(status) => {
                    let (failed, how) = match status {
                        Some(status) => (!status.success(), format!("`{}` ended ({status})", self.program)),
                        None => (false, format!("`{}` hung up", self.program)),
                    };
                    let said = self.said.text();
                    let text = match (said.is_empty(), failed) {
                        (true, false) => return Poll::Ready(None),
                        (true, true) => how,
                        (false, _) => format!("{how}: {said}"),
                    };
                    self.said.ended(&text);
                    return Poll::Ready(Some(io::Error::new(io::ErrorKind::BrokenPipe, text)));
                }
            }
        }
    }
}

impl AsyncRead for Process {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.listen(cx);
        if matches!(self.end, End::NotYet(_)) {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stdout).poll_read(cx, buf))?;
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        match ready!(self.poll_end(cx)) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Process {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stdin).poll_write(cx, buf)) {
            // The child's own words say more than a broken pipe.
            Err(error) => Poll::Ready(Err(ready!(self.poll_end(cx)).unwrap_or(error))),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn shell(script: &str) -> CommandLine {
        CommandLine {
            address: "test://".to_owned(),
            program: "/bin/sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
        }
    }

    #[tokio::test]
    async fn bytes_go_through_and_the_end_is_an_end() {
        let mut process = shell("cat").spawn(&Said::default()).unwrap();
        process.write_all(b"there and back").await.unwrap();
        let mut back = [0; 14];
        process.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"there and back");
    }

    #[tokio::test]
    async fn what_a_child_says_at_its_end_is_the_error() {
        let said = Said::default();
        let mut process = shell("echo first; echo 'no such \u{1b}[1mhost' >&2; exit 3")
            .spawn(&said)
            .unwrap();
        let mut all = Vec::new();
        let error = process.read_to_end(&mut all).await.unwrap_err();
        assert_eq!(error.to_string(), "`/bin/sh` ended (exit status: 3): no such [1mhost");
        assert_eq!(all, b"first\n");
    }

    #[tokio::test]
    async fn a_chatty_child_does_not_block_and_its_last_words_are_kept() {
        let script = "i=0; while [ $i -lt 9000 ]; do echo line $i >&2; i=$((i+1)); done; echo done";
        let mut process = shell(script).spawn(&Said::default()).unwrap();
        let mut answer = [0; 5];
        process.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"done\n");
        let error = process.read_u8().await.unwrap_err().to_string();
        assert!(error.ends_with("line 8998; line 8999"), "{error}");
        assert!(error.len() < 2 * KEPT, "{error}");
    }

    #[tokio::test]
    async fn a_child_ends_with_its_connection() {
        let mut process = shell("echo $$; exec sleep 1000").spawn(&Said::default()).unwrap();
        let mut id = Vec::new();
        while !id.ends_with(b"\n") {
            id.push(process.read_u8().await.unwrap());
        }
        let folder = format!("/proc/{}", String::from_utf8(id).unwrap().trim());
        assert!(std::fs::exists(&folder).unwrap());
        drop(process);
        for _ in 0..100 {
            // A child that is dead and not yet waited for has no command line.
            let line = std::fs::read(format!("{folder}/cmdline")).unwrap_or_default();
            if line.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the child still runs");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there() {
        let mut line = shell("");
        line.program = "no-such-program".to_owned();
        let error = line.spawn(&Said::default()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "can't run `no-such-program`: it is not installed, or not in `PATH`"
        );
    }
}
