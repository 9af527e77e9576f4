//! Answers as AWS words them, where the local server does not enforce rights.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// Refuses requests whose target ends with `operation` (all for an empty one) with this code and message, and
/// answers the others with `{}`. Returns its URL.
pub(crate) fn refusing(
    operation: &'static str,
    code: &'static str,
    message: &'static str,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(&stream, operation, code, message));
        }
    });
    url
}

fn answer(stream: &TcpStream, operation: &str, code: &str, message: &str) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut target, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("x-amz-target:") {
                target = value.trim().to_owned();
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        lines.read_exact(&mut vec![0; length]).ok()?;
        let is_refused = target.ends_with(&operation.to_ascii_lowercase());
        let (status, body) = if is_refused {
            ("400 Bad Request", format!(r#"{{"__type":"x#{code}","message":"{message}"}}"#))
        } else {
            ("200 OK", "{}".to_owned())
        };
        write!(
            &mut &*stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
    }
}
