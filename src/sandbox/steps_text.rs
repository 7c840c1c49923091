//! Steps as a person reads them: what a step is for, its call in the manner of `strace(1)`, and where it is taken.

use std::fmt::{Display, Formatter, Result};

use super::steps::{Argument, Call, Part, Slot, Step};

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { what, needs, unless, call, keep, forgives: _ } = self;
        write!(f, "{what:<23} ")?;
        if let Some(slot) = keep {
            write!(f, "{slot} = ")?;
        }
        write!(f, "{call}")?;
        // The last of them says the most: it is part of those before.
        needs.last().map_or(Ok(()), |part| write!(f, ", where there is {part}"))?;
        unless.last().map_or(Ok(()), |part| write!(f, ", where there is not {part}"))
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let arguments: Vec<_> = self.arguments.iter().map(ToString::to_string).collect();
        write!(f, "{}({})", self.name, arguments.join(", "))
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            // Flags and addresses, which are read by their bits.
            Self::Number(number) if !(-4096..4096).contains(number) => write!(f, "{number:#x}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "{{{} bytes}}", bytes.len()),
            Self::Kept(slot) => write!(f, "{slot}"),
            Self::Beneath(first, slot) => write!(f, "{{{first:#x}, {slot}}}"),
            Self::Program(bytes) => write!(f, "{{{} instructions}}", bytes.len() / 8),
        }
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::ControlGroups => "a control group",
            Self::Namespaces => "a namespace",
            Self::Root => "a root of its own",
            Self::Directory => "a directory that it was given",
            Self::SystemCalls => "a filter of system calls",
        })
    }
}

impl Display for Slot {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Rules => "rules",
        })
    }
}
