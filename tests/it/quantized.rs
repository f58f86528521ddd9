//! Quantized modules as PyTorch's engineers ship them: loaded, judged without running, run, and judged by that.

use std::sync::Arc;

use forkcheck::audit::audit;
use forkcheck::report::{Assurance, FindingReport};
use forkcheck::{Config, static_audit};
use forkcheck_model::archive::saved::{read_saved, write_saved};
use forkcheck_model::module::Class;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::{Affine, DType, Layout, Quantizer, Tensor};
use forkcheck_model::types::Type;
use forkcheck_model::value::{List, ListContent, Object, Value};
use forkcheck_tests::archive::archive_of;

/// Makes what archives hold.
struct Maker(Allocator);

impl Maker {
    fn new() -> Self {
        Maker(Allocator::new(0, Memory::unlimited()))
    }

    fn floats(&mut self, sizes: &[i64], elements: &[f32]) -> Value {
        Value::Tensor(Tensor::from_vec(&mut self.0, sizes, elements).unwrap())
    }

    /// A `qint8` tensor.
    fn weight(&mut self, sizes: &[i64], elements: &[i8], quantizer: Quantizer) -> Value {
        let plain = Tensor::from_vec(&mut self.0, sizes, elements).unwrap();
        let tensor = Tensor::new(&mut self.0, plain.storage(), DType::QInt8, Layout::contiguous(sizes));
        Value::Tensor(tensor.quantized(Some(Arc::new(quantizer))))
    }

    /// An object that is saved as `state`: of a class in C++, or of one with a `__setstate__`.
    fn object(&mut self, class: &str, state: Value) -> Value {
        Value::Object(Object::new(&mut self.0, Arc::new(Class::of_cpp(class)), vec![state]))
    }

    fn list(&mut self, item: Type, items: Vec<Value>) -> Value {
        Value::List(List::new(&mut self.0, ListContent { item, items }))
    }

    /// The state of a convolution's packed parameters: `numbers` are those of `conv_serialization.h`, version 2.
    fn convolution(&mut self, numbers: &[i16], weight: Value, bias: Value) -> Value {
        let numbers = Tensor::from_vec(&mut self.0, &[numbers.len() as i64], numbers).unwrap();
        let tensors = self.list(Type::Tensor, vec![Value::Tensor(numbers), weight]);
        let optionals = self.list(Type::optional(Type::Tensor), vec![bias]);
        let state = Value::tuple([Value::str("2"), tensors, optionals]);
        self.object("__torch__.torch.classes.quantized.Conv2dPackedParamsBase", state)
    }
}

/// A quantized linear layer as older versions of PyTorch save it: the packed parameters have a state of their own, and
/// `__setstate__` packs it.
const LINEAR: &str = r#"class LinearPackedParams(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  dtype : int
  _packed_params : __torch__.torch.classes.quantized.LinearPackedParamsBase
  def forward(self: __torch__.LinearPackedParams,
    x: Tensor) -> Tensor:
    return x
  def set_weight_bias(self: __torch__.LinearPackedParams,
    weight: Tensor,
    bias: Optional[Tensor]) -> NoneType:
    if torch.eq(self.dtype, 12):
      _packed_params = ops.quantized.linear_prepack(weight, bias)
      self._packed_params = _packed_params
    else:
      if torch.eq(self.dtype, 5):
        _packed_params0 = ops.quantized.linear_prepack_fp16(weight, bias)
        self._packed_params = _packed_params0
      else:
        ops.prim.RaiseException("Unsupported dtype on dynamic quantized linear!")
    return None
  def _weight_bias(self: __torch__.LinearPackedParams) -> Tuple[Tensor, Optional[Tensor]]:
    _0 = uninitialized(Tuple[Tensor, Optional[Tensor]])
    if torch.eq(self.dtype, 12):
      w, b, = ops.quantized.linear_unpack(self._packed_params)
      _1 = (w, b)
    else:
      ops.prim.RaiseException("Unsupported dtype on dynamic quantized linear!")
      _1 = _0
    return _1
  def __getstate__(self: __torch__.LinearPackedParams) -> Tuple[Tensor, Optional[Tensor], bool, int]:
    qweight, bias, = (self)._weight_bias()
    return (qweight, bias, self.training, self.dtype)
  def __setstate__(self: __torch__.LinearPackedParams,
    state: Tuple[Tensor, Optional[Tensor], bool, int]) -> NoneType:
    self.dtype = (state)[3]
    _2 = (self).set_weight_bias((state)[0], (state)[1], )
    self.training = (state)[2]
    return None
"#;

/// A module with such a layer, which quantizes, asks it, and gives numbers.
const STATIC_LINEAR: &str = r#"class M(Module):
  __parameters__ = []
  __buffers__ = []
  scale : float
  zero_point : int
  _packed_params : __torch__.LinearPackedParams
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    q = torch.quantize_per_tensor(x, 0.5, 10, 13)
    def __forked_function():
      return __torch__.layer(self, q, )
    f = fork(__forked_function)
    return torch.dequantize(torch.wait(f))
def layer(self: __torch__.M,
    q: Tensor) -> Tensor:
  return ops.quantized.linear(q, self._packed_params._packed_params, self.scale, self.zero_point)
"#;

/// The attributes of that module: weights of two outputs and three inputs, with a scale of 1/4.
fn linear_attributes(maker: &mut Maker) -> Vec<(&'static str, Value)> {
    let weight = maker.weight(&[2, 3], &[1, -2, 3, -4, 5, 6], Quantizer::per_tensor(0.25, 0));
    let bias = maker.floats(&[2], &[1.0, -0.5]);
    let state = Value::tuple([weight, bias, Value::Bool(false), Value::Int(12)]);
    let packed = maker.object("__torch__.LinearPackedParams", state);
    vec![("scale", Value::Float(0.125)), ("zero_point", Value::Int(100)), ("_packed_params", packed)]
}

/// What the static audit says of a module: its verdict, what that rests on, and the targets of its findings.
fn told(code: &str, attributes: &[(&str, Value)]) -> (&'static str, Option<Assurance>, Vec<String>) {
    let module = forkcheck::program::load(&archive_of(code, attributes), u64::MAX).unwrap();
    let report = static_audit("quantized", "forward", &module, &Config::default()).unwrap();
    let targets = report.findings.iter().map(|finding| finding.target.clone()).collect();
    (report.verdict.expect("an audit has one").name(), report.assurance, targets)
}

#[test]
fn a_module_whose_state_packs_weights_loads_and_is_proved_pure() {
    let attributes = linear_attributes(&mut Maker::new());
    let code = format!("{STATIC_LINEAR}{LINEAR}");
    assert_eq!(told(&code, &attributes), ("pure", Some(Assurance::Proved), vec![]));
}

#[test]
fn packed_parameters_are_read_as_they_are_saved() {
    let code = r#"class M(Module):
  __parameters__ = []
  __buffers__ = []
  conv : __torch__.torch.classes.quantized.Conv2dPackedParamsBase
  linear : __torch__.torch.classes.quantized.LinearPackedParamsBase
  def forward(self: __torch__.M) -> Tuple[List[int], List[int], List[int], int, int, Tensor]:
    w, b, = ops.quantized.linear_unpack(self.linear)
    w0, b0, = ops.quantized.conv2d_unpack(self.conv)
    _0 = ops.quantized.conv2d_stride(self.conv)
    _1 = ops.quantized.conv2d_padding(self.conv)
    _2 = ops.quantized.conv2d_dilation(self.conv)
    return (_0, _1, _2, ops.quantized.conv2d_groups(self.conv), torch.len(torch.size(w0)), unchecked_cast(Tensor, b))
"#;
    let mut maker = Maker::new();
    let (scales, zero_points) = ([0.5, 0.25], [0, 1]);
    let channels = scales.into_iter().zip(zero_points);
    let channels = channels.map(|(scale, zero_point)| Affine { scale, zero_point }).collect();
    let weight = maker.weight(&[2, 1, 1, 2], &[1, 2, 3, 4], Quantizer::PerChannel { channels, axis: 0 });
    let conv = maker.convolution(&[2, 2, 3, 4, 5, 1, 1, 0, 0, 2, 0], weight, Value::None);
    let weight = maker.weight(&[1, 2], &[1, 2], Quantizer::per_tensor(1.0, 0));
    let state = Value::tuple([weight, maker.floats(&[1], &[7.0])]);
    let linear = maker.object("__torch__.torch.classes.quantized.LinearPackedParamsBase", state);
    let found = run(code, &[("conv", conv), ("linear", linear)], vec![]);
    assert_eq!(found, "([2, 3], [4, 5], [1, 1], 2, 4, 7 [ CPUFloatType{1} ])");
}

/// What `forward` gives, as text without line breaks, or what it raises.
fn run(code: &str, attributes: &[(&str, Value)], inputs: Vec<Value>) -> String {
    let program = forkcheck_tests::archive::program_of(code, attributes, inputs);
    let limits = forkcheck::config::Limits::default();
    match forkcheck::parallel::run(&program, &limits, 1).result.expect("it ends") {
        Ok(value) => {
            let text = forkcheck_model::operators::value_text(&value, &Memory::unlimited()).unwrap();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        }
        Err(raised) => raised.message,
    }
}

/// What `forward` gives, as numbers.
fn numbers(code: &str, attributes: &[(&str, Value)], inputs: Vec<Value>) -> Vec<f64> {
    let program = forkcheck_tests::archive::program_of(code, attributes, inputs);
    let limits = forkcheck::config::Limits::default();
    match forkcheck::parallel::run(&program, &limits, 1).result.expect("it ends") {
        Ok(Value::Tensor(tensor)) => tensor.to_f64s(&Memory::unlimited()).unwrap(),
        other => panic!("a tensor, not {other:?}"),
    }
}

/// What an audit by running says of a program: its verdict, what that rests on, and its findings.
fn audited(
    code: &str,
    attributes: &[(&str, Value)],
    inputs: Vec<Value>,
) -> (&'static str, Option<Assurance>, Vec<Found>) {
    let program = forkcheck_tests::archive::program_of(code, attributes, inputs);
    let report = audit(&program, &Config::default());
    let found = |finding: &FindingReport| Found(finding.kind, finding.target.clone(), finding.line);
    let findings = report.findings.iter().map(found).collect();
    (report.verdict.expect("an audit has one").name(), report.assurance, findings)
}

/// Kind, target and line of a finding.
#[derive(Debug, PartialEq)]
struct Found(&'static str, String, Option<u32>);

#[test]
fn a_linear_layer_in_a_fork_gives_its_numbers_and_is_certified() {
    let mut maker = Maker::new();
    let attributes = linear_attributes(&mut maker);
    let code = format!("{STATIC_LINEAR}{LINEAR}");
    // 12, 6 and 16 less 10 are 2, -4 and 6 halves; 2 + 8 + 18 and -8 - 20 + 36 are 28 and 8 eighths, and the bias is 1 and -1/2.
    let x = maker.floats(&[1, 3], &[1.0, -2.0, 3.2]);
    assert_eq!(numbers(&code, &attributes, vec![x.clone()]), [4.5, 0.5]);
    assert_eq!(audited(&code, &attributes, vec![x]), ("pure", Some(Assurance::Certified), vec![]));
}

#[test]
fn a_layer_that_is_given_plain_numbers_says_so_in_pytorchs_words() {
    let mut maker = Maker::new();
    let attributes = linear_attributes(&mut maker);
    let code = format!("{STATIC_LINEAR}{LINEAR}").replace("layer(self, q, )", "layer(self, x, )");
    let x = maker.floats(&[1, 3], &[1.0, -2.0, 3.2]);
    let message = run(&code, &attributes, vec![x]);
    let words = "Could not run 'quantized::linear' with arguments from the 'CPU' backend.";
    assert!(message.starts_with(words), "{message}");
}

#[test]
fn a_convolution_whose_parameters_lie_in_the_archive_runs() {
    let code = r#"class M(Module):
  __parameters__ = []
  __buffers__ = []
  _packed_params : __torch__.torch.classes.quantized.Conv2dPackedParamsBase
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    q = torch.quantize_per_tensor(x, 1., 5, 13)
    y = ops.quantized.conv2d_relu(q, self._packed_params, 2., 4)
    y0 = torch.max_pool2d(y, [2, 2], [2, 2], [0, 0], [1, 1], False)
    return torch.dequantize(torch.flatten(y0, 1, -1))
"#;
    let mut maker = Maker::new();
    // One channel, a window of two by two without padding.
    let weight = maker.weight(&[1, 1, 2, 2], &[1, -1, 2, 3], Quantizer::per_tensor(0.5, 0));
    let bias = maker.floats(&[1], &[1.0]);
    let conv = maker.convolution(&[2, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0], weight, bias);
    let x = maker.floats(&[1, 1, 3, 3], &[1.0, 2.0, 0.0, -1.0, 3.0, 4.0, 0.0, -2.0, -3.0]);
    // The four windows: (1 - 2 - 2 + 9) / 2 + 1 = 4, (2 - 0 + 6 + 12) / 2 + 1 = 11, (-1 - 3 + 0 - 6) / 2 + 1 = -4,
    // (3 - 4 - 4 - 9) / 2 + 1 = -6; in twos, halves to the even: 4, 12, 0, 0.
    assert_eq!(numbers(code, &[("_packed_params", conv)], vec![x]), [12.0]);
}

/// A dynamically quantized layer, asked by two forks.
const DYNAMIC: &str = r#"class M(Module):
  __parameters__ = []
  __buffers__ = []
  scale : Tensor
  _packed_params : __torch__.LinearPackedParams
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.layer(self, x, )
    f = fork(__forked_function)
    def __forked_function0():
      return __torch__.layer(self, x, )
    g = fork(__forked_function0)
    return torch.add(torch.wait(f), torch.wait(g))
def layer(self: __torch__.M,
    x: Tensor) -> Tensor:
  return ops.quantized.linear_dynamic(x, self._packed_params._packed_params, False)
"#;

#[test]
fn a_dynamically_quantized_layer_that_is_forked_twice_is_pure() {
    let mut maker = Maker::new();
    let mut attributes = linear_attributes(&mut maker);
    attributes.drain(..2);
    attributes.insert(0, ("scale", maker.floats(&[1], &[1.0])));
    let code = format!("{DYNAMIC}{LINEAR}");
    // From -1 to 191/64 there are 255 steps of 1/64; 0.3 is 19.2 of them, and counts as 19.
    let x = maker.floats(&[1, 3], &[-1.0, 191.0 / 64.0, 0.3]);
    let (a, b, c) = (-1.0, 191.0 / 64.0, 19.0 / 64.0);
    let layer = |w: [f64; 3], bias: f64| 2.0 * ((w[0] * a + w[1] * b + w[2] * c) / 4.0 + bias);
    let expected = [layer([1.0, -2.0, 3.0], 1.0), layer([-4.0, 5.0, 6.0], -0.5)];
    assert_eq!(numbers(&code, &attributes, vec![x.clone()]), expected);
    assert_eq!(audited(&code, &attributes, vec![x]), ("pure", Some(Assurance::Certified), vec![]));
    assert_eq!(told(&code, &attributes), ("pure", Some(Assurance::Proved), vec![]));
}

#[test]
fn a_fork_that_writes_the_scale_of_its_activations_is_found() {
    let mut maker = Maker::new();
    let mut attributes = linear_attributes(&mut maker);
    attributes.drain(..2);
    attributes.insert(0, ("scale", maker.floats(&[1], &[0.0])));
    // The observer keeps the greatest number that it has seen, and the layer quantizes by it.
    let observing = r#"  greatest = torch.div(torch.max(torch.abs(x)), 255.)
  _0 = torch.copy_(self.scale, torch.reshape(greatest, [1]))
  q = torch.quantize_per_tensor(x, float(torch.item(self.scale)), 0, 13)
  return torch.dequantize(ops.quantized.linear(q, self._packed_params._packed_params, 0.5, 0))
"#;
    let call = "  return ops.quantized.linear_dynamic(x, self._packed_params._packed_params, False)\n";
    let code = DYNAMIC.replace(call, observing).replacen("layer(self, x, )", "layer(self, torch.mul(x, 3.), )", 1);
    let code = format!("{code}{LINEAR}");
    let x = maker.floats(&[1, 3], &[1.0, 2.0, 0.25]);
    let (verdict, assurance, findings) = audited(&code, &attributes, vec![x]);
    let found = || Found("attribute-mutation", "self.scale".into(), Some(18));
    assert_eq!((verdict, findings), ("nondeterministic", vec![found(), found()]));
    assert_eq!(assurance, Some(Assurance::Exhausted));
    assert_eq!(told(&code, &attributes).2, ["self.scale", "self.scale"]);
}

#[test]
fn a_fork_that_changes_quantized_elements_is_found_and_one_that_changes_a_copy_is_not() {
    let code = r#"class M(Module):
  __parameters__ = []
  __buffers__ = []
  weight : Tensor
  _packed_params : __torch__.torch.classes.quantized.LinearPackedParamsBase
  def forward(self: __torch__.M) -> Tensor:
    def __forked_function():
      return __torch__.change(self, )
    f = fork(__forked_function)
    def __forked_function0():
      return __torch__.unpack(self, )
    g = fork(__forked_function0)
    return torch.add(torch.wait(f), torch.wait(g))
def change(self: __torch__.M) -> Tensor:
  return torch.dequantize(torch.relu_(self.weight))
def unpack(self: __torch__.M) -> Tensor:
  w, b, = ops.quantized.linear_unpack(self._packed_params)
  return torch.dequantize(torch.relu_(w))
"#;
    let mut maker = Maker::new();
    let mut weight = || maker.weight(&[1, 3], &[-1, 2, -3], Quantizer::per_tensor(0.5, 0));
    let (weight, packed) = (weight(), Value::tuple([weight(), Value::None]));
    let packed = maker.object("__torch__.torch.classes.quantized.LinearPackedParamsBase", packed);
    let attributes = [("weight", weight), ("_packed_params", packed)];
    assert_eq!(numbers(code, &attributes, vec![]), [0.0, 2.0, 0.0]);
    let (verdict, _, findings) = audited(code, &attributes, vec![]);
    assert_eq!((verdict, findings), ("impure", vec![Found("attribute-mutation", "self.weight".into(), Some(15))]));
    assert_eq!(told(code, &attributes).2, ["self.weight"]);
}

#[test]
fn a_quantized_tensor_is_printed_and_saved_with_what_it_stands_for() {
    let code = r#"class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    return torch.quantize_per_tensor(x, 0.5, 3, 13)
"#;
    let mut maker = Maker::new();
    let x = maker.floats(&[2], &[1.0, 2.25]);
    let text = "1 2 [ QuantizedCPUQUInt8Type{2}, qscheme: per_tensor_affine, scale: 0.5, zero_point: 3 ]";
    assert_eq!(run(code, &[], vec![x]), text);
    let channels = vec![Affine { scale: 0.5, zero_point: 1 }, Affine { scale: 0.25, zero_point: 0 }];
    let weight = maker.weight(&[2, 1], &[3, -4], Quantizer::PerChannel { channels, axis: 0 });
    let saved = write_saved(&weight).unwrap();
    let back = read_saved(&saved, &mut Allocator::new(0, Memory::unlimited())).unwrap();
    assert!(back.same(&weight));
    let other = maker.weight(&[2, 1], &[3, -4], Quantizer::per_tensor(0.5, 1));
    assert!(!back.same(&other));
}
