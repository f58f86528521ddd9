//! The fast path of `torch.nn.TransformerEncoder`, as the compiler prints it: nested tensors in forks, run and judged.

use std::slice::from_ref;

use forkcheck::audit::audit;
use forkcheck::report::Assurance;
use forkcheck::{Config, Program, static_audit};
use forkcheck_model::archive::saved::write_saved;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::{Bool8, Tensor};
use forkcheck_model::{Digest, Value, difference};
use forkcheck_scheduler::Spec;
use forkcheck_tests::archive::{archive_of, program_of};

/// An encoder of two layers that are one, called by two forks.
const ENCODER: &str = r#"class M(Module):
  __parameters__ = ["in_w", "in_b", "out_w", "out_b", "n1_w", "n1_b", "n2_w", "n2_b", "l1_w", "l1_b", "l2_w", "l2_b", ]
  __buffers__ = []
  enable_nested_tensor : bool
  in_w : Tensor
  in_b : Tensor
  out_w : Tensor
  out_b : Tensor
  n1_w : Tensor
  n1_b : Tensor
  n2_w : Tensor
  n2_b : Tensor
  l1_w : Tensor
  l1_b : Tensor
  l2_w : Tensor
  l2_b : Tensor
  def forward(self: __torch__.M,
    src: Tensor,
    src_key_padding_mask: Tensor) -> Tuple[Tensor, Tensor]:
    def __forked_function():
      return __torch__.encode(self, src, src_key_padding_mask, )
    f = fork(__forked_function)
    def __forked_function0():
      return __torch__.encode(self, src, src_key_padding_mask, )
    g = fork(__forked_function0)
    return (torch.wait(f), torch.wait(g))
def encode(self: __torch__.M,
    src: Tensor,
    src_key_padding_mask: Tensor) -> Tensor:
  if self.enable_nested_tensor:
    mask = torch.logical_not(src_key_padding_mask)
    convert_to_nested = torch._nested_tensor_from_mask_left_aligned(src, mask)
  else:
    convert_to_nested = False
  if convert_to_nested:
    mask0 = torch.logical_not(src_key_padding_mask)
    output = torch._nested_tensor_from_mask(src, mask0, False)
    mask_for_layers = annotate(Optional[Tensor], None)
  else:
    output = src
    mask_for_layers = src_key_padding_mask
  output0 = __torch__.layer(self, output, mask_for_layers, )
  output1 = __torch__.layer(self, output0, mask_for_layers, )
  if convert_to_nested:
    output2 = torch.to_padded_tensor(output1, 0., torch.size(src))
  else:
    output2 = output1
  return output2
def layer(self: __torch__.M,
    src: Tensor,
    src_key_padding_mask: Optional[Tensor]) -> Tensor:
  if torch.eq(torch.dim(src), 3):
    pass
  else:
    ops.prim.RaiseException("AssertionError: input not batched")
  if ops.prim.is_nested(src):
    _0 = torch.__isnot__(src_key_padding_mask, None)
  else:
    _0 = False
  if _0:
    ops.prim.RaiseException("AssertionError: neither src_key_padding_mask nor src_mask are currently supported with NestedTensor input")
  else:
    pass
  if torch.__is__(src_key_padding_mask, None):
    mask_type = annotate(Optional[int], None)
  else:
    mask_type = 1
  return torch._transformer_encoder_layer_fwd(src, 4, 2, self.in_w, self.in_b, self.out_w, self.out_b, True, False, 1.0000000000000001e-05, self.n1_w, self.n1_b, self.n2_w, self.n2_b, self.l1_w, self.l1_b, self.l2_w, self.l2_b, src_key_padding_mask, mask_type)
"#;

const SIZES: [(&str, &[i64]); 12] = [
    ("in_w", &[12, 4]),
    ("in_b", &[12]),
    ("out_w", &[4, 4]),
    ("out_b", &[4]),
    ("n1_w", &[4]),
    ("n1_b", &[4]),
    ("n2_w", &[4]),
    ("n2_b", &[4]),
    ("l1_w", &[3, 4]),
    ("l1_b", &[3]),
    ("l2_w", &[4, 3]),
    ("l2_b", &[4]),
];

/// Makes tensors of numbers between -1 and 1.
struct Maker {
    allocator: Allocator,
    seed: u32,
}

impl Maker {
    fn new() -> Self {
        Self { allocator: Allocator::new(0, Memory::unlimited()), seed: 1 }
    }

    fn drawn(&mut self, sizes: &[i64]) -> Value {
        let mut next = || {
            self.seed = self.seed.wrapping_mul(1664525).wrapping_add(1013904223);
            (self.seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let numbers: Vec<f32> = (0..sizes.iter().product()).map(|_| next()).collect();
        Value::Tensor(Tensor::from_vec(&mut self.allocator, sizes, &numbers).unwrap())
    }

    fn mask(&mut self, sizes: &[i64], hidden: &[u8]) -> Value {
        let hidden: Vec<Bool8> = hidden.iter().map(|&hidden| Bool8::from(hidden == 1)).collect();
        Value::Tensor(Tensor::from_vec(&mut self.allocator, sizes, &hidden).unwrap())
    }

    fn attributes(&mut self, enable_nested_tensor: bool) -> Vec<(&'static str, Value)> {
        let nested = [("enable_nested_tensor", Value::Bool(enable_nested_tensor))];
        nested.into_iter().chain(SIZES.map(|(name, sizes)| (name, self.drawn(sizes)))).collect()
    }
}

/// Two sequences of four and two steps.
const HIDDEN: [u8; 8] = [0, 0, 0, 0, 0, 0, 1, 1];

fn encoder(enable_nested_tensor: bool, hidden: &[u8]) -> Program {
    let mut maker = Maker::new();
    let attributes = maker.attributes(enable_nested_tensor);
    let inputs = vec![maker.drawn(&[2, 4, 4]), maker.mask(&[2, 4], hidden)];
    program_of(ENCODER, &attributes, inputs)
}

/// What a program gives on one thread.
fn result(program: &Program) -> Result<Value, String> {
    let run = forkcheck::parallel::run(program, &forkcheck::config::Limits::default(), 1);
    run.result.expect("it ends").map_err(|raised| raised.message)
}

/// The verdict, what it rests on, and kind, target and line of each finding.
fn audited(program: &Program) -> (&'static str, Option<Assurance>, Vec<String>) {
    let report = audit(program, &Config::default());
    let findings = report.findings.iter();
    let found = findings.map(|f| format!("{} {} {} {:?}", f.kind, f.operator, f.target, f.line)).collect();
    (report.verdict.expect("an audit has one").name(), report.assurance, found)
}

#[test]
fn an_encoder_that_nests_is_pure_and_gives_what_one_that_masks_gives() {
    let fast = encoder(true, &HIDDEN);
    assert_eq!(audited(&fast), ("pure", Some(Assurance::Certified), vec![]));
    let first = |program: &Program| match result(program) {
        Ok(Value::Tuple(items)) => match &items[0] {
            Value::Tensor(tensor) => tensor.to_vec::<f32>(),
            other => panic!("a tensor, not {other:?}"),
        },
        other => panic!("two tensors, not {other:?}"),
    };
    let (fast, slow) = (first(&fast), first(&encoder(false, &HIDDEN)));
    assert_eq!((fast.len(), slow.len()), (32, 32));
    for (step, (fast, slow)) in fast.chunks(4).zip(slow.chunks(4)).enumerate() {
        match HIDDEN[step] {
            // What is hidden is given back as zeros, and was encoded as if it were there by the one that masks.
            1 => assert!(fast == [0.0; 4] && slow != [0.0; 4], "{step}"),
            _ => assert!(fast.iter().zip(slow).all(|(a, b)| (a - b).abs() < 1e-5), "{step}: {fast:?} {slow:?}"),
        }
    }
}

#[test]
fn an_encoder_whose_mask_has_gaps_masks() {
    let (gaps, masked) = (encoder(true, &[0, 1, 0, 0, 0, 0, 1, 1]), encoder(false, &[0, 1, 0, 0, 0, 0, 1, 1]));
    assert!(result(&gaps).unwrap().same(&result(&masked).unwrap()));
}

#[test]
fn an_encoder_that_nests_is_proved_without_running() {
    let mut maker = Maker::new();
    let module = forkcheck::program::load(&archive_of(ENCODER, &maker.attributes(true)), u64::MAX).unwrap();
    let report = static_audit("encoder", "forward", &module, &Config::default()).unwrap();
    assert_eq!(
        (report.verdict.map(|verdict| verdict.name()), report.assurance),
        (Some("pure"), Some(Assurance::Proved))
    );
}

/// A module that nests its input and hands it to a fork, with the fork's body and what the caller gives back.
fn with_fork(body: &str, given: &str, ty: &str) -> Program {
    let code = format!(
        r#"class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.M,
    src: Tensor,
    mask: Tensor) -> {ty}:
    nested = torch._nested_tensor_from_mask(src, mask)
    def __forked_function():
      return __torch__.body(nested, )
    f = fork(__forked_function)
    {given}
def body(nested: Tensor) -> Tensor:
{body}
"#
    );
    let mut maker = Maker::new();
    let floats = Tensor::from_vec(&mut maker.allocator, &[2, 2, 1], &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let mask = maker.mask(&[2, 2], &[1, 1, 1, 0]);
    program_of(&code, &[("training", Value::Bool(false))], vec![Value::Tensor(floats), mask])
}

#[test]
fn a_write_to_an_entry_is_a_write_to_the_nested_tensor() {
    let body = "  entries = torch.unbind(nested)\n  return torch.mul_(entries[0], 2.)";
    // The caller looks only when the fork is done.
    let waits = "x = torch.wait(f)\n    return torch.to_padded_tensor(nested, 0.)";
    let finding = |line: u32| format!("input-mutation aten::mul_ local nested Some({line})");
    let program = with_fork(body, waits, "Tensor");
    assert_eq!(audited(&program), ("impure", Some(Assurance::Certified), vec![finding(16)]));
    let text = forkcheck::text_of(&result(&program).unwrap());
    assert_eq!(text.split_whitespace().take(9).collect::<Vec<_>>().join(" "), "(1,.,.) = 2 4 (2,.,.) = 3 0 [");
    // The caller looks before.
    let races = "y = torch.to_padded_tensor(nested, 0.)\n    x = torch.wait(f)\n    return y";
    let (verdict, assurance, findings) = audited(&with_fork(body, races, "Tensor"));
    assert_eq!((verdict, assurance, findings), ("nondeterministic", Some(Assurance::Exhausted), vec![finding(17)]));
}

/// A write in place of a nested tensor takes two steps like that of any other, is undone by searches, and found again by digests.
#[test]
fn searches_agree_about_a_race_for_a_nested_tensor() {
    let body = "  return torch.mul_(nested, 2.)";
    let races = "y = torch.fill_(nested, 5.)\n    x = torch.wait(f)\n    return torch.tanh(nested)";
    for strategy in [Spec::Auto, Spec::Dfs, Spec::Dpor, Spec::States] {
        let config = Config { strategy, ..Config::default() };
        let kept = with_fork(body, races, "Tensor");
        kept.reuse.open_for(1, 1 << 20);
        let report = audit(&kept, &config);
        // 5, 10, and twice what there was, if the product was made before 5 was written and stored after.
        let outcomes = report.outcomes.as_ref().unwrap();
        assert_eq!((outcomes.distinct, outcomes.complete), (3, true), "{report}");
        let computed = with_fork(body, races, "Tensor");
        computed.reuse.close();
        assert_eq!(report.to_json(), audit(&computed, &config).to_json());
        assert_eq!((kept.reuse.uses().found > 0, computed.reuse.uses().found), (true, 0));
    }
}

/// Two nested tensors of the same elements that are cut differently are two states, and two arguments.
#[test]
fn where_entries_begin_is_part_of_states_and_of_what_is_used_again() {
    let code = r#"class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.M,
    src: Tensor,
    mask: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.body(mask, )
    f = fork(__forked_function)
    nested = torch._nested_tensor_from_mask(src, mask)
    x = torch.wait(f)
    return torch.to_padded_tensor(nested, 0.)
def body(mask: Tensor) -> Tensor:
  return torch.copy_(mask, torch.flip(mask, [0]))
"#;
    let mut maker = Maker::new();
    let ones = Value::Tensor(Tensor::from_vec(&mut maker.allocator, &[2, 2, 1], &[1.0f32; 4]).unwrap());
    let inputs = [ones, maker.mask(&[2, 2], &[1, 1, 1, 0])];
    for strategy in [Spec::Dfs, Spec::States] {
        let program = program_of(code, &[("training", Value::Bool(false))], inputs.to_vec());
        program.reuse.open_for(1, 1 << 20);
        let report = audit(&program, &Config { strategy, ..Config::default() });
        // Steps are two and one, or one and two.
        let outcomes = report.outcomes.as_ref().unwrap();
        assert_eq!((outcomes.distinct, outcomes.complete), (2, true), "{report}");
    }
}

#[test]
fn entries_that_do_not_overlap_are_no_conflict() {
    let body = "  return torch.mul_(torch.select(nested, 0, 0), 2.)";
    let other = "y = torch.neg(torch.select(nested, 0, 1))\n    x = torch.wait(f)\n    return y";
    let (verdict, assurance, findings) = audited(&with_fork(body, other, "Tensor"));
    let finding = "input-mutation aten::mul_ local nested Some(16)".to_string();
    assert_eq!((verdict, assurance, findings), ("impure", Some(Assurance::Certified), vec![finding]));
}

#[test]
fn a_nested_result_is_told_compared_and_hashed_and_refused_by_files() {
    let give = |body: &str| result(&with_fork(body, "return torch.wait(f)", "Tensor")).unwrap();
    let (same, doubled) = (give("  return torch.clone(nested)"), give("  return torch.add(nested, nested)"));
    let text = forkcheck::text_of(&same);
    assert_eq!(text, "nested_tensor([\n 1\n 2\n[ CPUFloatType{2,1} ],\n 3\n[ CPUFloatType{1,1} ]\n])");
    let first = difference::first_difference("output", &same, &doubled).map(|found| found.to_string());
    assert_eq!(first.as_deref(), Some("output[0][0][0]: 1.0 and 2.0"));
    let flat = Value::Tensor(Tensor::from_vec(&mut Maker::new().allocator, &[3], &[1.0f32, 2.0, 3.0]).unwrap());
    let first = difference::first_difference("output", &same, &flat).map(|found| found.to_string());
    assert_eq!(first.as_deref(), Some("shape(output): \"nested [[2, 1], [1, 1]]\" and \"[3]\""));
    let again = give("  return torch.contiguous(nested)");
    let [found, again, flat] = [&same, &again, &flat].map(|value| Digest::of(from_ref(value)));
    assert!(found == again && found != flat);
    let refused = write_saved(&same).unwrap_err().to_string();
    assert!(refused.contains("found a nested one"), "{refused}");
}

#[test]
fn what_a_nested_tensor_is_not_is_said_in_pytorchs_words() {
    let raised = |body: &str, ty: &str| {
        let program = with_fork(&format!("  {body}\n  return nested"), "x = torch.wait(f)\n    return 0", ty);
        result(&program).unwrap_err()
    };
    let sizes = "Internal error: NestedTensorImpl doesn't support sizes. Please file an issue.";
    assert_eq!(raised("x = torch.size(nested)", "int"), sizes);
    assert_eq!(raised("x = annotate(List[List[List[float]]], nested.tolist())", "int"), sizes);
    let words = "Could not run 'aten::exp' with arguments from the 'NestedTensorCPU' backend.";
    assert!(raised("x = torch.exp(nested)", "int").starts_with(words));
}

/// Of what nobody has said what it does to a nested tensor the verdict is that it is unknown.
#[test]
fn what_is_not_known_of_nested_tensors_is_opaque() {
    let program = with_fork("  return torch.sigmoid(nested)", "return torch.wait(f)", "Tensor");
    let (verdict, _, findings) = audited(&program);
    assert_eq!(
        (verdict, findings),
        ("unknown", vec!["opaque-operator aten::sigmoid aten::sigmoid of nested tensors Some(14)".to_string()])
    );
}
