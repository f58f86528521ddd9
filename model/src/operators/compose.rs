//! Operators that call others, as PyTorch's composite operators do.

use super::schema::Literal;
use super::{Argument, Call, Fault, Kernel, Operator, find};
use crate::tensor::Tensor;
use crate::types::Type;
use crate::value::{List, ListContent, Value};

impl Call<'_> {
    /// Runs another operator. Arguments that are not given have their defaults.
    ///
    /// # Panics
    /// If there is none of that name, or one of the missing arguments has no default.
    pub(super) fn run(&mut self, full_name: &str, args: &[Value]) -> Result<Value, Fault> {
        let operator = find(full_name).unwrap_or_else(|| panic!("{full_name} is an operator"));
        let mut args = args.to_vec();
        for argument in operator.schema.arguments.iter().skip(args.len()) {
            let default = self.default_of(argument);
            args.push(default);
        }
        self.run_operator(operator, &args)
    }

    /// [`Call::run`] of an operator that gives one tensor.
    pub(super) fn run_tensor(&mut self, full_name: &str, args: &[Value]) -> Result<Tensor, Fault> {
        match self.run(full_name, args)? {
            Value::Tensor(tensor) => Ok(tensor),
            other => panic!("{full_name} gives {other:?}"),
        }
    }

    /// [`Call::run`] of an operator that gives several tensors.
    pub(super) fn run_tensors(&mut self, full_name: &str, args: &[Value]) -> Result<Vec<Tensor>, Fault> {
        let items = match self.run(full_name, args)? {
            Value::Tuple(items) => items.to_vec(),
            Value::List(list) => list.content().items.clone(),
            other => panic!("{full_name} gives {other:?}"),
        };
        let tensor =
            |item| if let Value::Tensor(tensor) = item { tensor } else { panic!("{full_name} gives {item:?}") };
        Ok(items.into_iter().map(tensor).collect())
    }

    /// Runs another operator on all of its arguments.
    pub(super) fn run_operator(&mut self, operator: &'static Operator, args: &[Value]) -> Result<Value, Fault> {
        let name = operator.full_name();
        let kernel =
            operator.kernel.ok_or_else(|| Fault::unsupported(format!("{}, which calls {name}", self.name())))?;
        let (generator, printed) = (self.generator, &mut *self.printed);
        Call { operator, args, allocator: self.allocator, generator, modes: self.modes, printed }.compute(kernel)
    }

    /// Runs another kernel of the operator, on other arguments.
    pub(super) fn run_kernel(&mut self, kernel: Kernel, args: &[Value]) -> Result<Value, Fault> {
        kernel(&mut Call {
            operator: self.operator,
            args,
            allocator: self.allocator,
            generator: self.generator,
            modes: self.modes,
            printed: self.printed,
        })
    }

    /// A new list of ints, as an argument.
    pub(super) fn int_list(&mut self, items: &[i64]) -> Value {
        let items = items.iter().map(|&item| Value::Int(item)).collect();
        Value::List(List::new(self.allocator, ListContent { item: Type::Int, items }))
    }

    /// A new list of tensors, as an argument.
    pub(super) fn tensor_list(&mut self, items: Vec<Tensor>) -> Value {
        let items = items.into_iter().map(Value::Tensor).collect();
        Value::List(List::new(self.allocator, ListContent { item: Type::Tensor, items }))
    }

    fn default_of(&mut self, argument: &Argument) -> Value {
        let name = &argument.name;
        let default = argument.default.as_ref().unwrap_or_else(|| panic!("`{name}` has no default"));
        let ty = if let Type::Optional(item) = &argument.ty { item } else { &argument.ty };
        match (default, ty) {
            (Literal::List(items), Type::List(item)) => {
                let items = items.iter().map(plain).collect();
                Value::List(List::new(self.allocator, ListContent { item: (**item).clone(), items }))
            }
            (Literal::None, _) => Value::None,
            (single, Type::List(item)) => {
                let items = vec![plain(single); argument.size.unwrap_or(1)];
                Value::List(List::new(self.allocator, ListContent { item: (**item).clone(), items }))
            }
            (Literal::Int(value), Type::Float) => Value::Float(*value as f64),
            (single, _) => plain(single),
        }
    }
}

/// A tensor, as an argument.
pub(super) fn of(tensor: &Tensor) -> Value {
    Value::Tensor(tensor.clone())
}

fn plain(literal: &Literal) -> Value {
    match literal {
        Literal::None => Value::None,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Float(value) => Value::Float(*value),
        Literal::Str(text) => Value::Str(text.clone()),
        Literal::List(_) => panic!("no schema has a list of lists for a default"),
    }
}
