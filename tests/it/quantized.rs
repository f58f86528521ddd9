//! Quantized modules as PyTorch's engineers ship them: loaded, judged without running, run, and judged by that.

use std::sync::Arc;

use forkcheck::report::Assurance;
use forkcheck::{Config, static_audit};
use forkcheck_model::module::Class;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::{DType, Layout, Quantizer, Tensor};
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
    let channels = channels.map(|(scale, zero_point)| forkcheck_model::tensor::Affine { scale, zero_point }).collect();
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
