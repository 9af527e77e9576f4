//! One HTTP/1.1 request, as its bytes were sent.

/// A request. It is kept even if its connection was cut in the middle.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) line: String,
    /// In lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The chunks of the body, if it is chunked.
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) trailers: Vec<(String, String)>,
    /// Whether the end was sent: all bytes of the length, or the last chunk and the trailers.
    pub(super) is_complete: bool,
}

impl Message {
    /// The requests in the bytes of one connection.
    pub(super) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut messages = Vec::new();
        while let Some((message, rest)) = Self::next(bytes) {
            messages.push(message);
            bytes = rest;
        }
        messages
    }

    fn next(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = split(bytes, b"\r\n\r\n")?;
        let head = String::from_utf8(head.to_vec()).unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
        let mut message = Self {
            line: line.to_owned(),
            headers: fields(headers),
            body: Vec::new(),
            chunks: Vec::new(),
            trailers: Vec::new(),
            is_complete: true,
        };
        if message.header("transfer-encoding") == ["chunked"] {
            let rest = message.read_chunks(rest);
            return Some((message, rest));
        }
        let length =
            message.header("content-length").first().map_or(0, |length| length.parse().unwrap());
        message.is_complete = rest.len() >= length;
        let (body, rest) = rest.split_at(length.min(rest.len()));
        message.body = body.to_vec();
        Some((message, rest))
    }

    /// Returns what follows the message.
    fn read_chunks<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        self.is_complete = false;
        loop {
            let Some((size, rest)) = split(bytes, b"\r\n") else { return &[] };
            let size = std::str::from_utf8(size).unwrap();
            let size =
                usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("no size: {size}"));
            if size == 0 {
                // The trailers end with an empty line. Without one, the line is the first.
                let all = [b"\r\n", rest].concat();
                let Some((trailers, end)) = split(&all, b"\r\n\r\n") else { return &[] };
                self.trailers = fields(std::str::from_utf8(trailers).unwrap());
                self.is_complete = true;
                return &rest[rest.len() - end.len()..];
            }
            if rest.len() < size + 2 {
                self.body.extend_from_slice(rest);
                return &[];
            }
            let (chunk, rest) = rest.split_at(size);
            self.body.extend_from_slice(chunk);
            self.chunks.push(chunk.to_vec());
            assert_eq!(&rest[..2], b"\r\n");
            bytes = &rest[2..];
        }
    }

    pub(super) fn header(&self, name: &str) -> Vec<&str> {
        let values = self.headers.iter().filter(|(known, _)| known == name);
        values.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn trailer(&self, name: &str) -> Option<&str> {
        let value = self.trailers.iter().find(|(known, _)| known == name);
        value.map(|(_, value)| value.as_str())
    }
}

fn fields(lines: &str) -> Vec<(String, String)> {
    let lines = lines.split("\r\n").filter(|line| !line.is_empty());
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_ascii_lowercase())
    };
    // Trailers are base64, whose letters have a case.
    let with_case = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    lines
        .map(|line| {
            if line.to_ascii_lowercase().starts_with("lambda-") {
                with_case(line)
            } else {
                field(line)
            }
        })
        .collect()
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}
