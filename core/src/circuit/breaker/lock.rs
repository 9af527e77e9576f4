use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose content is whole at any moment: a panic elsewhere does not corrupt it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
