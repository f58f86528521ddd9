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

        /// A task of ten steps: stores to a cell of its own, but for a load of the cell `from` as the step `load`, and a store
        /// of what it saw to the cell `to` as the step `store`.
        fn steps(
            cells: &Arc<Vec<AtomicUsize>>,
            own: usize,
            from: (usize, usize),
            to: (usize, usize),
        ) -> Box<dyn FnOnce() + Send> {
            let cells = cells.clone();
            Box::new(move || {
                let mut seen = usize::from(from.0 == 0);
                for step in 1..=10 {
                    match step {
                        step if step == from.0 => seen = cells[from.1].load(SeqCst),
                        step if step == to.0 => cells[to.1].store(seen, SeqCst),
                        step => cells[own].store(step, SeqCst),
                    }
                }
                if to.0 == 0 && from.0 > 0 {
                    cells[from.1].store(2 * seen, SeqCst);
                }
            })
        }

        /// Four tasks, forked last first: the bug wants A's 8th step before B's 3rd, B's 8th before C's 3rd, C's 8th before
        /// D's 3rd.
        pub(crate) fn chain_reversed() -> bool {
            let cells = cells(7);
            join_all([
                steps(&cells, 6, (3, 2), (0, 0)),
                steps(&cells, 5, (3, 1), (8, 2)),
                steps(&cells, 4, (3, 0), (8, 1)),
                steps(&cells, 3, (0, 0), (8, 0)),
            ]);
            cells[2].load(SeqCst) == 2
        }

        /// The bug wants A's 3rd step before B's 3rd, B's 6th before C's 4th, and C's 7th before A's 8th.
        pub(crate) fn cycle() -> bool {
            let cells = cells(8);
            let own = cells.clone();
            let a = Box::new(move || {
                let mut seen = 0;
                for step in 1..=10 {
                    match step {
                        3 => own[0].store(1, SeqCst),
                        8 => seen = own[2].load(SeqCst),
                        step => own[3].store(step, SeqCst),
                    }
                }
                own[7].store(seen, SeqCst);
            });
            join_all([
                a as Box<dyn FnOnce() + Send>,
                steps(&cells, 4, (3, 0), (6, 1)),
                steps(&cells, 5, (4, 1), (7, 2)),
                steps(&cells, 6, (0, 0), (0, 0)),
            ]);
            cells[7].load(SeqCst) == 1
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
