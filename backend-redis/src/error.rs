//! Why a command failed, and the kind of error that says what the caller may do.

use std::{io, sync::Arc, time::Duration};

use funcify_core::{
    StoreError, StoreErrorKind,
    engine::{Advice, MAX_RECORD_BYTES},
};
use redis::RedisError;

pub(crate) const BACKEND: &str = "redis";

/// Why a command got no usable response. The variants differ in whether the server may have run the
/// command.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There was no connection, so the command was not sent.
    #[error("no connection to {node}")]
    NotSent { node: String, source: Arc<io::Error> },
    /// The server refused the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The record has more than 400 KB, so nobody could read it. It was not sent.
    #[error("the record has {size} bytes, and a record can have at most {MAX_RECORD_BYTES}")]
    TooLarge { size: usize },
    /// The cluster redirects to a host to which nothing may be sent without TLS.
    #[error("the cluster redirects to `{host}`, which needs TLS or insecure=true")]
    Exposed { host: String },
    /// The command was sent, and no response arrived in time.
    #[error("no response arrived within {} ms; {advice}", after.as_millis())]
    Timeout { after: Duration, advice: Advice },
    /// The command may have been sent, and the connection ended.
    #[error("the connection ended before the response")]
    Lost(#[source] RedisError),
    /// The response does not have a form that this command can return.
    #[error("the response is malformed")]
    Malformed,
}

/// No connection was opened in time. This is the cause of a [`Failure::NotSent`].
#[derive(Debug, thiserror::Error)]
#[error("no connection was opened within {} ms; {advice}", after.as_millis())]
pub(crate) struct NoConnection {
    pub(crate) after: Duration,
    pub(crate) advice: Advice,
}

/// The error that the server returned.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the server answered {code}: {detail}")]
pub(crate) struct Refusal {
    code: String,
    detail: String,
}

/// What the command does. After some failures, it is unknown whether a swap was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Read,
    Swap,
}

impl Failure {
    /// Classifies the error of a command on an existing connection.
    pub(crate) fn of(error: RedisError) -> Self {
        match Refusal::of(&error) {
            Some(refusal) => Self::Refused(refusal),
            // This is how a user's own connection that reconnects by itself reports a failed reconnect.
            None if error.is_connection_refusal() => Self::NotSent {
                node: "the server".to_owned(),
                source: Arc::new(io::Error::new(io::ErrorKind::ConnectionRefused, error)),
            },
            None => Self::Lost(error),
        }
    }

    /// Whether the next command should use a new connection. This one is dead or stuck, or its node has lost the
    /// role of master.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Lost(_) | Self::Malformed => true,
            Self::Refused(refusal) => {
                // A new connection goes to the new master, or logs in with a new password.
                refusal.is_one_of(&["READONLY", "MASTERDOWN", "NOAUTH", "WRONGPASS"])
            }
            Self::NotSent { .. } | Self::Exposed { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// Whether the next command should ask another node which node owns the key.
    pub(crate) fn doubts_the_node(&self) -> bool {
        match self {
            Self::NotSent { .. } => true,
            Self::Refused(refusal) if refusal.is_one_of(&["MOVED", "CLUSTERDOWN"]) => true,
            other => other.ends_connection(),
        }
    }

    pub(crate) fn is_unknown_script(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_one_of(&["NOSCRIPT"]))
    }

    pub(crate) fn is_wrong_type(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_one_of(&["WRONGTYPE"]))
    }

    pub(crate) fn into_error(self, attempt: Attempt) -> StoreError {
        let kind = match (&self, attempt) {
            // A server that does not accept the connection in time may hang. It need not be down.
            (Self::NotSent { source, .. }, _) if source.kind() == io::ErrorKind::TimedOut => {
                StoreErrorKind::Timeout
            }
            (Self::NotSent { .. }, _) => StoreErrorKind::Unavailable,
            (Self::Refused(refusal), _) => refusal.kind(),
            (Self::Exposed { .. }, _) => StoreErrorKind::Denied,
            (Self::TooLarge { .. }, _) => StoreErrorKind::Invalid,
            (_, Attempt::Swap) => StoreErrorKind::Ambiguous,
            (Self::Timeout { .. }, Attempt::Read) => StoreErrorKind::Timeout,
            (Self::Lost(_), Attempt::Read) => StoreErrorKind::Unavailable,
            (Self::Malformed, Attempt::Read) => StoreErrorKind::Invalid,
        };
        StoreError::new(BACKEND, kind, self)
    }
}

impl Refusal {
    fn of(error: &RedisError) -> Option<Self> {
        let code = error.code()?;
        let detail = error.detail().unwrap_or_default();
        // Before Redis 7.0, an error inside a script is wrapped in another one:
        // "Error running script (…): … -OOM …".
        let inner = detail
            .starts_with("Error running script")
            .then(|| detail.split(' ').find_map(|word| word.strip_prefix('-')))
            .flatten();
        let code = inner.unwrap_or(code).to_owned();
        // If a server does not know a command, its error quotes the arguments, which may contain a token.
        let quoted = detail.find("with args beginning with").unwrap_or(detail.len());
        Some(Self { code, detail: detail.get(..quoted).unwrap_or_default().to_owned() })
    }

    /// Returns the address of the node that has the key, and whether only this command should go there.
    pub(crate) fn redirection(&self) -> Option<(&str, bool)> {
        let once = match self.code.as_str() {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        self.detail.split(' ').nth(1).map(|address| (address, once))
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code.as_str())
    }

    /// Returns the kind of the error. It is never ambiguous, because the server refuses before the script
    /// writes the content.
    fn kind(&self) -> StoreErrorKind {
        match self.code.as_str() {
            "NOAUTH" | "WRONGPASS" | "NOPERM" => StoreErrorKind::Denied,
            "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "MOVED"
            | "ASK" | "BUSY" | "OOM" | "NOSCRIPT" | "NOREPLICAS" | "MISCONF" => {
                StoreErrorKind::Unavailable
            }
            "ERR" if self.detail.contains("max number of clients") => StoreErrorKind::Unavailable,
            "ERR" if self.detail.contains("AUTH") => StoreErrorKind::Denied,
            // For a command in a script, Redis 7.0 returns this error and Redis 7.2 returns NOPERM.
            "ERR" if self.detail.contains("user executing the script can't") => {
                StoreErrorKind::Denied
            }
            _ => StoreErrorKind::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use funcify_core::engine::TimeLimits;

    use super::*;

    fn answered(line: &str) -> Failure {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        Failure::of(value.extract_error().unwrap_err())
    }

    #[test]
    fn a_refusal_is_never_ambiguous() {
        use StoreErrorKind::{Denied, Invalid, Unavailable};
        let table = [
            ("READONLY You can't write against a read only replica.", Unavailable),
            ("LOADING Redis is loading the dataset in memory", Unavailable),
            ("MOVED 3999 127.0.0.1:6381", Unavailable),
            ("ASK 3999 127.0.0.1:6381", Unavailable),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Unavailable),
            ("CLUSTERDOWN The cluster is down", Unavailable),
            ("MASTERDOWN Link with MASTER is down", Unavailable),
            ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable),
            ("BUSY Redis is busy running a script.", Unavailable),
            ("NOSCRIPT No matching script.", Unavailable),
            ("NOREPLICAS Not enough good replicas to write.", Unavailable),
            ("MISCONF Redis is configured to save RDB snapshots", Unavailable),
            ("ERR max number of clients reached", Unavailable),
            (
                "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You can't",
                Unavailable,
            ),
            (
                "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -NOPERM User",
                Denied,
            ),
            ("NOAUTH Authentication required.", Denied),
            ("WRONGPASS invalid username-password pair or user is disabled.", Denied),
            ("NOPERM this user has no permissions to run the 'evalsha' command", Denied),
            ("ERR AUTH <password> called without any password configured", Denied),
            ("ERR The user executing the script can't run this command or subcommand", Denied),
            ("ERR DB index is out of range", Invalid),
            ("ERR unknown command 'EVALSHA', with args beginning with: 'x'", Invalid),
            ("CROSSSLOT Keys in request don't hash to the same slot", Invalid),
            ("SOMETHING new", Invalid),
        ];
        for (line, kind) in table {
            for attempt in [Attempt::Read, Attempt::Swap] {
                assert_eq!(answered(line).into_error(attempt).kind(), kind, "{line}");
            }
        }
    }

    #[test]
    fn only_a_swap_that_may_have_been_sent_is_ambiguous() {
        use StoreErrorKind::{Ambiguous, Denied, Invalid, Timeout, Unavailable};
        let reset = || RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        let node = "h:1".to_owned();
        let after = std::time::Duration::from_millis(200);
        let late = Failure::Timeout { after, advice: TimeLimits::default().advice() };
        assert_eq!(
            late.to_string(),
            "no response arrived within 200 ms; if the store is far away, raise its option `timeout` (now 500 ms)"
        );
        let refused = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        let silent = Arc::new(io::Error::from(io::ErrorKind::TimedOut));
        let table = [
            (Failure::NotSent { node: node.clone(), source: silent }, Timeout, Timeout),
            (Failure::NotSent { node, source: refused }, Unavailable, Unavailable),
            (Failure::Exposed { host: "h".to_owned() }, Denied, Denied),
            (Failure::TooLarge { size: 500_000 }, Invalid, Invalid),
            (late, Timeout, Ambiguous),
            (Failure::Lost(reset()), Unavailable, Ambiguous),
            (Failure::Malformed, Invalid, Ambiguous),
            (Failure::of(reset()), Unavailable, Ambiguous),
        ];
        for (failure, read, swap) in table {
            assert_eq!(failure.clone().into_error(Attempt::Read).kind(), read, "{failure}");
            assert_eq!(failure.clone().into_error(Attempt::Swap).kind(), swap, "{failure}");
        }
    }

    #[test]
    fn an_error_does_not_contain_the_arguments_that_a_server_quotes() {
        let line =
            "ERR unknown command 'EVALSHA', with args beginning with: 'x' '{\"token\":\"canary";
        let error = answered(line).into_error(Attempt::Swap);
        let source = error.source().unwrap();
        assert!(source.to_string().contains("unknown command"), "{source}");
        assert!(!format!("{error:?} {source}").contains("canary"));
    }

    #[test]
    fn a_redirection_names_its_node() {
        let node = |line| match answered(line) {
            Failure::Refused(refusal) => {
                refusal.redirection().map(|(node, once)| (node.to_owned(), once))
            }
            _ => None,
        };
        assert_eq!(node("MOVED 1 h:7"), Some(("h:7".to_owned(), false)));
        assert_eq!(node("ASK 1 ::1:7"), Some(("::1:7".to_owned(), true)));
        assert_eq!(node("MOVED 1 :7"), Some((":7".to_owned(), false)));
        assert_eq!(node("MOVED"), None);
        assert_eq!(node("READONLY h:7 x"), None);
    }
}
