//! An ensemble of models that runs its members in parallel and keeps a running mean of what they say.

use forkcheck::{Attr, Forward, Future, Module, Tensor, Visitor, fork, wait_all};

/// One model: a linear layer.
#[derive(Debug, Clone)]
pub struct Member {
    weight: Tensor,
}

impl Module for Member {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("weight", &self.weight);
    }
}

impl Forward<(Tensor,)> for Member {
    type Out = Tensor;

    fn forward(&self, (x,): (Tensor,)) -> Tensor {
        x.matmul(&self.weight).tanh()
    }
}

/// What an ensemble remembers of the outputs so far.
#[derive(Debug, Clone)]
pub struct Statistics {
    mean: Tensor,
    batches: Attr<u64>,
}

impl Statistics {
    fn new(width: i64) -> Self {
        Self { mean: Tensor::zeros(&[width]), batches: Attr::new(0) }
    }

    fn add(&self, output: &Tensor) {
        self.mean.mul_(0.9); // the mean is written
        self.mean.add_(output.mean_dim(&[0], false) * 0.1);
        self.batches.modify(|batches| *batches += 1); // the count is written
    }
}

impl Module for Statistics {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("mean", &self.mean);
        visitor.attribute("batches", &self.batches);
    }
}

/// Several models whose outputs are averaged.
#[derive(Debug, Clone)]
pub struct Ensemble {
    members: Vec<Member>,
    statistics: Statistics,
}

impl Ensemble {
    /// Members with these weights, which are matrices of `width` columns.
    pub fn new(weights: Vec<Tensor>, width: i64) -> Self {
        let members = weights.into_iter().map(|weight| Member { weight }).collect();
        Self { members, statistics: Statistics::new(width) }
    }
}

impl Module for Ensemble {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("members", &self.members);
        visitor.attribute("statistics", &self.statistics);
    }
}

/// Each fork adds what its member says to the statistics: in which order, the schedule decides.
#[derive(Debug, Clone)]
pub struct Eager(pub Ensemble);

impl Module for Eager {
    fn visit(&self, visitor: &mut Visitor) {
        self.0.visit(visitor);
    }
}

impl Forward<(Tensor,)> for Eager {
    type Out = Tensor;

    fn forward(&self, (x,): (Tensor,)) -> Tensor {
        let say = |member: Member, statistics: Statistics, x: Tensor| {
            let output = member.forward((x,));
            statistics.add(&output);
            output
        };
        let Ensemble { members, statistics } = &self.0;
        let outputs: Vec<_> =
            members.iter().map(|member| fork(say, (member.clone(), statistics.clone(), x.clone()))).collect();
        average(&wait_all(&outputs))
    }
}

/// The forks only compute. The caller adds their outputs to the statistics, in the order of the members.
impl Forward<(Tensor,)> for Ensemble {
    type Out = Tensor;

    fn forward(&self, (x,): (Tensor,)) -> Tensor {
        let outputs: Vec<Future<Tensor>> =
            self.members.iter().map(|member| fork(member.clone(), (x.clone(),))).collect();
        let outputs = wait_all(&outputs);
        outputs.iter().for_each(|output| self.statistics.add(output));
        average(&outputs)
    }
}

fn average(outputs: &[Tensor]) -> Tensor {
    Tensor::stack(outputs, 0).mean_dim(&[0], false)
}

#[cfg(test)]
mod tests {
    use forkcheck::audit;
    use forkcheck::report::Verdict;
    use forkcheck::strategies::{TensorData, check_on, tensors};
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{check_certified, check_finds, line_of};

    const SOURCE: &str = include_str!("ensemble.rs");

    fn ensemble() -> Ensemble {
        let weights = [array![[1.0f32, -1.0], [0.5, 2.0]], array![[0.25, 0.0], [-1.0, 1.0]]];
        Ensemble::new(weights.map(Tensor::from).into(), 2)
    }

    fn input() -> Tensor {
        Tensor::from(array![[1.0f32, 2.0], [-1.0, 0.5], [0.0, 1.0]])
    }

    #[test]
    fn members_that_write_the_statistics_are_found() {
        let report = audit(&Eager(ensemble()), (input(),));
        assert_eq!(report.verdict, Some(Verdict::Nondeterministic), "{report}");
        let kind = "attribute-mutation";
        check_finds(&report, kind, "self.statistics.mean", line_of(SOURCE, "the mean is written"));
        check_finds(&report, kind, "self.statistics.batches", line_of(SOURCE, "the count is written"));
    }

    #[test]
    fn a_caller_that_writes_them_is_certified() {
        check_certified(&audit(&ensemble(), (input(),)));
    }

    /// Matrices of two columns.
    fn batches() -> impl Strategy<Value = TensorData<f32>> {
        tensors((1..=4i64).prop_map(|rows| vec![rows, 2]), -2.0f32..2.0)
    }

    proptest! {
        #[test]
        fn it_says_on_any_batch_what_its_members_say_one_after_another(x in batches()) {
            check_on(x, |x| {
                let (ensemble, x) = (ensemble(), x.tensor());
                let together = ensemble.forward((x.clone(),));
                let alone: Vec<_> = ensemble.members.iter().map(|member| member.forward((x.clone(),))).collect();
                assert!(together.equal(&average(&alone)));
            })?;
        }
    }
}
