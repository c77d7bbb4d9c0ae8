//! Which cells a removal means.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// The memory of a compiled expression, in each of its forms, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// What a name or value has to be like.
#[derive(Debug)]
pub(super) enum Pattern {
    /// It starts so.
    Start(String),
    /// It has such a part. An automaton that is complete beforehand looks at every byte of a table
    /// once. One that is built on the way, as regex has it, can be made to look at each several
    /// hundred times: minutes for a full table, in which the node would do nothing else.
    Expression(Box<dense::DFA<Vec<u32>>>),
}

impl Pattern {
    /// Compiles an expression as Kamailio does: POSIX extended, in any case, byte by byte, `^` and
    /// `$` at line ends too, a `.` that is no line end. The dialects agree but for back-references,
    /// which are refused here, and a backslash in brackets, which is no character here.
    ///
    /// # Errors
    /// It is none, or too large.
    pub(super) fn expression(text: &str) -> Result<Pattern, String> {
        let bytes_max = Some(COMPILED_BYTES_MAX);
        let syntax = syntax::Config::new().unicode(false).utf8(false).nest_limit(50);
        let nfa = thompson::Config::new().utf8(false).which_captures(WhichCaptures::None);
        let dfa = dense::Config::new().start_kind(StartKind::Unanchored);
        let built = dense::Builder::new()
            .syntax(syntax.case_insensitive(true).multi_line(true))
            .thompson(nfa.nfa_size_limit(bytes_max))
            .configure(dfa.dfa_size_limit(bytes_max).determinize_size_limit(bytes_max))
            .build(text);
        built.map(|dfa| Pattern::Expression(Box::new(dfa))).map_err(|error| error.to_string())
    }

    /// Whether this is meant.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Start(start) => text.starts_with(start),
            Pattern::Expression(dfa) => {
                let input = Input::new(text).anchored(Anchored::No).earliest(true);
                // The only errors are those of bytes at which it was told to stop: there are none.
                dfa.try_search_fwd(&input).is_ok_and(|found| found.is_some())
            }
        }
    }
}
