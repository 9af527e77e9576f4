use std::{
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::allocator;

/// One comparison: what is asked of ours beside a peer that does the same.
pub struct Case {
    pub name: &'static str,
    pub peer: &'static str,
    pub ours: Subject,
    pub theirs: Subject,
    /// How many times the peer's time ours may take.
    pub ratio: Option<f64>,
    /// How many allocations ours may make.
    pub allocations: Option<u64>,
    pub figure: Figure,
}

/// Which of all the samples is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The least: what it costs where nothing else gets in the way.
    Minimum,
    /// The one in the middle, where waiting for another process is a part of it.
    Median,
}

/// Does something so many times, or fewer, and says what that cost; `None` if it left the path that
/// is to be measured, as a breaker does that looks at its store every five seconds.
pub type Subject = Box<dyn FnMut(u32) -> Option<Sample>>;

/// What some operations cost.
#[derive(Clone, Copy)]
pub struct Sample {
    pub operations: u32,
    pub elapsed: Duration,
    pub allocations: u64,
}

impl Case {
    pub fn new(name: &'static str, ours: Subject, peer: &'static str, theirs: Subject) -> Self {
        Self { name, peer, ours, theirs, ratio: None, allocations: None, figure: Figure::Minimum }
    }

    /// What is asked of ours: at most so many times the peer's time.
    pub fn at_most(self, ratio: f64) -> Self {
        Self { ratio: Some(ratio), ..self }
    }

    /// What is asked of ours: at most so many allocations.
    pub fn allocations(self, most: u64) -> Self {
        Self { allocations: Some(most), ..self }
    }

    pub fn by_median(self) -> Self {
        Self { figure: Figure::Median, ..self }
    }
}

/// Measures `operation` `operations` times in a row.
///
/// Tokio would make its timers wait after 128 polls of one task, and they would look cheap: there is
/// no such limit here.
pub async fn lap<T>(operations: u32, mut operation: impl AsyncFnMut() -> T) -> Sample {
    tokio::task::unconstrained(async {
        let (before, start) = (allocator::counted(), Instant::now());
        for _ in 0..operations {
            std::hint::black_box(operation().await);
        }
        let (elapsed, after) = (start.elapsed(), allocator::counted());
        Sample { operations, elapsed, allocations: after - before }
    })
    .await
}

/// Polls `work` until it is done, as if it was woken at once.
pub async fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        loop {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(output);
            }
        }
    })
    .await
}

/// The runtime of all cases, on this thread.
#[derive(Clone)]
pub struct Bench(Rc<Runtime>);

impl Default for Bench {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self(Rc::new(runtime.expect("expected a runtime")))
    }
}

impl Bench {
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.block_on(work)
    }

    /// A subject that is the same operation every time.
    pub fn subject<T>(&self, mut operation: impl AsyncFnMut() -> T + 'static) -> Subject {
        let bench = self.clone();
        Box::new(move |operations| Some(bench.block_on(lap(operations, &mut operation))))
    }
}
