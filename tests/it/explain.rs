//! The Rust examples of `explain` do what is said of them: the bad one has the finding, the good one has none.
//!
//! Each example stands in this file as code that runs; a test holds the text against it.

use forkcheck::check::Kind;
use forkcheck::report::{Report, explain};
use forkcheck::{Attr, Checker, Forward, Future, Module, Outcome, Tensor, Visitor, fork, rng, wait};

/// This file.
const CODE: &str = include_str!("explain.rs");

#[track_caller]
fn check<B: Outcome + Send + Sync + 'static, G: Outcome + Send + Sync + 'static>(
    kind: Kind,
    bad: impl Fn() -> B + Send + Sync + 'static,
    good: impl Fn() -> G + Send + Sync + 'static,
) {
    check_reports(kind, &Checker::new().run(bad), &Checker::new().run(good));
}

#[track_caller]
fn check_reports(kind: Kind, bad: &Report, good: &Report) {
    assert!(bad.findings.iter().any(|finding| finding.kind == kind.name()), "{bad}");
    assert!(good.findings.is_empty() && good.assurance.is_some(), "{good}");
}

#[test]
fn the_texts_show_the_code_of_this_file() {
    let words = |code: &str| -> String {
        let code = code.lines().map(|line| line.split("//").next().expect("a part").trim());
        code.collect::<String>().split_whitespace().collect()
    };
    let here = words(CODE);
    for rule in explain::RULES {
        for example in rule.rust.into_iter().flat_map(|examples| examples.split("\n\n")) {
            assert!(here.contains(&words(example)), "{}: nobody runs this\n{example}", rule.kind.name());
        }
    }
}

fn x() -> Tensor {
    Tensor::new(&[2], &[1.0f32, 2.0])
}

#[test]
fn input_mutation() {
    check(
        Kind::InputMutation,
        || {
            let x = x();
            let f = fork(|x: Tensor| x.mul_(2.0), (x.clone(),));
            wait(&f)
        },
        || {
            let x = x();
            let f = fork(|x: Tensor| x.mul(2.0), (x.clone(),));
            wait(&f)
        },
    );
}

#[derive(Clone)]
struct Bad {
    calls: Attr<i64>,
}

impl Module for Bad {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("calls", &self.calls);
    }
}

#[rustfmt::skip]
impl Forward<(Tensor,)> for Bad {
    type Out = Tensor;

    fn forward(&self, (x,): (Tensor,)) -> Tensor {
        self.calls.update(|n| n + 1);
        x.relu()
    }
}

#[derive(Clone)]
struct Good;

impl Module for Good {
    fn visit(&self, _visitor: &mut Visitor) {}
}

impl Forward<(Tensor,)> for Good {
    type Out = (Tensor, i64);

    fn forward(&self, (x,): (Tensor,)) -> (Tensor, i64) {
        (x.relu(), 1)
    }
}

#[test]
fn attribute_mutation() {
    check(
        Kind::AttributeMutation,
        || wait(&fork(Bad { calls: Attr::new(0) }, (x(),))),
        || {
            let (y, n) = wait(&fork(Good, (x(),)));
            (y, Attr::new(0).update(|calls: i64| calls + n))
        },
    );
}

#[test]
fn global_state() {
    check(
        Kind::GlobalState,
        || {
            let x = x();
            let f = fork(|x: Tensor| x.add(rng().unit()), (x.clone(),));
            wait(&f)
        },
        || {
            let x = x();
            let noise = rng().unit();
            let f = fork(|x: Tensor, noise: f64| x.add(noise), (x.clone(), noise));
            wait(&f)
        },
    );
}

#[test]
fn parent_mutation() {
    check(
        Kind::ParentMutation,
        || {
            let x = x();
            let f = fork(|x: Tensor| x.sum(), (x.clone(),));
            x.add_(1.0);
            wait(&f)
        },
        || {
            let x = x();
            let f = fork(|x: Tensor| x.sum(), (x.clone(),));
            let sum = wait(&f);
            x.add_(1.0);
            sum
        },
    );
}

#[test]
fn race() {
    check(
        Kind::Race,
        || {
            let shelf = Attr::new(None::<Tensor>);
            let work = |shelf: Attr<Option<Tensor>>| {
                let t = Tensor::zeros(&[2]);
                shelf.set(Some(t.clone()));
                t.add_(1.0);
            };
            let f = fork(work, (shelf.clone(),));
            let taken = shelf.get().map(|t| t.sum());
            wait(&f);
            taken
        },
        || {
            let work = || Tensor::zeros(&[2]).add_(1.0);
            let f = fork(work, ());
            let taken = wait(&f).sum();
            taken.item()
        },
    );
}

#[test]
fn deadlock() {
    check(
        Kind::Deadlock,
        || {
            let next: Attr<Option<Future<i64>>> = Attr::new(None);
            let look = |next: Attr<Option<Future<i64>>>| next.get().map_or(0, |future| wait(&future));
            let f = fork(look, (next.clone(),));
            next.set(Some(f.clone()));
            wait(&f)
        },
        || {
            let f = fork(|| 1, ());
            let g = fork(|f: Future<i64>| wait(&f) + 1, (f,));
            wait(&g)
        },
    );
}

#[test]
fn lost_error() {
    let n = -1;
    check(
        Kind::LostError,
        move || {
            let f = fork(|n: i64| assert!(n > 0, "not positive"), (n,));
            drop(f);
            n
        },
        move || {
            let f = fork(|n: i64| assert!(n > 0, "not positive"), (n,));
            wait(&f);
            n
        },
    );
}

#[test]
fn unwaited_fork() {
    let n = 1;
    check(
        Kind::UnwaitedFork,
        move || {
            let (f, g) = (fork(|n: i64| n + 1, (n,)), fork(|n: i64| n + 2, (n,)));
            drop(f);
            wait(&g)
        },
        move || {
            let (f, g) = (fork(|n: i64| n + 1, (n,)), fork(|n: i64| n + 2, (n,)));
            wait(&f) + wait(&g)
        },
    );
}

#[test]
fn pool_starvation() {
    let n = 1;
    check(
        Kind::PoolStarvation,
        move || {
            let outer = fork(|n: i64| wait(&fork(|n: i64| n + 1, (n,))), (n,));
            wait(&outer)
        },
        move || {
            let outer = fork(|n: i64| fork(|n: i64| n + 1, (n,)), (n,));
            wait(&wait(&outer))
        },
    );
}
