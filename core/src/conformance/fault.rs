use std::time::Duration;

/// What can happen to one operation between the caller and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the operation succeeds.
    Pass,
    /// The request is lost after it was sent. Nothing is applied, and the caller cannot know.
    LoseRequest,
    /// The reply is lost. A write is applied, and the caller cannot know.
    LoseReply,
    /// The store cannot be reached. Nothing is applied, and the caller knows.
    Refuse,
    /// The store throttles the request. Nothing is applied, and the caller knows.
    Throttle,
    /// The store denies the request. Nothing is applied, and the caller knows.
    Deny,
    /// The request arrives only after this time.
    Delay(Duration),
    /// The request never arrives, and no reply ever comes.
    Hang,
    /// The request arrives, and no reply ever comes.
    HangAfter,
    /// The request is late: a write arrives only after this many later operations, when its caller
    /// already has an ambiguous error.
    Late {
        /// How many operations come in between.
        later: u32,
    },
    /// The operation succeeds, and a write arrives once more after this many later operations.
    Duplicate {
        /// How many operations come in between.
        later: u32,
    },
}
