//! A function that remembers: how many ways there are to climb `n` stairs by steps of one, two or three.

use std::collections::BTreeMap;

use forkcheck::{Attr, fork, wait, wait_all};

/// What is known.
pub type Memo = Attr<BTreeMap<u32, u64>>;

/// Forks share the memo. Whoever loses a race for it computes once more, and what was remembered may be lost: the answer is
/// right in every schedule, the memo is not the same.
pub fn shared(n: u32, memo: Memo) -> u64 {
    if n == 0 {
        return 1;
    }
    if let Some(&known) = memo.get().get(&n) {
        return known;
    }
    let parts: Vec<_> = (1..=n.min(3)).map(|step| fork(shared, (n - step, memo.clone()))).collect();
    let ways = wait_all(&parts).iter().sum();
    memo.modify(|known| known.insert(n, ways)); // the memo is written
    ways
}

/// The caller goes through the stairs and remembers; forks only add up what is known. A fork reads a copy.
pub fn own(n: u32, memo: Memo) -> u64 {
    for stair in 0..=n {
        let known = memo.get();
        if !known.contains_key(&stair) {
            let ways = wait(&fork(one_more, (stair, known)));
            memo.modify(|known| known.insert(stair, ways));
        }
    }
    memo.get()[&n]
}

fn one_more(stair: u32, known: BTreeMap<u32, u64>) -> u64 {
    if stair == 0 { 1 } else { (1..=stair.min(3)).map(|step| known[&(stair - step)]).sum() }
}

#[cfg(test)]
mod tests {
    use forkcheck::Checker;
    use forkcheck::check::Kind;
    use forkcheck::report::{Assurance, Verdict};

    use super::*;
    use crate::testing::{check_certified, check_finds, line_of};

    #[test]
    fn a_shared_memo_is_found() {
        let report = Checker::new().run(|| {
            let memo = Memo::default();
            (shared(3, memo.clone()), memo.get())
        });
        assert_eq!(report.verdict, Some(Verdict::Nondeterministic), "{report}");
        check_finds(&report, "input-mutation", "input 1", line_of(include_str!("cache.rs"), "the memo is written"));
    }

    /// One who can live with a memo that differs says so: what is left is that the answers do not.
    #[test]
    fn its_answers_are_the_same_in_every_schedule() {
        let checker = Checker::new().strategy("dpor").allow(Kind::InputMutation, "input 1");
        let report = checker.run(|| shared(3, Memo::default()));
        assert_eq!(report.outcomes.as_ref().map(|outcomes| outcomes.distinct), Some(1), "{report}");
        assert_eq!(report.assurance, Some(Assurance::Exhausted), "{report}");
        checker.check(|| assert_eq!(shared(3, Memo::default()), 4));
    }

    #[test]
    fn a_memo_of_the_callers_is_certified() {
        let report = Checker::new().run(|| {
            let memo = Memo::default();
            (own(5, memo.clone()), memo.get())
        });
        check_certified(&report);
        // 1, 1, 2, 4, 7, 13: each the sum of the three before.
        assert_eq!(own(5, Memo::default()), 13);
    }
}
