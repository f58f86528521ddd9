//! Products of complex factors, made of four products of their parts.

use super::super::{Call, Fault};
use crate::tensor::Tensor;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

/// The real and the imaginary part.
fn parts(call: &mut Call<'_>, x: &Tensor) -> Result<[Tensor; 2]> {
    let x = [Value::Tensor(x.clone())];
    Ok([call.run_tensor("aten::real", &x)?, call.run_tensor("aten::imag", &x)?])
}

/// `f(a, b)`, where `f` is a product: `(a + bi)(c + di)` is `ac - bd` and `ad + bc`.
pub(super) fn product(
    call: &mut Call<'_>,
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(&mut Call<'_>, &Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let ([a, b], [c, d]) = (parts(call, a)?, parts(call, b)?);
    let mut joined = |how: &str, left: (&Tensor, &Tensor), right: (&Tensor, &Tensor)| {
        let left = f(call, left.0, left.1)?;
        let right = f(call, right.0, right.1)?;
        call.run_tensor(how, &[Value::Tensor(left), Value::Tensor(right)])
    };
    let re = joined("aten::sub.Tensor", (&a, &c), (&b, &d))?;
    let im = joined("aten::add.Tensor", (&a, &d), (&b, &c))?;
    call.run_tensor("aten::complex", &[Value::Tensor(re), Value::Tensor(im)])
}

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    #[test]
    fn products_of_complex_matrices_are_as_worked_out() {
        // (1 + i)(2 - i) = 3 + i, and with 3 added to it (0 + 3i)(0 - i) = 3.
        replay(
            r#"aten::mm c64[1,1]{1.0:1.0} c64[1,1]{2.0:-1.0} -> c64[1,1]{3.0:1.0}
aten::matmul c64[1,2]{1.0:1.0 0.0:3.0} c64[2,1]{2.0:-1.0 0.0:-1.0} -> c64[1,1]{6.0:1.0}
aten::dot c128[2]{1.0:1.0 0.0:3.0} c128[2]{2.0:-1.0 0.0:-1.0} -> c128[]{6.0:1.0}
aten::linear c64[1,2]{1.0:1.0 0.0:3.0} c64[1,2]{2.0:-1.0 0.0:-1.0} c64[1]{1.0:0.0} -> c64[1,1]{7.0:1.0}
aten::outer c64[1]{1.0:1.0} c64[1]{2.0:-1.0} -> c64[1,1]{3.0:1.0}
aten::einsum "ij,kj->ik" [c64[1,2]{1.0:1.0 0.0:3.0}, c64[1,2]{2.0:-1.0 0.0:-1.0}] None -> c64[1,1]{6.0:1.0}
aten::einsum "ij->i" [c64[1,2]{1.0:1.0 0.0:3.0}] None -> c64[1]{1.0:4.0}
aten::vdot c64[1]{1.0:1.0} c64[1]{2.0:-1.0} -> c64[]{1.0:-3.0}"#,
        );
    }
}
