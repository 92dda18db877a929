//! One HTTP/1.1 exchange over any stream: enough for the test registry and Docker's socket.
//!
//! Tests and `xtask` speak to servers on this machine only, one request a connection, so there is
//! no TLS, no pooling, no redirect. Bodies are streamed out and collected in, up to a limit.

use std::io::{self, BufReader, Read, Write};

/// The largest response body that is collected: far above any manifest, layer or log in the tests.
const BODY_LIMIT: u64 = 1 << 30;

/// A request. `host` goes into the `Host` header; `target` is the path with its query.
#[derive(Debug)]
pub struct Request<'a> {
    /// `GET`, `HEAD`, `PUT`…
    pub method: &'a str,
    /// The `Host` header's value.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Headers other than `Host`, `Connection` and `Content-Length`.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A response with its whole body.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, with chunked encoding undone.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Sends `request` with `length` bytes of `body` and reads the response.
pub fn exchange(
    mut stream: impl Read + Write,
    request: &Request<'_>,
    body: &mut dyn Read,
    length: u64,
) -> io::Result<Response> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n",
        request.method, request.target, request.host
    );
    for (name, value) in request.headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    let sent = io::copy(&mut body.take(length), &mut stream)?;
    if sent != length {
        return Err(malformed("the request's body ended early"));
    }
    stream.flush()?;
    read_response(BufReader::new(stream), request.method == "HEAD")
}

fn read_response(mut from: impl io::BufRead, head_only: bool) -> io::Result<Response> {
    let (status, headers) = loop {
        let (status, headers) = read_head(&mut from)?;
        // An interim response (100 Continue) precedes the real one.
        if status >= 200 {
            break (status, headers);
        }
    };
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    if head_only || status == 204 || status == 304 {
        return Ok(response);
    }
    if response
        .header("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        read_chunks(&mut from, &mut response.body)?;
    } else {
        let length = response
            .header("content-length")
            .map(str::parse::<u64>)
            .transpose()
            .map_err(|_| malformed("unreadable `Content-Length`"))?;
        let read = from
            .take(length.unwrap_or(BODY_LIMIT).min(BODY_LIMIT))
            .read_to_end(&mut response.body)?;
        if length.is_some_and(|length| length != read as u64) {
            return Err(malformed("the response's body ended early"));
        }
    }
    Ok(response)
}

fn read_head(from: &mut impl io::BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|code| code.trim().parse().ok())
        .ok_or_else(|| malformed("no status line"))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Err(malformed("the response's headers ended early"));
        }
        let header = line.trim_end();
        if header.is_empty() {
            return Ok((status, headers));
        }
        if let Some((name, value)) = header.split_once(':') {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

pub(crate) fn read_chunks(from: &mut impl io::BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(|_| malformed("unreadable chunk size"))?;
        if body.len() as u64 + size > BODY_LIMIT {
            return Err(malformed("the response is too large"));
        }
        if size == 0 {
            return Ok(());
        }
        if from.take(size).read_to_end(body)? as u64 != size {
            return Err(malformed("a chunk ended early"));
        }
        line.clear();
        from.read_line(&mut line)?;
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::read_response;

    #[test]
    fn chunked_bodies_are_joined() {
        let raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let response = read_response(&raw[..], false).unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"abcde"[..]));
    }

    #[test]
    fn a_short_body_is_an_error() {
        let raw = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        let error = read_response(&raw[..], false).unwrap_err();
        assert_eq!(error.to_string(), "the response's body ended early");
    }

    #[test]
    fn an_interim_response_is_skipped() {
        let raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
        let response = read_response(&raw[..], false).unwrap();
        assert_eq!((response.status, response.header("location")), (201, Some("/x")));
    }
}
