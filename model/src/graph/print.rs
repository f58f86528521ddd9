//! The text of a graph, in the form PyTorch prints.
