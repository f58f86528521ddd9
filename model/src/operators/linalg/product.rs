//! The product of matrices that all others are made of.

use ndarray::ArrayView2;

use crate::operators::reduce::number::Computed;

/// The rows, the summed length and the columns of a product.
#[derive(Debug, Clone, Copy)]
pub(in crate::operators) struct Shape {
    pub(in crate::operators) rows: usize,
    pub(in crate::operators) inner: usize,
    pub(in crate::operators) columns: usize,
}

/// A number that matrices are multiplied in.
pub(in crate::operators) trait Factor: Computed {
    /// The product of two row-major matrices, the second given by its columns if `transposed`.
    fn product(a: &[Self], b: &[Self], shape: Shape, transposed: bool) -> Vec<Self>;
}

macro_rules! floats {
    ($($float:ident)*) => {
        $(impl Factor for $float {
            fn product(a: &[Self], b: &[Self], shape: Shape, transposed: bool) -> Vec<Self> {
                let Shape { rows, inner, columns } = shape;
                let a = ArrayView2::from_shape((rows, inner), a).expect("as many elements as the shape says");
                let b_shape = if transposed { (columns, inner) } else { (inner, columns) };
                let b = ArrayView2::from_shape(b_shape, b).expect("as many elements as the shape says");
                let product = if transposed { a.dot(&b.t()) } else { a.dot(&b) };
                product.iter().copied().collect()
            }
        })*
    };
}

floats!(f32 f64);

impl Factor for i64 {
    fn product(a: &[Self], b: &[Self], shape: Shape, transposed: bool) -> Vec<Self> {
        let Shape { rows, inner, columns } = shape;
        let mut product = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                let at = |i: usize| if transposed { b[column * inner + i] } else { b[i * columns + column] };
                let terms = (0..inner).map(|i| a[row * inner + i].wrapping_mul(at(i)));
                product.push(terms.fold(0, i64::wrapping_add));
            }
        }
        product
    }
}

/// Products of matrices that lie one after the other: `pairs` says which of `a` goes with which of `b`.
pub(in crate::operators) fn products<T: Factor>(
    a: &[T],
    b: &[T],
    pairs: impl IntoIterator<Item = (usize, usize)>,
    shape: Shape,
    transposed: bool,
) -> Vec<T> {
    let (a_size, b_size) = (shape.rows * shape.inner, shape.inner * shape.columns);
    let mut results = Vec::new();
    for (i, j) in pairs {
        let (a, b) = (&a[i * a_size..(i + 1) * a_size], &b[j * b_size..(j + 1) * b_size]);
        results.extend(T::product(a, b, shape, transposed));
    }
    results
}
