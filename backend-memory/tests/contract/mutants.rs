//! Registers that break the contract, each in one way, and the checks that catch them.

use funcify_core::conformance;

use crate::mutant::{Flaw, Mutant};

/// The suite must catch `flaw` by these checks.
async fn caught(flaw: Flaw, by: &[&str]) {
    let report = conformance::run(&Mutant::new(flaw)).await;
    for name in by {
        let is_it =
            |check: &&String| check.split(": ").next().unwrap().ends_with(&format!(" {name}"));
        let is_known = report.passed.iter().chain(&report.failed).find(is_it);
        assert!(is_known.is_some(), "there is no check `{name}`");
        assert!(
            report.failed.iter().any(|check| is_it(&check)),
            "{flaw:?} escapes `{name}`\n{report}"
        );
    }
}

macro_rules! mutants {
    ($($test:ident: $flaw:ident by $($check:literal),+;)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            caught(Flaw::$flaw, &[$($check),+]).await;
        }
    )+};
}

#[tokio::test(start_paused = true)]
async fn without_a_flaw_every_check_passes() {
    let report = conformance::run(&Mutant::new(Flaw::None)).await;
    assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
    assert!(report.not_exercised.is_empty(), "{report}");
}

mutants! {
    a_blind_write_is_caught: BlindWrite by
        "a write that expects an older version conflicts",
        "of concurrent replacements exactly one is applied",
        "a late duplicate changes nothing",
        "a second completion does not replace the answer",
        "a release does not replace the answer",
        "a claim that was taken over does not complete",
        "a claim that was taken over does not release";
    reading_and_then_writing_is_caught: ReadsThenWrites by
        "of concurrent first writes exactly one is applied",
        "of concurrent replacements exactly one is applied",
        "concurrent increments are exact",
        "of concurrent duplicates exactly one may work",
        "of many who take over exactly one may work";
    a_register_that_only_updates_is_caught: OnlyUpdates by
        "a first write on nothing is applied",
        "a first write to a circuit is applied";
    reading_nothing_as_a_record_is_caught: NothingIsARecord by
        "nothing is read where nothing was written";
    a_lost_write_is_caught: LosesWrites by
        "what was written is read back with its version",
        "every duplicate gets the answer",
        "another payload gets neither the claim nor the answer";
    one_name_space_for_all_kinds_is_caught: OneNameSpace by
        "records of three kinds with one name are three records";
    a_store_of_two_known_kinds_is_caught: OnlyKnownKinds by
        "a record of a new kind is a record";
    folding_the_case_of_names_is_caught: FoldsCase by
        "names that differ in case are two records";
    merging_members_is_caught: MergesMembers by
        "a write replaces the whole body";
    keeping_numbers_as_floats_is_caught: NumbersAreFloats by
        "integers to the ends of 64 bits come back";
    expanding_templates_in_text_is_caught: TemplatesInText by
        "double braces come back";
    reading_an_empty_body_as_nothing_is_caught: EmptyIsNothing by
        "an empty body is a record";
    a_conflict_that_is_applied_is_caught: AppliesConflicts by
        "a conflict leaves the record as it was",
        "a conflict leaves nothing where nothing was";
    a_conflict_that_is_applied_later_is_caught: AppliesConflictsLater by
        "a conflict is not applied later";
    a_conflict_that_carries_nothing_is_caught: ConflictCarriesNothing by
        "a conflict carries what is there now",
        "what a conflict carries can be written on";
    a_refusal_that_writes_is_caught: RefusalThatWrites by
        "a refused write changes nothing",
        "a throttled write changes nothing";
    a_lost_reply_answered_as_a_conflict_is_caught: LostReplyIsAConflict by
        "a lost reply is answered truthfully";
    a_lost_request_answered_as_applied_is_caught: LostRequestIsApplied by
        "a lost request is answered truthfully";
    cutting_long_bodies_is_caught: CutsLongBodies by
        "a body of five kilobytes is kept whole or refused";
    a_counter_for_the_version_is_caught: CounterForVersion by
        "a version holds the id of its write",
        "two records never share a version",
        "a version is not issued again after a deletion",
        "after a deletion a first write makes a new version";
    a_digest_for_the_version_is_caught: DigestForVersion by
        "the same body written twice has two versions",
        "an old version stays old when its content comes back";
    reading_what_was_deleted_is_caught: ReadsWhatWasDeleted by
        "a deleted record reads as nothing";
    a_swap_judged_on_a_cache_is_caught: SwapsOnACache by
        "a write on a version that another client just replaced conflicts",
        "a first write after another clients first write conflicts";
    a_read_from_a_replica_is_caught: ReadsAReplica by
        "a token is read as soon as it is written",
        "a circuit is read as soon as it is written";
    writing_piece_by_piece_is_caught: WritesPieceByPiece by
        "reads during writes show whole records";
    forgetting_after_the_time_to_keep_is_caught: ForgetsAfterKeeping by
        "a record to be kept for a millisecond is a record",
        "a record past its time to keep still conflicts with a first write";
    forgetting_by_a_skewed_clock_is_caught: ForgetsBySkewedClock by
        "a record to be kept for no time is a record",
        "a record outlives its time to keep";
    a_lock_left_behind_is_caught: LeavesALock by
        "a dropped write blocks nobody";
    corruption_that_is_an_error_is_caught: CorruptionIsAnError by
        "a list is a corrupt record",
        "a corrupt record can be replaced";
    corruption_that_reads_as_nothing_is_caught: CorruptionIsNothing by
        "a truncated object is a corrupt record",
        "a corrupt record can be replaced",
        "a corrupt record is a free key";
    corruption_that_is_not_reported_is_caught: CorruptionIsARecord by
        "empty text is a corrupt record",
        "a corrupt record conflicts with a first write";
    a_foreign_item_that_blocks_the_key_is_caught: ForeignBlocks by
        "a foreign item can be replaced";
    reading_a_foreign_item_as_a_record_is_caught: ForeignIsARecord by
        "a foreign item is read as empty";
    dropping_the_members_of_a_newer_version_is_caught: DropsUnknownMembers by
        "members of a newer token are kept",
        "members of a newer circuit are kept";
    forgetting_the_write_id_is_caught: NoIdempotency by
        "a write sent again is applied again",
        "one write sent by many clients at once is applied for all",
        "a token is written once although the reply was lost",
        "an answer whose completion lost its reply is the answer";
    comparing_the_version_before_the_write_id_is_caught: ComparesFirst by
        "a first write sent again is applied again",
        "a write sent again is applied again";
    remembering_every_id_for_ever_is_caught: RemembersEveryId by
        "a write sent again after another write conflicts";
    another_version_for_the_same_write_is_caught: AnotherVersionEachTime by
        "a write sent again is applied again",
        "a write sent three times makes one version";
}

/// On the real clock: a blocked thread would block the paused clock as well.
#[tokio::test]
async fn a_client_that_blocks_the_thread_is_caught() {
    caught(Flaw::Blocks, &["an operation on a store that hangs ends at the deadline"]).await;
}
