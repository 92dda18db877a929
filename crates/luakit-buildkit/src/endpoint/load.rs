//! Loading an image into Docker: what `docker load` does.
//!
//! `POST /images/load` takes the archive as its body and answers with JSON messages, one after the other
//! (<https://docs.docker.com/reference/api/engine/version/v1.45/#tag/Image/operation/ImageLoad>). Its status says
//! little: a failure on the way comes as a message.

use bytes::Bytes;
use http::{Request, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde::Deserialize;
use tokio::io::AsyncRead;
use tokio_stream::StreamExt as _;
use tokio_util::io::ReaderStream;

use super::docker::{answer, protocol, refusal};
use super::process::Said;
use super::{DockerError, DockerHost};

/// The longest message of an answer.
const MESSAGE: usize = 1 << 20;

/// What happens while an image is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadEvent {
    /// A layer on its way.
    Layer {
        /// The layer's short id.
        id: String,
        /// What is done with it.
        status: String,
        /// Bytes done.
        current: u64,
        /// Bytes in all; 0 when Docker doesn't say.
        total: u64,
    },
    /// A line for people.
    Text(String),
    /// An image is there: its name, or its id when it has none.
    Loaded(String),
}

/// Why an image isn't loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Docker can't be asked, or refused.
    #[error("docker on {host} {source}")]
    Docker {
        /// Where it is.
        host: String,
        /// Why.
        source: DockerError,
    },
    /// It failed on the way.
    #[error("docker on {host} can't load the image: {message}")]
    Failed {
        /// Where it is.
        host: String,
        /// What Docker says.
        message: String,
    },
}

impl DockerHost {
    /// Loads the images of an archive, as the exporters `docker` and `oci` write it, while it is being read. Gives the
    /// names of what was loaded, and ids of what has no name.
    pub async fn load(
        &self,
        archive: impl AsyncRead + Send + 'static,
        mut observer: impl FnMut(LoadEvent),
    ) -> Result<Vec<String>, LoadError> {
        let docker = |source| LoadError::Docker {
            host: self.to_string(),
            source,
        };
        let frames = ReaderStream::with_capacity(archive, 64 << 10).map(|bytes| bytes.map(Frame::data));
        let request = Request::post("/images/load?quiet=0")
            .header(header::HOST, "docker")
            .header(header::CONTENT_TYPE, "application/x-tar")
            .body(StreamBody::new(frames).boxed_unsync());
        let request = request.map_err(|e| docker(DockerError::Protocol(e.to_string())))?;
        let response = self.send(request, &Said::default()).await.map_err(docker)?;
        let status = response.status();
        if !status.is_success() {
            let body = answer(response).await.map_err(docker)?;
            return Err(docker(refusal(status, &body)));
        }
        let mut body = response.into_body();
        let mut messages = Messages::default();
        let mut loaded = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| docker(protocol(e)))?;
            let data = frame.into_data().unwrap_or_default();
            let heard = messages.feed(&data).map_err(|e| docker(DockerError::Protocol(e)))?;
            for message in heard {
                if let Some(message) = message.failure() {
                    return Err(LoadError::Failed {
                        host: self.to_string(),
                        message,
                    });
                }
                for event in message.events() {
                    if let LoadEvent::Loaded(name) = &event {
                        loaded.push(name.clone());
                    }
                    observer(event);
                }
            }
        }
        messages.finish().map_err(|e| docker(DockerError::Protocol(e)))?;
        Ok(loaded)
    }
}

/// Cuts a body into messages.
#[derive(Default)]
struct Messages {
    pending: Vec<u8>,
}

impl Messages {
    fn feed(&mut self, bytes: &Bytes) -> Result<Vec<Message>, String> {
        self.pending.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut read = serde_json::Deserializer::from_slice(&self.pending).into_iter::<Message>();
        let mut used = 0;
        while let Some(message) = read.next() {
            match message {
                Ok(message) => messages.push(message),
                Err(e) if e.is_eof() => break,
                Err(e) => return Err(e.to_string()),
            }
            used = read.byte_offset();
        }
        self.pending.drain(..used);
        if self.pending.len() > MESSAGE {
            return Err("a message without an end".to_owned());
        }
        Ok(messages)
    }

    fn finish(&self) -> Result<(), String> {
        if self.pending.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        Err("its answer ends in the middle of a message".to_owned())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    stream: String,
    status: String,
    id: String,
    #[serde(rename = "progressDetail")]
    progress: Option<Progress>,
    error: String,
    #[serde(rename = "errorDetail")]
    detail: Option<Detail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Progress {
    current: u64,
    total: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    message: String,
}

impl Message {
    fn failure(&self) -> Option<String> {
        let detail = self.detail.as_ref().map_or("", |detail| detail.message.as_str());
        let text = if detail.is_empty() { &self.error } else { detail };
        (self.detail.is_some() || !text.is_empty()).then(|| text.to_owned())
    }

    fn events(self) -> Vec<LoadEvent> {
        if !self.status.is_empty() {
            let progress = self.progress.unwrap_or_default();
            return vec![LoadEvent::Layer {
                id: self.id,
                status: self.status,
                current: progress.current,
                total: progress.total,
            }];
        }
        let lines = self.stream.lines().map(str::trim).filter(|line| !line.is_empty());
        let event = |line: &str| {
            let named = line.strip_prefix("Loaded image: ");
            let named = named.or_else(|| line.strip_prefix("Loaded image ID: "));
            named.map_or_else(
                || LoadEvent::Text(line.to_owned()),
                |name| LoadEvent::Loaded(name.to_owned()),
            )
        };
        lines.map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    /// A daemon that takes one request whole and gives `answer`, a piece at a time.
    fn daemon(answer: Vec<&'static str>) -> (tempfile::TempDir, DockerHost, tokio::task::JoinHandle<Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n0\r\n\r\n") {
                heard.push(stream.read_u8().await.unwrap());
            }
            for piece in answer {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            heard
        });
        (dir, DockerHost::Unix(path), heard)
    }

    #[tokio::test]
    async fn an_archive_goes_up_and_events_come_back() {
        let (_dir, host, heard) = daemon(vec![
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"status\":\"Loading layer\",\"prog",
            "ressDetail\":{\"current\":3,\"total\":9},\"id\":\"ab\"}\r\n{\"stream\":\"Loaded image: a/b:c\\n\"}",
            "{\"stream\":\"Loaded image ID: sha256:d\\n\"}\n",
        ]);
        let mut events = Vec::new();
        let loaded = host
            .load(&b"the archive"[..], |event| events.push(event))
            .await
            .unwrap();
        assert_eq!(loaded, ["a/b:c", "sha256:d"]);
        insta::assert_debug_snapshot!(events, @r#"
        [
            Layer {
                id: "ab",
                status: "Loading layer",
                current: 3,
                total: 9,
            },
            Loaded(
                "a/b:c",
            ),
            Loaded(
                "sha256:d",
            ),
        ]
        "#);
        let heard = String::from_utf8(heard.await.unwrap()).unwrap();
        assert!(heard.starts_with("POST /images/load?quiet=0 HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("the archive"), "{heard}");
    }

    #[tokio::test]
    async fn failures() {
        let cases = [
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"errorDetail\":{\"message\":\"no space left\"},\"error\":\"no\"}",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"stream\":\"Loa",
            "HTTP/1.1 500 Oh\r\nContent-Length: 23\r\n\r\n{\"message\":\"not today\"}",
            "SSH-2.0-OpenSSH\r\n",
        ];
        let mut errors = Vec::new();
        for case in cases {
            let (dir, host, _heard) = daemon(vec![case]);
            let error = host.load(&b"x"[..], |_| {}).await.unwrap_err().to_string();
            errors.push(error.replace(&dir.path().display().to_string(), "DIR"));
        }
        insta::assert_snapshot!(errors.join("\n"), @"
        docker on unix://DIR/docker.sock can't load the image: no space left
        docker on unix://DIR/docker.sock doesn't answer as Docker does: its answer ends in the middle of a message
        docker on unix://DIR/docker.sock answered `500 Internal Server Error`: not today
        docker on unix://DIR/docker.sock doesn't answer as Docker does: invalid HTTP version parsed
        ");
    }

    proptest::proptest! {
        /// However the answer is cut, the messages are the same.
        #[test]
        fn pieces(cut in 0_usize..40) {
            let text = br#"{"stream":"a"} {"status":"b"}{"id":"c"}"#;
            let mut messages = Messages::default();
            let (one, two) = text.split_at(cut.min(text.len()));
            let mut count = messages.feed(&Bytes::copy_from_slice(one)).unwrap().len();
            count += messages.feed(&Bytes::copy_from_slice(two)).unwrap().len();
            proptest::prop_assert_eq!(count, 3);
            proptest::prop_assert!(messages.finish().is_ok());
        }
    }
}
