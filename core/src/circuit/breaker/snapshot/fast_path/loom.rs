//! Tests the sequence lock with loom, which tries every order of the steps of all threads, and every value
//! that a load may return in the memory model.

use ::loom::{model, sync::Arc, thread};

use self::seqlock::Seqlock;

mod atomic {
    pub(super) use ::loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[path = "seqlock.rs"]
#[expect(clippy::duplicate_mod, reason = "the file of production, on loom's atomics")]
mod seqlock;

#[test]
fn a_reader_sees_the_words_of_one_write_or_nothing() {
    model(|| {
        let lock = Arc::new(Seqlock::new([0, 0]));
        let writer = thread::spawn({
            let lock = Arc::clone(&lock);
            move || (1..=2).for_each(|word| lock.write([word, word]))
        });
        if let Some([first, second]) = lock.read() {
            assert_eq!(first, second);
        }
        writer.join().unwrap();
        assert_eq!(lock.read(), Some([2, 2]));
    });
}

#[test]
fn what_was_read_later_is_never_older() {
    model(|| {
        let lock = Arc::new(Seqlock::new([0]));
        let writer = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.write([1])
        });
        let (earlier, later) = (lock.read(), lock.read());
        assert!(later.is_none() || earlier <= later, "{earlier:?}, then {later:?}");
        writer.join().unwrap();
    });
}

/// The mutant: the same lock without fences.
#[path = "."]
mod without_fences {
    use ::loom::{model, sync::Arc, thread};

    use self::seqlock::Seqlock;

    mod atomic {
        pub(super) use ::loom::sync::atomic::{AtomicU64, Ordering};

        pub(super) fn fence(_: Ordering) {}
    }

    #[path = "seqlock.rs"]
    #[expect(clippy::duplicate_mod, reason = "the file of production, without its fences")]
    mod seqlock;

    #[test]
    #[should_panic(expected = "words of two writes")]
    fn a_lock_without_fences_is_caught() {
        model(|| {
            let lock = Arc::new(Seqlock::new([0, 0]));
            let writer = thread::spawn({
                let lock = Arc::clone(&lock);
                move || lock.write([1, 1])
            });
            if let Some([first, second]) = lock.read() {
                assert_eq!(first, second, "words of two writes");
            }
            writer.join().unwrap();
        });
    }
}
