//! The workloads, written once for both peers: their threads and atomics have the same names.
//!
//! Cells are atomics with sequentially consistent accesses, one visible operation per load or store. Handles are shared
//! through `std`'s `Arc`, so that reference counts are no visible operations.

macro_rules! workloads {
    ($peer:ident) => {
        use std::sync::Arc;

        use $peer::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        use $peer::thread;

        fn cells(count: usize) -> Arc<Vec<AtomicUsize>> {
            Arc::new((0..count).map(|_| AtomicUsize::new(0)).collect())
        }

        fn join_all(bodies: impl IntoIterator<Item = Box<dyn FnOnce() + Send + 'static>>) {
            let threads: Vec<_> = bodies.into_iter().map(|body| thread::spawn(move || body())).collect();
            threads.into_iter().for_each(|thread| thread.join().expect("no body panics"));
        }

        /// W1: n tasks, each loads the cell and stores one more. Gives what is in the cell at the end.
        pub(crate) fn increments(n: usize) -> usize {
            let cell = cells(1);
            join_all((0..n).map(|_| {
                let cell = cell.clone();
                Box::new(move || {
                    let seen = cell[0].load(SeqCst);
                    cell[0].store(seen + 1, SeqCst);
                }) as Box<dyn FnOnce() + Send>
            }));
            cell[0].load(SeqCst)
        }

        /// W2: n tasks of k stores each to a cell of its own.
        pub(crate) fn private_stores(n: usize, k: usize) {
            let cells = cells(n);
            join_all((0..n).map(|task| {
                let cells = cells.clone();
                Box::new(move || (0..k).for_each(|i| cells[task].store(i, SeqCst))) as Box<dyn FnOnce() + Send>
            }));
        }

        /// W5: n tasks of k atomic additions each to one cell.
        pub(crate) fn updates(n: usize, k: usize) {
            let cell = cells(1);
            join_all((0..n).map(|_| {
                let cell = cell.clone();
                Box::new(move || {
                    (0..k).for_each(|_| {
                        cell[0].fetch_add(1, SeqCst);
                    })
                }) as Box<dyn FnOnce() + Send>
            }));
        }
    };
}

/// For shuttle.
#[allow(dead_code, reason = "each peer can do a part of them")]
pub(crate) mod on_shuttle {
    workloads!(shuttle);
}

/// For loom.
#[allow(dead_code, reason = "each peer can do a part of them")]
pub(crate) mod on_loom {
    workloads!(loom);
}
