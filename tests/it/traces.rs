//! Traces: the exact graphs of small functions, and that what a traced function does is what it does anywhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use forkcheck::{Attr, Checker, Forward, Future, Graph, Module, Tensor, Visitor, fork, script, trace, wait};

/// The text of a graph without the places.
fn text(graph: &Graph) -> String {
    let text = graph.to_string();
    let lines = text.lines().map(|line| line.split_once(" # ").map_or(line, |(line, _)| line));
    lines.map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn check_text(graph: &Graph, expected: &str) {
    let found = text(graph);
    assert_eq!(found.trim(), expected.trim(), "\n{found}");
}

fn ones() -> Tensor {
    Tensor::ones(&[3])
}

#[test]
fn operators_stand_in_order_with_their_defaults() {
    let graph = trace(|x: Tensor, y: Tensor| (x.matmul(&y) - 1.5).sum_dim(&[0], true), (ones(), ones().view(&[3, 1])));
    check_text(
        &graph,
        "
graph(%input.1 : Tensor,
      %input.2 : Tensor):
  %0 : Tensor = aten::matmul(%input.1, %input.2)
  %1 : float = prim::Constant[value=1.5]()
  %2 : int = prim::Constant[value=1]()
  %3 : Tensor = aten::sub(%0, %1, %2)
  %4 : int = prim::Constant[value=0]()
  %5 : int[] = prim::ListConstruct(%4)
  %6 : bool = prim::Constant[value=1]()
  %7 : NoneType = prim::Constant()
  %8 : Tensor = aten::sum(%3, %5, %6, %7)
  return (%8)
",
    );
}

#[test]
fn what_the_user_wrote_is_named_by_its_line() {
    let line = line!() + 1;
    let graph = trace(|x: Tensor| x.neg(), (ones(),));
    let neg = format!("  %0 : Tensor = aten::neg(%input.1) # {}:{line}:0\n", file!());
    assert!(graph.to_string().contains(&neg), "{graph}");
}

#[test]
fn a_fork_captures_what_its_body_uses_and_returns_its_result() {
    let graph = trace(
        |x: Tensor, y: Tensor| {
            let z = y.neg();
            let product = fork(|x: Tensor| x * z, (x.clone(),));
            let square = fork(|x: Tensor| x.pow(2), (x,));
            wait(&product) + wait(&square)
        },
        (ones(), ones()),
    );
    check_text(
        &graph,
        "
graph(%input.1 : Tensor,
      %input.2 : Tensor):
  %0 : Tensor = aten::neg(%input.2)
  %1 : Future[Tensor] = prim::fork_0(%input.1, %0)
  %2 : Future[Tensor] = prim::fork_1(%input.1)
  %3 : Tensor = aten::wait(%1)
  %4 : Tensor = aten::wait(%2)
  %5 : int = prim::Constant[value=1]()
  %6 : Tensor = aten::add(%3, %4, %5)
  return (%6)
with prim::fork_0 = graph(%input.1 : Tensor,
      %0 : Tensor):
  %1 : Tensor = aten::mul(%input.1, %0)
  return (%1)
with prim::fork_1 = graph(%input.1 : Tensor):
  %0 : int = prim::Constant[value=2]()
  %1 : Tensor = aten::pow(%input.1, %0)
  return (%1)
",
    );
    assert_eq!(graph.kinds().filter(|&kind| kind == "prim::fork").count(), 2);
    let bodies: Vec<Vec<String>> = graph.forks().map(|body| body.kinds().map(str::to_string).collect()).collect();
    assert_eq!(bodies, [vec!["aten::mul"], vec!["prim::Constant", "aten::pow"]]);
}

#[test]
fn forks_nest_and_capture_through_one_another() {
    let outer = |x: Tensor| {
        let own = x.clone();
        let inner = fork(move || own.exp(), ());
        wait(&inner).neg()
    };
    let graph = trace(move |x: Tensor| wait(&fork(outer, (x,))), (ones(),));
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : Future[Tensor] = prim::fork_0(%input.1)
  %1 : Tensor = aten::wait(%0)
  return (%1)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : Future[Tensor] = prim::fork_0(%input.1)
  %1 : Tensor = aten::wait(%0)
  %2 : Tensor = aten::neg(%1)
  return (%2)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : Tensor = aten::exp(%input.1)
  return (%0)
",
    );
}

#[test]
fn an_operator_in_place_binds_its_tensor_anew() {
    let graph = trace(
        |x: Tensor| {
            let row = x.select(0, 0);
            row.zero_();
            x.relu_();
            (x.sum(), row)
        },
        (Tensor::ones(&[2, 2]),),
    );
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : int = prim::Constant[value=0]()
  %1 : int = prim::Constant[value=0]()
  %2 : Tensor = aten::select(%input.1, %0, %1)
  %3 : Tensor = aten::zero_(%2)
  %4 : Tensor = aten::relu_(%input.1)
  %5 : NoneType = prim::Constant()
  %6 : Tensor = aten::sum(%4, %5)
  %7 : (Tensor, Tensor) = prim::TupleConstruct(%6, %3)
  return (%7)
",
    );
}

#[test]
fn tensors_from_elsewhere_are_one_constant_each() {
    let weight = ones();
    let graph = trace(move |x: Tensor| (x * &weight) / &weight, (ones(),));
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : Tensor = prim::Constant[value=<Tensor>]()
  %1 : Tensor = aten::mul(%input.1, %0)
  %2 : Tensor = aten::div(%1, %0)
  return (%2)
",
    );
}

#[test]
fn several_results_of_a_fork_are_a_tuple_that_each_wait_unpacks() {
    let graph = trace(
        |x: Tensor| {
            let both = fork(|x: Tensor| (x.exp(), x.log()), (x,));
            let (_, log) = wait(&both);
            wait(&both).0 * log
        },
        (ones(),),
    );
    // What is waited for again is the same tensor, known by the newer name.
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : Future[(Tensor, Tensor)] = prim::fork_0(%input.1)
  %1 : (Tensor, Tensor) = aten::wait(%0)
  %2 : Tensor, %3 : Tensor = prim::TupleUnpack(%1)
  %4 : (Tensor, Tensor) = aten::wait(%0)
  %5 : Tensor, %6 : Tensor = prim::TupleUnpack(%4)
  %7 : Tensor = aten::mul(%5, %6)
  return (%7)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : Tensor = aten::exp(%input.1)
  %1 : Tensor = aten::log(%input.1)
  %2 : (Tensor, Tensor) = prim::TupleConstruct(%0, %1)
  return (%2)
",
    );
}

#[test]
fn a_list_of_tensors_is_a_list() {
    let halves = |x: Tensor| vec![x.narrow(0, 0, 1), x.narrow(0, 1, 1)];
    check_text(
        &trace(|x: Tensor| vec![x.exp(), x], (ones(),)),
        "
graph(%input.1 : Tensor):
  %0 : Tensor = aten::exp(%input.1)
  %1 : Tensor[] = prim::ListConstruct(%0, %input.1)
  return (%1)
",
    );
    let graph = trace(move |x: Tensor| Tensor::cat(&wait(&fork(halves, (x,))), 0), (Tensor::ones(&[2]),));
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : Future[Tensor[]] = prim::fork_0(%input.1)
  %1 : Tensor[] = aten::wait(%0)
  %2 : Tensor, %3 : Tensor = prim::ListUnpack(%1)
  %4 : Tensor[] = prim::ListConstruct(%2, %3)
  %5 : int = prim::Constant[value=0]()
  %6 : Tensor = aten::cat(%4, %5)
  return (%6)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : int = prim::Constant[value=0]()
  %1 : int = prim::Constant[value=0]()
  %2 : int = prim::Constant[value=1]()
  %3 : Tensor = aten::narrow(%input.1, %0, %1, %2)
  %4 : int = prim::Constant[value=0]()
  %5 : int = prim::Constant[value=1]()
  %6 : int = prim::Constant[value=1]()
  %7 : Tensor = aten::narrow(%input.1, %4, %5, %6)
  %8 : Tensor[] = prim::ListConstruct(%3, %7)
  return (%8)
",
    );
}

#[derive(Clone)]
struct Scored {
    best: Tensor,
    score: f64,
    next: Option<Future<Tensor>>,
}

#[test]
fn of_other_results_a_fork_returns_what_is_used() {
    let graph = trace(
        |x: Tensor| {
            let scored = fork(
                |x: Tensor| {
                    let unused = x.log();
                    let next = Some(fork(|x: Tensor| x.exp(), (x.clone(),)));
                    Scored { best: x.neg(), score: unused.sum().item(), next }
                },
                (x,),
            );
            let Scored { best, score, next } = wait(&scored);
            best + score + wait(&next.unwrap())
        },
        (ones(),),
    );
    // The sum is computed, as it was. Then its one element, 0, is a number.
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : Future[(Tensor, Future[Tensor])] = prim::fork_0(%input.1)
  %1 : (Tensor, Future[Tensor]) = aten::wait(%0)
  %2 : Tensor, %3 : Future[Tensor] = prim::TupleUnpack(%1)
  %4 : float = prim::Constant[value=0.]()
  %5 : int = prim::Constant[value=1]()
  %6 : Tensor = aten::add(%2, %4, %5)
  %7 : Tensor = aten::wait(%3)
  %8 : int = prim::Constant[value=1]()
  %9 : Tensor = aten::add(%6, %7, %8)
  return (%9)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : Tensor = aten::log(%input.1)
  %1 : Future[Tensor] = prim::fork_0(%input.1)
  %2 : Tensor = aten::neg(%input.1)
  %3 : NoneType = prim::Constant()
  %4 : Tensor = aten::sum(%0, %3)
  %5 : (Tensor, Future[Tensor]) = prim::TupleConstruct(%2, %1)
  return (%5)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : Tensor = aten::exp(%input.1)
  return (%0)
",
    );
}

#[test]
fn a_fork_without_tensors_stays_even_if_nobody_waits() {
    let graph = trace(
        |x: Tensor| {
            fork(
                |x: Tensor| {
                    x.add_(1);
                },
                (x.clone(),),
            );
            x
        },
        (ones(),),
    );
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : Future[NoneType] = prim::fork_0(%input.1)
  return (%input.1)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : int = prim::Constant[value=1]()
  %1 : int = prim::Constant[value=1]()
  %2 : Tensor = aten::add_(%input.1, %0, %1)
  %3 : NoneType = prim::Constant()
  return (%3)
",
    );
}

#[derive(Clone)]
struct Linear {
    weight: Tensor,
    bias: Attr<Tensor>,
}

impl Module for Linear {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("weight", &self.weight);
        visitor.attribute("bias", &self.bias);
    }
}

impl Forward<(Tensor,)> for Linear {
    type Out = Tensor;

    fn forward(&self, (x,): (Tensor,)) -> Tensor {
        x * &self.weight + self.bias.get()
    }
}

#[derive(Clone)]
struct Net {
    first: Linear,
    layers: Vec<Linear>,
}

impl Module for Net {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("first", &self.first);
        visitor.attribute("layers", &self.layers);
    }
}

impl Forward<(Tensor,)> for Net {
    type Out = Tensor;

    fn forward(&self, (x,): (Tensor,)) -> Tensor {
        let last = fork(self.layers[0].clone(), (x.clone(),));
        let first = self.first.forward((x,));
        first - wait(&last)
    }
}

fn net() -> Net {
    let linear = |by: f32| Linear { weight: Tensor::full(&[3], by), bias: Attr::new(Tensor::full(&[3], by + 1.0)) };
    Net { first: linear(1.0), layers: vec![linear(2.0)] }
}

#[test]
fn what_a_module_holds_is_got_attribute_by_attribute() {
    check_text(
        &trace(net(), (ones(),)),
        "
graph(%self.1 : __torch__.Net,
      %input.1 : Tensor):
  %0 : Future[Tensor] = prim::fork_0(%input.1, %self.1)
  %1 : __torch__.Linear = prim::GetAttr[name=\"first\"](%self.1)
  %2 : Tensor = prim::GetAttr[name=\"weight\"](%1)
  %3 : Tensor = aten::mul(%input.1, %2)
  %4 : Tensor = prim::GetAttr[name=\"bias\"](%1)
  %5 : int = prim::Constant[value=1]()
  %6 : Tensor = aten::add(%3, %4, %5)
  %7 : Tensor = aten::wait(%0)
  %8 : int = prim::Constant[value=1]()
  %9 : Tensor = aten::sub(%6, %7, %8)
  return (%9)
with prim::fork_0 = graph(%input.1 : Tensor,
      %self.1 : __torch__.Net):
  %0 : __torch__.torch.nn.modules.container.ModuleList = prim::GetAttr[name=\"layers\"](%self.1)
  %1 : __torch__.Linear = prim::GetAttr[name=\"0\"](%0)
  %2 : Tensor = prim::GetAttr[name=\"weight\"](%1)
  %3 : Tensor = aten::mul(%input.1, %2)
  %4 : Tensor = prim::GetAttr[name=\"bias\"](%1)
  %5 : int = prim::Constant[value=1]()
  %6 : Tensor = aten::add(%3, %4, %5)
  return (%6)
",
    );
}

#[test]
fn a_traced_function_does_what_it_does_anywhere() {
    let work = |x: Tensor| {
        let doubled = fork(|x: Tensor| x.mul_(2.0), (x.clone(),));
        let sum = x.sum();
        wait(&doubled) / sum
    };
    let plain = work(Tensor::from([1.0f32, 2.0, 5.0])).to_vec::<f32>();
    let traced: Arc<Mutex<Vec<f32>>> = Arc::default();
    let kept = traced.clone();
    let graph = trace(
        move |x: Tensor| {
            let y = work(x);
            *kept.lock().unwrap() = y.to_vec();
            y
        },
        (Tensor::from([1.0f32, 2.0, 5.0]),),
    );
    // Twice each, by their sum of 16: the fork has run on the spot.
    assert_eq!((plain.as_slice(), &*traced.lock().unwrap()), ([0.125, 0.25, 0.625].as_slice(), &plain));
    let calls: Vec<&str> = graph.kinds().filter(|&kind| kind != "prim::Constant").collect();
    assert_eq!(calls, ["prim::fork", "aten::sum", "aten::wait", "aten::div"]);
    // The module and what it holds are not changed by a trace either.
    let net = net();
    let before = net.forward((ones(),));
    trace(net.clone(), (ones(),));
    assert_eq!(net.forward((ones(),)), before);
}

fn foo(a: Tensor, b: i64) -> Tensor {
    a + b
}

fn bar(a: Tensor) -> Tensor {
    wait(&fork(foo, (a, 2)))
}

#[test]
fn the_example_of_the_documentation_is_as_it_says_scripted_or_not() {
    let expected = "
graph(%input.1 : Tensor):
  %0 : Future[Tensor] = prim::fork_0(%input.1)
  %1 : Tensor = aten::wait(%0)
  return (%1)
with prim::fork_0 = graph(%input.1 : Tensor):
  %0 : int = prim::Constant[value=2]()
  %1 : int = prim::Constant[value=1]()
  %2 : Tensor = aten::add(%input.1, %0, %1)
  return (%2)
";
    check_text(&trace(bar, (ones(),)), expected);
    check_text(&trace(script(bar), (ones(),)), expected);
    assert_eq!(text(&trace(script(net()), (ones(),))), text(&trace(net(), (ones(),))));
}

#[test]
fn futures_of_elsewhere_give_constants() {
    let outside = fork(ones, ());
    let slot: Arc<Mutex<Option<Future<Tensor>>>> = Arc::default();
    let kept = slot.clone();
    trace(move || *kept.lock().unwrap() = Some(fork(|| ones().neg(), ())), ());
    let earlier = slot.lock().unwrap().take().unwrap();
    let graph = trace(move || wait(&outside) + wait(&earlier), ());
    let kinds: Vec<&str> = graph.kinds().collect();
    assert_eq!(kinds, ["prim::Constant", "prim::Constant", "prim::Constant", "aten::add"]);
}

/// The message of a panic.
#[track_caller]
fn panics(work: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap()
}

#[test]
fn one_harness_at_a_time() {
    let inside = panics(|| drop(trace(|| drop(Checker::new().run(|| 1)), ())));
    assert!(inside.contains("a checked body was begun at"), "{inside}");
    let again = panics(|| drop(trace(|| drop(trace(|| 1, ())), ())));
    assert!(again.contains("a trace was begun at") && again.contains("of another trace"), "{again}");
    let report = Checker::new().run(|| drop(trace(|| 1, ())));
    let error = report.outcomes.as_ref().unwrap().error.as_ref().unwrap();
    assert!(error.contains("a trace was begun at") && error.contains("inside of a checked body"), "{error}");
}

#[test]
fn a_trace_that_panics_leaves_nothing_behind() {
    assert_eq!(panics(|| drop(trace(|| -> i64 { wait(&fork(|| panic!("no way"), ())) }, ()))), "no way");
    let future = panics(|| drop(trace(|x: Tensor| fork(|x: Tensor| x.neg(), (x,)), (ones(),))));
    assert!(future.contains("returns a future"), "{future}");
    // A fork that fails is none; what comes after it stands where it was called.
    let graph = trace(
        |x: Tensor| {
            let failed = catch_unwind(AssertUnwindSafe(|| {
                fork(|x: Tensor| -> Tensor { panic!("not with {}", x.exp().numel()) }, (x.clone(),))
            }));
            assert!(failed.is_err());
            x.neg()
        },
        (ones(),),
    );
    check_text(
        &graph,
        "
graph(%input.1 : Tensor):
  %0 : Tensor = aten::neg(%input.1)
  return (%0)
",
    );
}
