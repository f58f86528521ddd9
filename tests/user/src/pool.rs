//! A pool of workers that share the work.

use std::collections::VecDeque;

use forkcheck::{Attr, Future, fork, wait, wait_all};

fn work(job: u64) -> u64 {
    job * job
}

/// Workers take jobs from one queue, and put results into one list. Two of them may take the same job.
pub fn one_queue(jobs: &[u64], workers: usize) -> Vec<u64> {
    let queue = Attr::new(jobs.iter().copied().collect::<VecDeque<u64>>());
    let results = Attr::new(Vec::new());
    let worker = |queue: Attr<VecDeque<u64>>, results: Attr<Vec<u64>>| {
        loop {
            let job = queue.modify(VecDeque::pop_front); // a job is taken
            let Some(job) = job else { return };
            results.modify(|results| results.push(work(job))); // a result is put
        }
    };
    let pool: Vec<Future<()>> = (0..workers).map(|_| fork(worker, (queue.clone(), results.clone()))).collect();
    wait_all(&pool);
    results.get()
}

/// Jobs are dealt before the workers start, and each has its results in the order of its jobs. A job may itself be a future
/// of another one's, so that workers wait for each other.
pub fn dealt(jobs: &[u64], workers: usize) -> Vec<u64> {
    let worker = |jobs: Vec<u64>| jobs.into_iter().map(work).collect::<Vec<u64>>();
    let deal = |k: usize| jobs.iter().copied().skip(k).step_by(workers).collect::<Vec<u64>>();
    let pool: Vec<Future<Vec<u64>>> = (0..workers).map(|k| fork(worker, (deal(k),))).collect();
    let hands: Vec<Vec<u64>> = wait_all(&pool);
    (0..jobs.len()).map(|i| hands[i % workers][i / workers]).collect()
}

/// Each job is a future that takes the one before as its argument: a pipeline. Futures are stored, passed on, and waited for by
/// several.
pub fn pipeline(jobs: &[u64]) -> Vec<u64> {
    let stage = |job: u64, before: Option<Future<u64>>| work(job) + before.as_ref().map_or(0, wait);
    let mut stages: Vec<Future<u64>> = Vec::new();
    for &job in jobs {
        stages.push(fork(stage, (job, stages.last().cloned())));
    }
    wait_all(&stages)
}

#[cfg(test)]
mod tests {
    use forkcheck::Checker;
    use forkcheck::report::Verdict;

    use super::*;
    use crate::testing::{check_certified, check_finds, line_of};

    const JOBS: [u64; 3] = [1, 2, 3];

    #[test]
    fn a_queue_that_workers_share_is_found() {
        let report = Checker::new().run(|| one_queue(&JOBS, 2));
        assert_eq!(report.verdict, Some(Verdict::Nondeterministic), "{report}");
        let source = include_str!("pool.rs");
        check_finds(&report, "input-mutation", "input 0", line_of(source, "a job is taken"));
        check_finds(&report, "input-mutation", "input 1", line_of(source, "a result is put"));
    }

    #[test]
    fn jobs_that_are_dealt_are_certified() {
        check_certified(&Checker::new().run(|| dealt(&JOBS, 2)));
        assert_eq!(dealt(&JOBS, 2), [1, 4, 9]);
    }

    #[test]
    fn a_pipeline_of_futures_is_certified() {
        check_certified(&Checker::new().run(|| pipeline(&JOBS)));
        assert_eq!(pipeline(&JOBS), [1, 5, 14]);
    }
}
