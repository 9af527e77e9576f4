use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. A panic cannot leave the content of these mutexes half updated, so a poisoned lock is
/// used as it is.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
