//! What a row runs, here and under PyTorch: an archive, the way into it, and of what form its inputs are.

use forkcheck::program::{Program, examples, load};
use forkcheck_model::value::Value;
use forkcheck_tests::archive::archive_of;

pub(crate) struct Workload {
    pub(crate) archive: Vec<u8>,
    /// The attribute of the archive's module whose `forward` is called, instead of the module's own.
    pub(crate) submodule: Option<&'static str>,
    /// As `--example` takes them: tensors of normal floats, without a space.
    pub(crate) inputs: Vec<String>,
}

impl Workload {
    pub(crate) fn new(archive: Vec<u8>, inputs: &[&str]) -> Self {
        Self { archive, submodule: None, inputs: inputs.iter().map(|&input| input.to_owned()).collect() }
    }

    /// The module that this code makes.
    pub(crate) fn of_code(code: &str, inputs: &[&str]) -> Self {
        Self::new(archive_of(code, &[]), inputs)
    }

    /// # Panics
    /// If it is none.
    pub(crate) fn program(&self) -> Program {
        let mut module = load(&self.archive, u64::MAX).unwrap_or_else(|error| panic!("{error}"));
        if let Some(name) = self.submodule {
            let found = module.root.class().attribute(name).map(|index| module.root.attribute(index));
            let Some(Value::Object(submodule)) = found else { panic!("a submodule {name}") };
            module.root = submodule;
        }
        let inputs = examples(&self.inputs, 0, u64::MAX).expect("examples that make sense");
        Program::new("made here", module, "forward", inputs, Default::default())
            .unwrap_or_else(|error| panic!("{error}"))
    }
}
