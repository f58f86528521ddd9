//! The tree as text: the same for trees that mean the same, and read back as the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::tree::{Class, Definition, Expr, ExprKind, File, Function, Member, Statement, StatementKind};

impl Display for File {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for definition in &self.definitions {
            match definition {
                Definition::Class(class) => class_text(f, class)?,
                Definition::Function(function) => function_text(f, function, 0)?,
            }
        }
        Ok(())
    }
}

fn class_text(f: &mut Formatter<'_>, class: &Class) -> fmt::Result {
    write!(f, "class {}", class.name)?;
    if let Some(base) = &class.base {
        write!(f, "({base})")?;
    }
    f.write_str(":\n")?;
    for member in &class.members {
        match member {
            Member::Names(name, names) => {
                write!(f, "  {name} = [")?;
                for name in names {
                    string(f, name)?;
                    f.write_str(", ")?;
                }
                f.write_str("]\n")?;
            }
            Member::Attribute { name, ty: None, value, .. } => {
                writeln!(f, "  {name} = {}", value.as_ref().expect("a member without type has a value"))?;
            }
            Member::Attribute { name, ty: Some(ty), value: Some(value), .. } => {
                writeln!(f, "  {name} : {ty} = {value}")?;
            }
            Member::Attribute { name, ty: Some(ty), value: None, .. } => {
                f.write_str("  __annotations__[")?;
                string(f, name)?;
                writeln!(f, "] = {ty}")?;
            }
            Member::Method(method) => function_text(f, method, 1)?,
        }
    }
    if class.members.is_empty() {
        f.write_str("  pass\n")?;
    }
    Ok(())
}

fn function_text(f: &mut Formatter<'_>, function: &Function, depth: usize) -> fmt::Result {
    write!(f, "{:1$}def {2}(", "", depth * 2, function.name)?;
    for (i, param) in function.params.iter().enumerate() {
        write!(f, "{}{}", if i == 0 { "" } else { ", " }, param.name)?;
        if let Some(ty) = &param.ty {
            write!(f, ": {ty}")?;
        }
        if let Some(default) = &param.default {
            write!(f, "={default}")?;
        }
    }
    f.write_str(")")?;
    if let Some(returns) = &function.returns {
        write!(f, " -> {returns}")?;
    }
    f.write_str(":\n")?;
    block(f, &function.body, depth + 1)
}

fn block(f: &mut Formatter<'_>, statements: &[Statement], depth: usize) -> fmt::Result {
    for statement in statements {
        statement_text(f, statement, depth)?;
    }
    if statements.is_empty() {
        writeln!(f, "{:1$}pass", "", depth * 2)?;
    }
    Ok(())
}

fn statement_text(f: &mut Formatter<'_>, statement: &Statement, depth: usize) -> fmt::Result {
    let indent = depth * 2;
    if let StatementKind::Closure(closure) = &statement.kind {
        return function_text(f, closure, depth);
    }
    write!(f, "{:1$}", "", indent)?;
    match &statement.kind {
        StatementKind::Assign(target, None, value) => writeln!(f, "{target} = {value}"),
        StatementKind::Assign(target, Some(ty), value) => writeln!(f, "{target} : {ty} = {value}"),
        StatementKind::Unpack(targets, value) => {
            for target in targets {
                write!(f, "{target}, ")?;
            }
            if targets.is_empty() {
                f.write_str("() ")?;
            }
            writeln!(f, "= {value}")
        }
        StatementKind::Expr(value) => writeln!(f, "{value}"),
        StatementKind::If(condition, then, otherwise) => {
            writeln!(f, "if {condition}:")?;
            block(f, then, depth + 1)?;
            writeln!(f, "{:1$}else:", "", indent)?;
            block(f, otherwise, depth + 1)
        }
        StatementKind::For(variable, count, body) => {
            writeln!(f, "for {variable} in range({count}):")?;
            block(f, body, depth + 1)
        }
        StatementKind::While(condition, body) => {
            writeln!(f, "while {condition}:")?;
            block(f, body, depth + 1)
        }
        StatementKind::With(manager, target, body) => {
            write!(f, "with {manager}")?;
            if let Some(target) = target {
                write!(f, " as {target}")?;
            }
            f.write_str(":\n")?;
            block(f, body, depth + 1)
        }
        StatementKind::Return(None) => f.write_str("return\n"),
        StatementKind::Return(Some(value)) => writeln!(f, "return {value}"),
        StatementKind::Closure(_) => unreachable!("printed above"),
        StatementKind::Pass => f.write_str("pass\n"),
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::None => f.write_str("None"),
            ExprKind::Bool(true) => f.write_str("True"),
            ExprKind::Bool(false) => f.write_str("False"),
            ExprKind::Int(value) => write!(f, "{value}"),
            ExprKind::Float(value) => float(f, *value),
            ExprKind::Complex(re, im) => complex(f, *re, *im),
            ExprKind::Str(text) => string(f, text),
            ExprKind::Attribute(inner, name) => write!(f, "{}.{name}", Inner(inner)),
            ExprKind::Call(callee, args, named) => {
                write!(f, "{}(", Inner(callee))?;
                for arg in args {
                    write!(f, "{arg}, ")?;
                }
                for (name, value) in named {
                    write!(f, "{name}={value}, ")?;
                }
                f.write_str(")")
            }
            ExprKind::Subscript(inner, index) => write!(f, "{}[{index}]", Inner(inner)),
            ExprKind::Slice(inner, begin, end) => {
                write!(f, "{}[", Inner(inner))?;
                if let Some(begin) = begin {
                    write!(f, "{begin}")?;
                }
                f.write_str(":")?;
                if let Some(end) = end {
                    write!(f, "{end}")?;
                }
                f.write_str("]")
            }
            ExprKind::Tuple(items) => sequence(f, "(", items, ")"),
            ExprKind::List(items) => sequence(f, "[", items, "]"),
            ExprKind::Dict(items) => {
                f.write_str("{")?;
                for (key, value) in items {
                    write!(f, "{key}: {value}, ")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// What stands before a dot, a parenthesis or a bracket.
struct Inner<'a>(&'a Expr);

impl Display for Inner<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            ExprKind::Name(_) | ExprKind::Attribute(..) | ExprKind::Call(..) => self.0.fmt(f),
            _ => write!(f, "({})", self.0),
        }
    }
}

fn sequence(f: &mut Formatter<'_>, open: &str, items: &[Expr], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for item in items {
        write!(f, "{item}, ")?;
    }
    f.write_str(close)
}

fn float(f: &mut Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_nan() {
        f.write_str("nan")
    } else if value.is_infinite() {
        f.write_str(if value > 0.0 { "inf" } else { "-inf" })
    } else {
        write!(f, "{value:?}")
    }
}

fn complex(f: &mut Formatter<'_>, re: f64, im: f64) -> fmt::Result {
    float(f, re)?;
    f.write_str(if im.is_sign_negative() && !im.is_nan() { "-" } else { "+" })?;
    float(f, im.abs())?;
    f.write_str("j")
}

/// A string in double quotes, with escapes for whatever does not print.
fn string(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            ' '..='~' => f.write_char(c)?,
            other if u32::from(other) < 0x1_0000 => write!(f, "\\u{:04x}", u32::from(other))?,
            other => write!(f, "\\U{:08x}", u32::from(other))?,
        }
    }
    f.write_str("\"")
}
