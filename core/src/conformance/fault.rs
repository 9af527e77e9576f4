use std::time::Duration;

/// A fault of one operation, between the caller and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault: the operation succeeds.
    Pass,
    /// The request is lost after it was sent. Nothing is applied, and the caller cannot know that.
    LoseRequest,
    /// The reply is lost. A write is applied, and the caller cannot know that.
    LoseReply,
    /// The store cannot be reached. Nothing is applied, and the caller knows that.
    Refuse,
    /// The store throttles the request. Nothing is applied, and the caller knows that.
    Throttle,
    /// The store denies the request. Nothing is applied, and the caller knows that.
    Deny,
    /// The request arrives after this time.
    Delay(Duration),
    /// The request never arrives, and the caller never gets a reply.
    Hang,
    /// The request arrives, and the caller never gets a reply.
    HangAfter,
    /// A write arrives only after `later` other operations. Its caller already has an ambiguous error.
    Late {
        /// How many operations arrive before it.
        later: u32,
    },
    /// The operation succeeds, and a copy of a write arrives after `later` other operations.
    Duplicate {
        /// How many operations arrive before the copy.
        later: u32,
    },
}
