//! Which cells a removal means.

use regex::bytes::{Regex, RegexBuilder};

/// The longest expression, in bytes.
const PATTERN_BYTES_MAX: usize = 1024;
/// The memory of a compiled expression. With it the time of a removal is bounded: at worst every
/// byte of the table is looked at once for each of some hundred states.
const COMPILED_BYTES_MAX: usize = 32 << 10;

/// What a name or value has to be like.
#[derive(Debug)]
pub(super) enum Pattern {
    /// It starts so.
    Start(String),
    /// It has such a part.
    Expression(Regex),
}

impl Pattern {
    /// Compiles an expression as Kamailio does: POSIX extended, in any case, byte by byte, `^` and
    /// `$` at line ends too, a `.` that is no line end. The dialects agree but for back-references,
    /// which are refused here, and a backslash in brackets, which is no character here.
    ///
    /// # Errors
    /// It is none, or too large.
    pub(super) fn expression(text: &str) -> Result<Pattern, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!("an expression has at most {PATTERN_BYTES_MAX} bytes"));
        }
        let built = RegexBuilder::new(text)
            .case_insensitive(true)
            .multi_line(true)
            .unicode(false)
            .nest_limit(50)
            .size_limit(COMPILED_BYTES_MAX)
            .build();
        built.map(Pattern::Expression).map_err(|error| error.to_string())
    }

    /// Whether this is meant.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Start(start) => text.starts_with(start),
            Pattern::Expression(expression) => expression.is_match(text.as_bytes()),
        }
    }
}
