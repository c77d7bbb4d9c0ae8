//! Regular expressions as administrators write them for RabbitMQ: permissions, policies, topic permissions.
//!
//! RabbitMQ's are Perl's. Most are also those of the `regex` crate, which matches in linear time; what it does not know
//! (looking ahead as in `^(?!amq\.)`, which stands in many a definitions file) is matched with backtracking, within bounds.
//! A brace that counts nothing is itself, as in Perl.

use std::borrow::Cow;
use std::rc::Rc;

use regex::Regex;

/// Steps of backtracking before an expression counts as not matching: names are at most 255 bytes long.
const STEPS_MAX: usize = 20_000;

/// A compiled expression; it matches anywhere in a text unless it anchors itself.
#[derive(Clone)]
pub struct Expression {
    source: Rc<str>,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Everything,
    Linear(Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

impl Expression {
    /// Compiles one. The error is the expression engine's sentence, on one line.
    pub fn new(source: &str) -> Result<Expression, String> {
        Ok(Expression { source: source.into(), engine: Engine::new(source)? })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether it matches somewhere in the text.
    #[inline]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.engine {
            Engine::Everything => true,
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Backtracking(regex) => regex.is_match(text).unwrap_or(false),
        }
    }
}

impl Engine {
    fn new(source: &str) -> Result<Engine, String> {
        if let "" | ".*" | "^.*$" | "^.*" | ".*$" | "^" | "$" = source {
            return Ok(Engine::Everything);
        }
        let source = literal_braces(source);
        let error = match Regex::new(&source) {
            Ok(regex) => return Ok(Engine::Linear(regex)),
            Err(error) => error,
        };
        let mut builder = fancy_regex::RegexBuilder::new(&source);
        match builder.backtrack_limit(STEPS_MAX).build() {
            Ok(regex) => Ok(Engine::Backtracking(Box::new(regex))),
            Err(_) => Err(last_line(&error.to_string())),
        }
    }
}

/// The engine draws the expression before it says what is wrong with it.
fn last_line(text: &str) -> String {
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().trim_start_matches("error: ").to_owned()
}

/// Escapes every opening brace that neither counts nor belongs to an escape such as `\x{e9}`.
fn literal_braces(source: &str) -> Cow<'_, str> {
    if !source.contains('{') {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len() + 4);
    let mut rest = source;
    while let Some(at) = rest.find(['\\', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let len = if rest.starts_with('{') {
            if !counts(rest) {
                out.push('\\');
            }
            1
        } else {
            escape_len(rest)
        };
        out.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether the text begins with `{3}`, `{3,}` or `{3,5}`.
fn counts(text: &str) -> bool {
    let Some((inner, _)) = text[1..].split_once('}') else { return false };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    !least.is_empty() && digits(least) && digits(most)
}

/// Bytes of the escape at the beginning of the text, with its braces.
fn escape_len(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    let Some((at, escaped)) = chars.next() else { return text.len() };
    let end = at + escaped.len_utf8();
    if !matches!(escaped, 'p' | 'P' | 'x' | 'o' | 'g' | 'k' | 'u' | 'N') {
        return end;
    }
    match text[end..].strip_prefix('{').and_then(|inner| inner.find('}')) {
        Some(close) => end + close + 2,
        None => end,
    }
}

#[cfg(test)]
mod tests;
