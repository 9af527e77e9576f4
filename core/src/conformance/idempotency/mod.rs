//! I1 to I6: whether a store keeps the laws of idempotency, with the same rules that `funcify` uses.

mod caller;
mod i1_once;
mod i2_one_answer;
mod i3_kept;
mod i4_fenced;
mod i5_payload;
mod i6_free_again;

use super::check::Promise;

pub(super) const CHECKS: [&[Promise]; 6] = [
    i1_once::CHECKS,
    i2_one_answer::CHECKS,
    i3_kept::CHECKS,
    i4_fenced::CHECKS,
    i5_payload::CHECKS,
    i6_free_again::CHECKS,
];
