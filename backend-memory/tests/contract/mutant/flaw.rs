//! The ways in which a register breaks the contract, by the law that it breaks.

/// How a register can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    // L1
    BlindWrite,
    ReadsThenWrites,
    OnlyUpdates,
    NothingIsARecord,
    LosesWrites,
    OneNameSpace,
    OnlyKnownKinds,
    FoldsCase,
    MergesMembers,
    NumbersAreFloats,
    TemplatesInText,
    EmptyIsNothing,
    // L2
    AppliesConflicts,
    AppliesConflictsLater,
    ConflictCarriesNothing,
    // L3
    RefusalThatWrites,
    LostReplyIsAConflict,
    LostRequestIsApplied,
    CutsLongBodies,
    // L4
    CounterForVersion,
    DigestForVersion,
    ReadsWhatWasDeleted,
    // L5
    SwapsOnACache,
    ReadsAReplica,
    WritesPieceByPiece,
    // L6
    ForgetsAfterKeeping,
    ForgetsBySkewedClock,
    // L7
    Blocks,
    // L8
    LeavesALock,
    // L9
    CorruptionIsAnError,
    CorruptionIsNothing,
    CorruptionIsARecord,
    ForeignBlocks,
    ForeignIsARecord,
    DropsUnknownMembers,
    // L10
    NoIdempotency,
    ComparesFirst,
    RemembersEveryId,
    AnotherVersionEachTime,
}
