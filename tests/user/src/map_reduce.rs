//! Words are counted by a map over documents, and a reduction.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use forkcheck::{Attr, Future, fork, wait, wait_all};

/// How often each word occurs.
pub type Counts = BTreeMap<String, u64>;

/// Each map counts into one table. Additions commute, but to add is to read and to write.
pub fn into_one_table(documents: &[&str]) -> Counts {
    let counts: Attr<Counts> = Attr::default();
    let count = |document: String, counts: Attr<Counts>| {
        for word in document.split_whitespace() {
            counts.modify(|counts| *counts.entry(word.to_string()).or_default() += 1); // the table is written
        }
    };
    let maps: Vec<Future<()>> =
        documents.iter().map(|document| fork(count, (document.to_string(), counts.clone()))).collect();
    wait_all(&maps);
    counts.get()
}

/// Each map has a table of its own, and two at a time are merged by forks that wait for forks.
pub fn of_their_own(documents: &[&str]) -> Counts {
    let count = |document: String| {
        let mut counts = Counts::new();
        for word in document.split_whitespace() {
            *counts.entry(word.to_string()).or_default() += 1;
        }
        counts
    };
    let mut tables: Vec<Future<Counts>> =
        documents.iter().map(|document| fork(count, (document.to_string(),))).collect();
    while tables.len() > 1 {
        tables = tables.chunks(2).map(|pair| fork(merge, (pair.to_vec(),))).collect();
    }
    tables.first().map(wait).unwrap_or_default()
}

fn merge(tables: Vec<Future<Counts>>) -> Counts {
    let mut merged = Counts::new();
    for (word, count) in wait_all(&tables).into_iter().flatten() {
        *merged.entry(word).or_default() += count;
    }
    merged
}

/// The distinct words, by forks that are given a range of the documents each.
#[expect(clippy::disallowed_types, reason = "users have hash sets, whose order is nobody's business")]
pub fn distinct(documents: &'static [&'static str], parts: usize) -> std::collections::HashSet<String> {
    let words = |range: Range<usize>, documents: Arc<[&'static str]>| {
        let words = documents[range].iter().flat_map(|document| document.split_whitespace());
        words.map(str::to_string).collect::<std::collections::HashSet<String>>()
    };
    let all: Arc<[&'static str]> = documents.into();
    let ranges = (0..parts).map(|i| i * all.len() / parts..(i + 1) * all.len() / parts);
    let sets: Vec<_> = ranges.map(|range| fork(words, (range, all.clone()))).collect();
    wait_all(&sets).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use forkcheck::report::Verdict;
    use forkcheck::{Checker, check};

    use super::*;
    use crate::testing::{check_certified, check_finds, line_of};

    const DOCUMENTS: [&str; 3] = ["to be or not", "to be", "be"];

    #[test]
    fn a_table_that_all_write_is_found() {
        let report = Checker::new().run(|| into_one_table(&DOCUMENTS));
        assert_eq!(report.verdict, Some(Verdict::Nondeterministic), "{report}");
        check_finds(
            &report,
            "input-mutation",
            "input 1",
            line_of(include_str!("map_reduce.rs"), "the table is written"),
        );
    }

    #[test]
    fn tables_of_their_own_are_certified() {
        check_certified(&Checker::new().run(|| of_their_own(&DOCUMENTS)));
        check(|| {
            let counts = of_their_own(&DOCUMENTS);
            assert_eq!((counts["to"], counts["be"], counts["not"]), (2, 3, 1));
        });
    }

    /// A hash set has another order in each execution; the outcome is the same.
    #[test]
    fn sets_of_their_own_are_certified() {
        check_certified(&Checker::new().check_determinism().run(|| distinct(&DOCUMENTS, 2)));
        assert_eq!(distinct(&DOCUMENTS, 2).len(), 4);
    }
}
