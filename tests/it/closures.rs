//! Rust bodies: what is found, how many executions it takes, and that every schedule can be run again.

use forkcheck::report::{Assurance, Report, Verdict};
use forkcheck::{Attr, Checker, Forward, Future, Global, Module, Tensor, Visitor, fork, rng, wait};

/// n tasks that read a number and write one more.
fn increments(n: usize) -> impl Fn() -> i64 + Send + Sync + 'static {
    move || {
        let count = Attr::new(0i64);
        let tasks: Vec<Future<()>> = (0..n)
            .map(|_| {
                let count = count.clone();
                fork(move || count.set(count.get() + 1), ())
            })
            .collect();
        tasks.iter().for_each(wait);
        count.get()
    }
}

#[track_caller]
fn check_counts(report: &Report, executions: u64, outcomes: usize) {
    let found = report.outcomes.as_ref().unwrap();
    assert_eq!((report.stats.executions, found.distinct), (Some(executions), outcomes), "{report}");
    assert_eq!((report.assurance, report.stats.discarded), (Some(Assurance::Exhausted), 0), "{report}");
}

#[test]
fn every_inequivalent_schedule_is_run_exactly_once() {
    // Orders of n reads and n writes of one location, each read before its own write, where reads commute: 4, 36, 576.
    for (n, executions) in [(2, 4), (3, 36), (4, 576)] {
        let report = Checker::new().strategy("dpor").run(increments(n));
        check_counts(&report, executions, n);
    }
}

#[test]
fn every_witness_can_be_run_again() {
    for strategy in ["auto", "dpor", "dfs", "random", "pct:2", "pos", "uniform"] {
        let report = Checker::new().strategy(strategy).budget(200).run(increments(3));
        let outcomes = report.outcomes.as_ref().unwrap();
        assert_eq!(report.verdict, Some(Verdict::Nondeterministic), "{strategy}: {report}");
        assert!(outcomes.witnesses.len() >= 2, "{strategy}: {report}");
        for witness in &outcomes.witnesses {
            let again = Checker::new().replay(&witness.schedule).run(increments(3));
            assert_eq!(again.outcomes.as_ref().unwrap().witnesses[0].digest, witness.digest, "{strategy}: {again}");
        }
    }
}

#[test]
fn a_body_without_a_race_runs_once() {
    let report = Checker::new().run(|| {
        let x = Tensor::from(vec![1.0f32; 8]);
        let parts: Vec<_> = (0..4).map(|i| fork(|x: Tensor| x.sum(), (x.narrow(0, 2 * i, 2),))).collect();
        parts.iter().map(|part| wait(part).item()).sum::<f64>()
    });
    assert_eq!((report.verdict, report.assurance), (Some(Verdict::Pure), Some(Assurance::Certified)), "{report}");
    assert_eq!(report.stats.executions, Some(1));
}

/// The findings, each as its kind, target, line and fork line.
fn found(report: &Report) -> Vec<(&str, &str, u32, u32)> {
    let line = |line: Option<u32>| line.unwrap_or(0);
    let row = |f: &'_ forkcheck::report::FindingReport| (f.kind, line(f.line), line(f.fork_line));
    report.findings.iter().map(|f| (row(f).0, f.target.as_str(), row(f).1, row(f).2)).collect()
}

static HITS: Global<u64> = Global::new(|| 0);

#[test]
fn each_kind_of_effect_is_named_with_its_lines() {
    let base = line!();
    let report = Checker::new().run(|| {
        let x = Tensor::from([1.0f32, 2.0]);
        let a = fork(|x: Tensor| x.add_(1.0), (x.clone(),)); // base + 3
        wait(&a);
        let own = x.clone();
        let b = fork(move || own.mul_(2.0), ()); // base + 6
        wait(&b);
        let c = fork(|| HITS.update(|n| n + 1), ()); // base + 8
        wait(&c);
        let d = fork(|| rng().below(6), ()); // base + 10
        wait(&d);
        x
    });
    let made = format!("captured tensor made at {}:{}", file!(), base + 2);
    // The generator's line is that of `below`, because what a method of ours calls is not the user's code.
    assert_eq!(
        found(&report),
        [
            ("input-mutation", "input 0", base + 3, base + 3),
            ("input-mutation", made.as_str(), base + 6, base + 6),
            ("global-state", "global HITS", base + 8, base + 8),
            ("global-state", "global RNG", base + 10, base + 10),
        ],
        "{report}"
    );
    assert_eq!((report.verdict, report.stats.executions), (Some(Verdict::Impure), Some(1)));
}

#[test]
fn a_parent_that_writes_what_a_fork_uses_is_told() {
    let report = Checker::new().run(|| {
        let x = Tensor::from([1.0f32, 2.0]);
        let sum = fork(|x: Tensor| x.sum(), (x.clone(),));
        x.add_(1.0);
        wait(&sum).item()
    });
    assert_eq!(found(&report)[0].0, "parent-mutation");
    assert_eq!(found(&report)[0].1, "local x");
    check_counts(&report, 2, 2);
}

#[test]
fn views_of_different_elements_do_not_race() {
    let report = Checker::new().run(|| {
        let x = Tensor::zeros(&[2, 3]);
        let fill = |row: Tensor, by: f32| {
            row.add_(by);
        };
        let tasks = [fork(fill, (x.select(0, 0), 1.0)), fork(fill, (x.select(0, 1), 2.0))];
        tasks.iter().for_each(wait);
        x
    });
    assert_eq!((report.verdict, report.assurance), (Some(Verdict::Impure), Some(Assurance::Certified)), "{report}");
}

#[test]
fn an_update_in_place_is_two_steps_unless_it_is_said_to_be_one() {
    let body = || {
        let x = Tensor::from([0.0f32]);
        let add = |x: Tensor| {
            x.add_(1.0);
        };
        let tasks = [fork(add, (x.clone(),)), fork(add, (x.clone(),))];
        tasks.iter().for_each(wait);
        x.item()
    };
    let split = Checker::new().run(body);
    assert_eq!(split.outcomes.as_ref().unwrap().distinct, 2, "one of two updates can be lost: {split}");
    let op = Checker::new().atomicity(forkcheck::Atomicity::Op).run(body);
    assert_eq!(op.outcomes.as_ref().unwrap().distinct, 1, "{op}");
}

#[test]
fn a_panic_in_a_task_surfaces_at_each_wait_with_its_path() {
    let report = Checker::new().run(|| {
        let outer = fork(
            || {
                let inner = fork(|| -> i64 { panic!("no way") }, ());
                wait(&inner)
            },
            (),
        );
        wait(&outer)
    });
    let error = report.outcomes.as_ref().unwrap().error.as_ref().unwrap();
    assert!(error.ends_with("panic: no way"), "{error}");
    assert_eq!(error.matches("wait at").count(), 2, "{error}");
    assert_eq!(report.verdict, Some(Verdict::Pure), "every schedule fails alike: {report}");
}

#[test]
fn a_circle_of_waits_is_a_deadlock() {
    let report = Checker::new().run(|| {
        let next: Attr<Option<Future<i64>>> = Attr::new(None);
        let own = next.clone();
        let a = fork(move || own.get().map_or(0, |future| wait(&future)), ());
        next.set(Some(a.clone()));
        wait(&a)
    });
    let deadlock = report.findings.iter().find(|finding| finding.kind == "deadlock");
    assert!(deadlock.is_some_and(|finding| finding.waits.len() == 1), "{report}");
    assert_eq!(report.outcomes.as_ref().unwrap().distinct, 2, "{report}");
}

#[test]
fn eager_mode_runs_on_the_spot() {
    let order = Attr::new(Vec::new());
    let push = |order: Attr<Vec<i64>>, n: i64| {
        order.update(|mut all| {
            all.push(n);
            all
        });
        n
    };
    let first = fork(push, (order.clone(), 1));
    push(order.clone(), 2);
    assert_eq!((wait(&first), wait(&first.clone())), (1, 1));
    assert_eq!(order.get(), [1, 2]);
}

/// The digests of all outcomes, sorted.
fn digests(report: &Report) -> Vec<String> {
    let outcomes = report.outcomes.as_ref().unwrap();
    let mut digests: Vec<String> = outcomes.witnesses.iter().map(|witness| witness.digest.clone()).collect();
    digests.sort();
    assert_eq!(digests.len(), outcomes.distinct, "all of them are shown: {report}");
    digests
}

/// A body and its lesson.
type Named = (&'static str, fn() -> i64);

#[test]
fn loom_and_both_drivers_agree_with_us() {
    /// A chain of writes, a lost update, a wait that may come too late, and an error that only some schedules raise.
    fn bodies() -> Vec<Named> {
        vec![
            ("increments", || {
                let n = Attr::new(0i64);
                let tasks: Vec<_> = (0..2).map(|_| fork(|n: Attr<i64>| n.set(n.get() + 1), (n.clone(),))).collect();
                tasks.iter().for_each(wait);
                n.get()
            }),
            ("updates", || {
                let n = Attr::new(0i64);
                let add = |n: Attr<i64>, by: i64| {
                    n.update(|n| n + by);
                };
                let tasks = [fork(add, (n.clone(), 1)), fork(add, (n.clone(), 10))];
                tasks.iter().for_each(wait);
                n.get()
            }),
            ("escaping future", || {
                let cell: Attr<Option<Future<i64>>> = Attr::new(None);
                let own = cell.clone();
                let reader = fork(move || own.get().map_or(-1, |future| wait(&future)), ());
                cell.set(Some(fork(|| 7, ())));
                wait(&reader)
            }),
            ("error", || {
                let n = Attr::new(0i64);
                let task = fork(|n: Attr<i64>| assert_eq!(n.get(), 0, "too late"), (n.clone(),));
                n.set(1);
                wait(&task);
                0
            }),
        ]
    }
    for (name, body) in bodies() {
        let ours = digests(&Checker::new().strategy("dpor").run(body));
        assert!(ours.len() > 1, "{name} has several outcomes");
        for other in ["loom", "dfs", "auto"] {
            assert_eq!(digests(&Checker::new().strategy(other).run(body)), ours, "{name} under {other}");
        }
        assert_eq!(digests(&Checker::new().threads().strategy("dpor").run(body)), ours, "{name} on threads");
    }
}

#[test]
fn loom_refuses_what_it_has_no_room_for() {
    let report = Checker::new().strategy("loom").run(increments(5));
    assert_eq!(report.verdict, Some(Verdict::Unknown));
    assert!(report.notes[0].ends_with("this program has 5: use the strategy `dpor`"), "{report}");
    let report = Checker::new().strategy("states").run(increments(2));
    assert!(report.notes[0].contains("use the strategy `dpor`"), "{report}");
}

/// The message of the error that every schedule of a body raises.
fn message(body: impl Fn() -> i64 + Send + Sync + 'static) -> String {
    let report = Checker::new().run(body);
    report.outcomes.as_ref().unwrap().error.clone().unwrap_or_else(|| panic!("it fails: {report}"))
}

#[test]
fn bad_use_gets_a_message_that_names_the_call() {
    let here = file!();
    let outside = Attr::new(1i64);
    let kept = outside.clone();
    let told = message(move || kept.get());
    assert!(told.contains(&format!("Attr::get at {here}")) && told.contains("outside of the checked body"), "{told}");

    let tensor = Tensor::from([1.0f32]);
    let told = message(move || tensor.sum().item() as i64);
    assert!(told.contains("aten::sum at") && told.contains("audit(&module, inputs)"), "{told}");

    type Leak = std::sync::Mutex<Option<(Attr<i64>, Future<i64>)>>;
    let leaked: std::sync::Arc<Leak> = Default::default();
    let leak = leaked.clone();
    Checker::new().run(move || {
        *leak.lock().unwrap() = Some((Attr::new(1), fork(|| 1, ())));
    });
    let (attr, future) = leaked.lock().unwrap().clone().unwrap();
    let of = |work: &(dyn Fn() -> i64 + std::panic::RefUnwindSafe)| {
        let panic = std::panic::catch_unwind(work).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let attr = std::panic::AssertUnwindSafe(attr);
    let told = of(&move || attr.get());
    assert!(told.contains("used outside of it"), "{told}");
    let other = std::panic::AssertUnwindSafe(future.clone());
    let told = of(&move || wait(&*other));
    assert!(told.contains("cannot be waited for here"), "{told}");
    let told = message(move || wait(&future));
    assert!(told.contains("in another execution"), "{told}");

    let told = message(|| {
        Checker::new().run(|| 1);
        1
    });
    assert!(told.contains("inside of another one"), "{told}");

    let told = message(|| {
        let n = Attr::new(1i64);
        std::thread::scope(|scope| scope.spawn(|| n.get()).join().map_err(std::panic::resume_unwind).unwrap())
    });
    assert!(told.contains("thread that forkcheck does not run"), "{told}");
}

/// What the panic of a call says, and the file that it names.
fn panic_of(call: impl FnOnce()) -> (String, String) {
    use std::sync::Mutex;
    static ONE: Mutex<()> = Mutex::new(());
    static FILE: Mutex<String> = Mutex::new(String::new());
    let _one = ONE.lock();
    let before = std::panic::take_hook();
    let here = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == here {
            *FILE.lock().unwrap() = info.location().unwrap().file().to_string();
        }
    }));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_err();
    std::panic::set_hook(before);
    (panic.downcast_ref::<String>().unwrap().clone(), FILE.lock().unwrap().clone())
}

#[test]
fn bad_use_is_the_callers() {
    let leaked: std::sync::Arc<std::sync::Mutex<Option<Future<i64>>>> = Default::default();
    let leak = leaked.clone();
    Checker::new().run(move || {
        *leak.lock().unwrap() = Some(fork(|| 1, ()));
    });
    let future = leaked.lock().unwrap().take().unwrap();
    type Call = Box<dyn FnOnce()>;
    let calls: [(&str, Call); 6] = [
        ("its task cannot be waited for here", Box::new(move || _ = wait(&future))),
        ("unknown strategy \"nope\"", Box::new(|| _ = Checker::new().strategy("nope"))),
        (
            "expected a strategy that explores, found \"threads:2\"",
            Box::new(|| _ = Checker::new().strategy("threads:2")),
        ),
        ("a text that begins with `fc1.`", Box::new(|| _ = Checker::new().replay("abc"))),
        ("3 elements do not make a tensor of sizes [2, 2]", Box::new(|| _ = Tensor::new(&[2, 2], &[1, 2, 3]))),
        ("too many elements", Box::new(|| _ = Tensor::zeros(&[1 << 40, 1 << 40]))),
    ];
    for (expected, call) in calls {
        let (told, file) = panic_of(call);
        assert!(told.contains(expected), "{told}");
        assert_eq!(file, file!(), "{told}");
    }
    let outside = Attr::new(1i64);
    let told = message(move || outside.update(|n| n + 1));
    assert!(told.starts_with(&format!("panic at {}:", file!())), "{told}");
}

#[test]
fn a_body_out_of_memory_is_cut() {
    let report = Checker::new().max_memory(100).run(|| Tensor::new(&[200], &[0u8; 200]));
    assert_eq!(report.verdict, Some(Verdict::Unknown), "{report}");
    assert!(report.notes[0].contains("it asked for 200 bytes, and 100 may live at once"), "{report}");
}

/// Each task of a loop races with another one, never with itself.
#[test]
fn the_two_sides_of_a_race_belong_together() {
    let report = Checker::new().run(|| {
        let n = Attr::new(0);
        let tasks: Vec<_> = (0..3).map(|i| fork(|n: Attr<i64>, i: i64| n.set(i), (n.clone(), i))).collect();
        forkcheck::wait_all(&tasks);
        n.get()
    });
    let [finding] = &report.findings[..] else { panic!("{report}") };
    let other = &finding.race.as_ref().unwrap().other_task;
    assert_eq!((finding.task.as_str(), other.as_str()), ("main/{closure}#0", "main/{closure}#1"));
}

/// Where two executions differ is said in terms of what the body returns, its globals, and how it ends.
#[test]
fn a_first_difference_is_named_as_the_user_would() {
    let place = |report: &Report| {
        let found = report.outcomes.as_ref().unwrap().first_difference.as_ref().unwrap();
        (found.place.clone(), found.a.to_string(), found.b.to_string())
    };
    let told = |place: &str, a: &str, b: &str| (place.to_string(), a.to_string(), b.to_string());
    let draws = Checker::new().run(|| {
        let draw = || forkcheck::rng().below(100);
        let (a, b) = (fork(draw, ()), fork(draw, ()));
        (wait(&a), wait(&b))
    });
    assert_eq!(place(&draws).0, "output[0]", "{draws}");
    let global = Checker::new().run(|| {
        let (a, b) = (fork(|| HITS.set(1), ()), fork(|| HITS.set(2), ()));
        wait(&a);
        wait(&b);
    });
    assert_eq!(place(&global), told("global HITS", "2", "1"), "{global}");
    let raised = Checker::new().run(|| {
        let n = Attr::new(0i64);
        let task = fork(|n: Attr<i64>| n.set(1), (n.clone(),));
        let met = n.get();
        wait(&task);
        assert!(met == 1, "too early");
        met
    });
    assert_eq!(place(&raised), told("output", "1", "\"panic: too early\""), "{raised}");
}

/// Reads an attribute when it is dropped.
struct Nosy(Attr<i64>);

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.get();
    }
}

#[test]
fn an_access_while_a_panic_unwinds_is_no_choice() {
    let report = Checker::new().run(|| {
        let n = Attr::new(0i64);
        let task = fork(
            |n: Attr<i64>| {
                let _nosy = Nosy(n);
                panic!("down");
            },
            (n.clone(),),
        );
        wait(&task);
    });
    assert_eq!(report.verdict, Some(Verdict::Unknown));
    assert!(report.notes[0].contains("reached while a panic unwinds"), "{report}");
}

impl forkcheck::Outcome for Nosy {
    fn look(&self, look: &mut forkcheck::Look) -> forkcheck::Shown {
        self.0.look(look)
    }
}

/// Values that outlive their execution are dropped when nothing matters any more.
#[test]
fn what_a_body_returns_may_touch_attributes_when_it_is_dropped() {
    let report = Checker::new().run(|| Nosy(Attr::new(0)));
    assert_eq!(report.verdict, Some(Verdict::Pure), "{report}");
}

/// Waits for a task when it is dropped.
struct Joining(Future<i64>);

impl Drop for Joining {
    fn drop(&mut self) {
        wait(&self.0);
    }
}

#[test]
fn a_wait_while_a_panic_unwinds_is_fine_if_the_task_has_ended() {
    let told = message(|| {
        let _joining = Joining(fork(|| 1, ()));
        panic!("down")
    });
    assert!(told.ends_with("panic: down"), "{told}");
}

/// As with any panic, the payload is the message; and where it came through is not lost.
#[test]
fn who_catches_the_panic_of_a_task_finds_its_message() {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    let caught = |future: &Future<i64>| catch_unwind(AssertUnwindSafe(|| wait(future))).unwrap_err();
    let text = |payload: Box<dyn std::any::Any + Send>| payload.downcast_ref::<String>().unwrap().clone();
    let report = Checker::new().run(move || text(caught(&fork(|| -> i64 { panic!("boom") }, ()))));
    assert_eq!(report.outcomes.unwrap().error, None);
    let told = message(move || {
        let payload = caught(&fork(|| -> i64 { panic!("boom") }, ()));
        resume_unwind(payload)
    });
    assert_eq!(
        told.lines().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["panic", "wait", "panic:"]
    );
    let pooled = forkcheck::script(move || text(caught(&fork(|| -> i64 { panic!("boom") }, ()))));
    assert_eq!(pooled(), "boom");
}

#[test]
fn a_body_that_does_not_end_is_cut() {
    let report = Checker::new().steps(10_000).run(|| {
        let n = Attr::new(0i64);
        while n.get() == 0 {}
    });
    assert!(report.notes[0].contains("does the program end?"), "{report}");
}

#[test]
fn what_escapes_the_instrumentation_is_named() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static HIDDEN: AtomicU64 = AtomicU64::new(0);
    let report = Checker::new().check_determinism().run(|| {
        let (a, b) = (Attr::new(0), Attr::new(0));
        if HIDDEN.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { a.get() } else { b.get() }
    });
    assert_eq!(report.verdict, Some(Verdict::Unknown));
    assert!(report.notes.iter().any(|note| note.contains("event 1 (Attr::get at")), "{report}");
}

/// Two outcomes are in hand only if both can be had again.
#[test]
fn a_body_that_cannot_be_repeated_is_unknown() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static HIDDEN: AtomicU64 = AtomicU64::new(0);
    let result = Checker::new().run(|| {
        let n = Attr::new(0);
        let task = fork(|n: Attr<u64>| n.set(HIDDEN.fetch_add(1, Ordering::Relaxed)), (n.clone(),));
        n.get();
        wait(&task);
        n.get()
    });
    assert_eq!((result.verdict, result.assurance), (Some(Verdict::Unknown), None), "{result}");
    assert!(result.notes.iter().any(|note| note.contains("could not be repeated")), "{result}");
    let steps = Checker::new().run(|| {
        let n = Attr::new(0);
        let tasks = 1 + HIDDEN.fetch_add(1, Ordering::Relaxed) % 7;
        let tasks: Vec<_> = (0..tasks).map(|_| fork(|n: Attr<i64>| n.set(1), (n.clone(),))).collect();
        n.set(2);
        forkcheck::wait_all(&tasks);
    });
    assert_eq!((steps.verdict, steps.assurance), (Some(Verdict::Unknown), None), "{steps}");
}

/// Each run of a sample begins where the others did; one that cannot is none.
#[test]
fn a_sample_that_begins_elsewhere_is_no_sample() {
    use std::sync::atomic::{AtomicU64, Ordering};
    for strategy in ["random", "uniform", "pct:2", "pos"] {
        let runs = AtomicU64::new(0);
        // From the 20th run on there is one task more to choose from.
        let report = Checker::new().strategy(strategy).budget(100).run(move || {
            let n = Attr::new(0);
            let tasks = 2 + u64::from(runs.fetch_add(1, Ordering::Relaxed) >= 20);
            let tasks: Vec<_> = (0..tasks).map(|_| fork(|n: Attr<i64>| n.set(1), (n.clone(),))).collect();
            n.set(2);
            forkcheck::wait_all(&tasks);
        });
        assert_eq!((report.verdict, report.assurance), (Some(Verdict::Unknown), None), "{strategy}: {report}");
        let told = |note: &String| note.contains("some task does not do what it did before");
        assert!(report.notes.iter().any(told), "{strategy}: {report}");
    }
}

#[test]
fn a_module_is_audited_as_an_archive_is() {
    #[derive(Clone)]
    struct Counter {
        inner: Inner,
    }
    #[derive(Clone)]
    struct Inner {
        n: Attr<i64>,
        weight: Tensor,
    }
    impl Module for Counter {
        fn visit(&self, visitor: &mut Visitor) {
            visitor.attribute("inner", &self.inner);
        }
    }
    impl Module for Inner {
        fn visit(&self, visitor: &mut Visitor) {
            visitor.attribute("n", &self.n);
            visitor.attribute("weight", &self.weight);
        }
    }
    impl Forward<(Tensor,)> for Inner {
        type Out = Tensor;
        fn forward(&self, (x,): (Tensor,)) -> Tensor {
            self.n.update(|n| n + 1);
            x * &self.weight
        }
    }
    impl Forward<(Tensor,)> for Counter {
        type Out = Tensor;
        fn forward(&self, (x,): (Tensor,)) -> Tensor {
            let (a, b) = (fork(self.inner.clone(), (x.clone(),)), fork(self.inner.clone(), (x,)));
            wait(&a) + wait(&b)
        }
    }
    let counter = Counter { inner: Inner { n: Attr::new(0), weight: Tensor::from([2.0f32]) } };
    let report = forkcheck::audit(&counter, (Tensor::from([1.0f32]),));
    // Each execution begins with n = 0 and ends with 2, or with 1 where an update was lost.
    let outcomes = report.outcomes.as_ref().unwrap();
    assert_eq!((report.verdict, outcomes.distinct), (Some(Verdict::Nondeterministic), 2), "{report}");
    assert!(report.findings.iter().all(|finding| finding.target == "self.inner.n"), "{report}");
    assert_eq!(counter.inner.n.get(), 0, "the module is as it was");
    assert_eq!(report.forks[0].function, "Inner");
}

#[test]
fn effects_can_be_allowed_one_by_one() {
    let body = || {
        let task = fork(|| HITS.update(|n| n + 1), ());
        wait(&task)
    };
    use forkcheck::check::Kind;
    Checker::new().allow(Kind::GlobalState, "global HITS").check(body);
    Checker::new().allow(Kind::GlobalState, None).check(body);
    Checker::new().expect_deterministic().check(body);
    for checker in [Checker::new(), Checker::new().allow(Kind::Output, None)] {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| checker.check(body))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.starts_with("forkcheck: 1 finding\n") && text.contains("global HITS"), "{text}");
    }
}

/// Every event of every execution: a body that tells what it reads, under a strategy that draws.
#[test]
#[ignore = "run by the test below, in processes of its own"]
fn tell_events() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let tell = told.clone();
    let report = Checker::new().strategy("random").seed(7).budget(50).run(move || {
        let n = Attr::new(0i64);
        let mut handles = std::collections::BTreeMap::new();
        for i in 0..4 {
            let (own, tell) = (n.clone(), tell.clone());
            let task = fork(
                move || {
                    let seen = own.get();
                    tell.lock().unwrap().push_str(&format!("{i}:{seen} "));
                    own.set(seen + i);
                },
                (),
            );
            handles.insert(i, task);
        }
        handles.values().for_each(wait);
        n.get()
    });
    use std::io::Write as _;
    write!(std::io::stdout(), "<<<{}\n{}>>>", told.lock().unwrap(), report.to_json()).unwrap();
}

#[test]
fn the_same_seed_gives_the_same_events_in_another_process() {
    let run = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", "closures::tell_events", "--ignored", "--nocapture"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, told) = text.split_once("<<<").expect("it tells");
        told.split_once(">>>").unwrap().0.to_string()
    };
    let first = run();
    assert!(first.matches("3:").count() >= 50, "{first}");
    assert_eq!(first, run());
}

#[test]
fn a_schedule_of_another_body_is_never_passed() {
    let schedule = {
        let report = Checker::new().name("first").run(increments(2));
        report.outcomes.unwrap().witnesses[1].schedule.clone()
    };
    let panic = std::panic::catch_unwind(|| Checker::new().name("second").replay(&schedule).check(increments(2)));
    let panic = panic.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("forkcheck: the schedule no longer applies"), "{text}");
}

#[test]
fn a_failure_is_stored_and_run_first_the_next_time() {
    let folder = std::env::temp_dir().join(format!("forkcheck-stored-{}", std::process::id()));
    let checker = Checker::new().name("stored").persist(&folder);
    let report = checker.run(increments(2));
    assert_eq!(report.verdict, Some(Verdict::Nondeterministic));
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(files.len() == 1 && text.contains("FORKCHECK_REPLAY=fc1."), "{text}");
    // One execution would not show the second outcome; the stored schedules do.
    let again = Checker::new().name("stored").persist(&folder).strategy("child-first").run(increments(2));
    assert_eq!(again.verdict, Some(Verdict::Nondeterministic), "{again}");
    // A body that is fixed has no failure any more.
    let fixed = Checker::new().name("stored").persist(&folder).run(|| 1i64);
    assert_eq!((fixed.verdict, std::fs::read_dir(&folder).unwrap().count()), (Some(Verdict::Pure), 0));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A value whose `clone` is more than a copy.
struct Forking(i64);

impl Clone for Forking {
    fn clone(&self) -> Self {
        Self(wait(&fork(|n: i64| n, (self.0,))))
    }
}

impl forkcheck::Outcome for Forking {
    fn look(&self, look: &mut forkcheck::Look) -> forkcheck::Shown {
        self.0.look(look)
    }
}

/// It gives control away where the value is locked, and whoever came then waited for ever.
#[test]
fn a_clone_that_forks_makes_nobody_wait_for_ever() {
    let report = Checker::new().run(|| {
        let attr = Attr::new(Forking(1));
        let reset = |attr: Attr<Forking>| attr.set(Forking(2));
        let task = fork(reset, (attr.clone(),));
        let met = attr.get().0;
        wait(&task);
        met
    });
    assert_eq!(report.verdict, Some(Verdict::Unknown), "{report}");
}

/// Reads what others write when it is cloned.
struct Reading(Attr<i64>);

impl Clone for Reading {
    fn clone(&self) -> Self {
        self.0.get();
        Self(self.0.clone())
    }
}

/// The same with the result of a task: two others wait for it, and one comes while the clone for the other is being made.
#[test]
fn a_clone_of_a_result_that_gives_way_makes_nobody_wait_for_ever() {
    for checker in [Checker::new(), Checker::new().threads()] {
        let report = checker.strategy("random").budget(20).run(|| {
            let n = Attr::new(0i64);
            let result = fork(|n: Attr<i64>| Reading(n), (n.clone(),));
            let waiter = |result: Future<Reading>| wait(&result).0.set(1);
            let tasks = [(); 2].map(|()| fork(waiter, (result.clone(),)));
            tasks.iter().for_each(wait);
        });
        let raised = report.outcomes.as_ref().and_then(|outcomes| outcomes.error.clone()).unwrap_or_default();
        assert!(raised.contains("the result of this future is just being cloned"), "{report}");
    }
}

/// Reads a global when it is cloned.
struct Peeking;

static PEEKED: Global<i64> = Global::new(|| 0);
static PEEKING: Global<Peeking> = Global::new(|| Peeking);

impl Clone for Peeking {
    fn clone(&self) -> Self {
        PEEKED.get();
        Self
    }
}

impl forkcheck::Outcome for Peeking {
    fn look(&self, _: &mut forkcheck::Look) -> forkcheck::Shown {
        forkcheck::Shown::nothing()
    }
}

/// And the same with a global. The caller looks at it as well, and what a look raises is the caller's.
#[test]
fn a_clone_of_a_global_that_gives_way_makes_nobody_wait_for_ever() {
    let run = || {
        Checker::new().strategy("random").budget(20).run(|| {
            let peek = || {
                PEEKING.get();
                PEEKED.set(1);
            };
            let tasks = [(); 2].map(|()| fork(peek, ()));
            tasks.iter().for_each(wait);
        })
    };
    let raised = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    let text = raised.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("the value of the global made at") && text.contains("is just being cloned"), "{text}");
}

/// A task that runs on a thread of the pool is waited for in a checked body as anywhere, also while it is just ending.
#[test]
fn a_checked_body_may_wait_for_what_runs_on_the_pool() {
    for _ in 0..200 {
        let future = forkcheck::script(|| fork(|n: i64| n + 1, (4,)))();
        let report = Checker::new().run(move || wait(&future));
        assert_eq!((report.verdict, report.outcomes.unwrap().error), (Some(Verdict::Pure), None));
    }
}

/// Two checks of one test are two bodies: a schedule of the one says nothing about the other.
#[test]
fn two_checks_of_one_test_are_told_apart() {
    let racy = |n: i64| {
        let attr = Attr::new(0);
        let task = fork(|attr: Attr<i64>, n: i64| attr.set(n), (attr.clone(), n));
        let met = attr.get();
        wait(&task);
        met
    };
    let first = Checker::new().run(move || racy(1));
    let second = Checker::new().run(move || racy(2));
    assert_eq!(second.program, format!("{}#2", first.program));
    let told = |report: &Report| report.replay.clone().unwrap();
    assert!(told(&second).ends_with("cargo test closures::two_checks_of_one_test_are_told_apart"), "{second}");
    let tag = |report: &Report| {
        report.outcomes.as_ref().unwrap().witnesses[1].schedule.split('.').nth(2).unwrap().to_string()
    };
    assert_ne!(tag(&first), tag(&second));
}

#[test]
fn an_error_that_only_some_schedules_lose_is_found() {
    // All schedules make the same accesses; in some of them the reader comes too late, fails, and nobody waits for it.
    let report = Checker::new().run(|| {
        let n = Attr::new(0i64);
        fork(|n: Attr<i64>| assert_eq!(n.get(), 0, "too late"), (n.clone(),));
        n.set(1);
    });
    let lost: Vec<_> = report.findings.iter().filter(|finding| finding.kind == "lost-error").collect();
    assert!(lost.len() == 1 && lost[0].target.contains("too late"), "{report}");
}

static SHELF: Global<Vec<Tensor>> = Global::new(Vec::new);

/// Before the first execution nobody knows of the global, the list is empty when it is first looked at, and what the look is at
/// changes with what is put there.
#[test]
fn the_caller_looks_at_what_was_put_into_a_global_last() {
    // Two tasks each put a tensor on the shelf (S) and fill it then (F); nobody waits, so the look (L) comes anywhere. F conflicts with
    // L only if its tensor is on the shelf. L first: the two orders of the Ss. S L S: F before L or after it, in either order of
    // the Ss. S S L: the same with the second one's F. That is 2 + 4 + 4, each with an outcome of its own.
    let body = || {
        for k in [1i64, 3] {
            let put = |k: i64| {
                let tensor = Tensor::from([k]);
                SHELF.set(vec![tensor.clone()]);
                tensor.fill_(k + 1);
            };
            fork(put, (k,));
        }
    };
    for strategy in ["dfs", "dpor"] {
        let report = Checker::new().strategy(strategy).run(body);
        let found = report.outcomes.as_ref().unwrap().distinct;
        assert_eq!((report.stats.executions, found), (Some(10), 10), "{report}");
    }
}

static WEIGHTS: Global<Tensor> = Global::new(|| Tensor::from([1.0f32, 2.0]));

/// Whoever touches a global first makes what it begins with, but it is nobody's.
#[test]
fn what_a_global_holds_is_not_the_forks_that_met_it_first() {
    let report = Checker::new().run(|| {
        let scaled = fork(|| WEIGHTS.get().mul_(2.0).sum().item(), ());
        wait(&scaled)
    });
    let found: Vec<_> = report.findings.iter().map(|found| (found.kind, found.operator.as_str())).collect();
    assert_eq!((report.verdict, found), (Some(Verdict::Impure), vec![("global-state", "aten::mul_")]), "{report}");
}

/// Buffers are attributes that hold tensors, and these come from outside with the module.
#[test]
fn what_attributes_hold_comes_with_the_module_that_is_audited() {
    #[derive(Clone)]
    struct Average {
        mean: Attr<Tensor>,
        history: Attr<Vec<Tensor>>,
    }
    impl Module for Average {
        fn visit(&self, visitor: &mut Visitor) {
            visitor.attribute("mean", &self.mean);
            visitor.attribute("history", &self.history);
        }
    }
    impl Forward<(Tensor,)> for Average {
        type Out = Tensor;
        fn forward(&self, (x,): (Tensor,)) -> Tensor {
            let (mean, history) = (self.mean.clone(), self.history.clone());
            let update = move |x: Tensor| {
                history.get()[0].copy_(&mean.get());
                mean.get().add_(&x)
            };
            wait(&fork(update, (x,)))
        }
    }
    let average = Average { mean: Attr::new(Tensor::from([1.0f32])), history: Attr::new(vec![Tensor::from([0.0f32])]) };
    let report = forkcheck::audit(&average, (Tensor::from([2.0f32]),));
    let found: Vec<_> = report.findings.iter().map(|found| (found.kind, found.target.as_str())).collect();
    assert_eq!(found, [("attribute-mutation", "self.history"), ("attribute-mutation", "self.mean")], "{report}");
    assert_eq!(report.outcomes.unwrap().error, None);
    let after = (average.mean.get().to_vec::<f32>(), average.history.get()[0].to_vec::<f32>());
    assert_eq!(after, (vec![1.0], vec![0.0]), "the tensors are as they were");
}
