//! A line that calls a library is one place to its user, however many nodes of the library it leads to.

use forkcheck::audit::audit;
use forkcheck::report::Report;
use forkcheck::{Config, meet, static_audit};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::{archive_with_submodules, program_of_archive, with_origins};

/// Two tasks run `net`, whose two counters are copies of one class, as the compiler makes them when constants differ. Lines 1
/// to 16 are the user's.
const CODE: &str = "\
class M(Module):
  __parameters__ = []
  w : Tensor
  first : __torch__.One
  second : __torch__.Other
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      _0 = (self).net(x, )
      return x
    a = fork(__forked_function)
    def __forked_function0():
      _0 = (self).net(x, )
      return x
    b = fork(__forked_function0)
    return torch.add(torch.wait(a), torch.wait(b))
  def net(self: __torch__.M,
    x: Tensor) -> NoneType:
    first = self.first
    _0 = (first).count()
    second = self.second
    _1 = (second).count()
    return None
class One(Module):
  __parameters__ = []
  k : int
  def count(self: __torch__.One) -> NoneType:
    k = self.k
    self.k = torch.add(k, 1)
    return None
class Other(Module):
  __parameters__ = []
  k : int
  def count(self: __torch__.Other) -> NoneType:
    k = self.k
    self.k = torch.add(k, 2)
    return None
";

/// What is said of each finding: its target, its line, that of its fork.
fn said(report: &Report) -> Vec<(&str, Option<u32>, Option<u32>)> {
    report.findings.iter().map(|finding| (finding.target.as_str(), finding.line, finding.fork_line)).collect()
}

/// The dynamic audit with what is known of all inputs, and the static one alone.
fn audits(origin: impl Fn(u32) -> (&'static str, u32)) -> [Report; 2] {
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[1], &[1.0f32]).expect("one element");
    let x = Value::Tensor(x);
    let submodules = [("first", "One", 0), ("second", "Other", 0)];
    let archive = archive_with_submodules(CODE, &[("w", x.clone())], &submodules);
    let program = program_of_archive(&with_origins(&archive, CODE, origin), CODE, vec![x]);
    let mut met = audit(&program, &Config::default());
    meet(&mut met, &program);
    let alone = static_audit("by hand", "forward", &program.module, &Config::default()).expect("it has a forward");
    [met, alone]
}

#[test]
fn what_a_library_writes_in_several_places_is_one_finding_of_the_call() {
    // One of each fork: `net` and what it calls are a library's.
    let [met, alone] = audits(|line| match line {
        ..=16 => ("source.py", line),
        _ => ("/usr/lib/python3/site-packages/net.py", line),
    });
    let truth =
        [("self.first.k, self.second.k", Some(9), Some(11)), ("self.first.k, self.second.k", Some(13), Some(15))];
    assert_eq!(said(&met), truth);
    assert_eq!(said(&alone), truth);
    // Both kinds of audit speak of the same, once.
    assert!(met.findings.iter().all(|finding| finding.evidence == ["dynamic", "static"]));
    assert!(met.possible.is_empty());
}

#[test]
fn what_the_user_writes_in_several_places_is_a_finding_of_each() {
    let [met, alone] = audits(|line| ("source.py", line));
    let truth = [
        ("self.first.k", Some(29), Some(11)),
        ("self.first.k", Some(29), Some(15)),
        ("self.second.k", Some(36), Some(11)),
        ("self.second.k", Some(36), Some(15)),
    ];
    assert_eq!(said(&met), truth);
    assert_eq!(said(&alone), truth);
}
