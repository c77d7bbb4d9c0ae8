//! Pieces of RFC 3261's grammar (section 25.1) that several headers share.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::str::FromStr;

/// The longest name of a peer, in bytes.
const PEER_BYTES_MAX: usize = 64;
/// The longest content type that we write, in bytes.
const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// What may stand between the parts of a header's value: blanks, and the line ends of folding.
/// (The form feed, which `trim_ascii` takes for one too, is refused with the other controls.)
pub(crate) const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Whether there is a blank.
pub(crate) fn has_blank(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_whitespace())
}

/// Whether it is a token: a method, a header's name, a branch.
pub(crate) fn is_token(text: &str) -> bool {
    let is_mark =
        |byte| matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}

/// A number as SIP writes it: digits, and no sign.
pub(crate) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether a peer can have this name: it goes unescaped into the user part of URIs.
pub fn is_peer(name: &str) -> bool {
    let is_mark = |byte| b"-_.!~*'()&=+$,".contains(&byte);
    (1..=PEER_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}

/// Whether this can be written as a `Content-Type`: one line of visible text, or nothing.
pub fn is_content_type(text: &str) -> bool {
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    text.len() <= CONTENT_TYPE_BYTES_MAX
        && text.trim_matches(' ') == text
        && text.bytes().all(is_visible)
}

/// Where this byte, which is ASCII, stands first outside of quoted strings.
pub(crate) fn find_unquoted(text: &str, wanted: u8) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.bytes().position(|byte| {
        if escaped {
            escaped = false;
        } else if byte == b'"' {
            quoted = !quoted;
        } else if quoted {
            escaped = byte == b'\\';
        } else {
            return byte == wanted;
        }
        false
    })
}

/// A parameter of a header's value.
pub(crate) struct Parameter<'a> {
    /// As it was written.
    pub(crate) name: &'a str,
    /// What follows the equals sign.
    pub(crate) value: Option<&'a str>,
    /// Where it ends, in bytes from the start of all parameters.
    pub(crate) end: usize,
}

impl Parameter<'_> {
    /// Whether it has this name; letter case does not matter.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The parameters in `;name=value;name`.
pub(crate) fn parameters(text: &str) -> impl Iterator<Item = Parameter<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start + 1..)?;
        let parameter = &rest[..find_unquoted(rest, b';').unwrap_or(rest.len())];
        let end = start + 1 + parameter.trim_ascii_end().len();
        start += 1 + parameter.len();
        let (name, value) = match find_unquoted(parameter, b'=') {
            Some(at) => (&parameter[..at], Some(parameter[at + 1..].trim_ascii())),
            None => (parameter, None),
        };
        Some(Parameter { name: name.trim_ascii(), value, end })
    })
}

/// Who a `From` or a `To` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party<'a> {
    /// The URI, without angle brackets.
    pub(crate) uri: &'a str,
    /// The `tag`, which tells transactions of the same two parties apart.
    pub(crate) tag: Option<&'a str>,
}

impl<'a> Party<'a> {
    /// Reads `"name" <uri>;parameters`, or `uri;parameters` (RFC 3261 20.10).
    pub(crate) fn parse(value: &'a str) -> Option<Party<'a>> {
        let (uri, rest) = match find_unquoted(value, b'<') {
            Some(open) => value[open + 1..].split_once('>')?,
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        let uri = uri.trim_ascii();
        let rest = rest.trim_ascii_start();
        let scheme = uri.split_once(':')?.0;
        if !is_token(scheme) || has_blank(uri) || !(rest.is_empty() || rest.starts_with(';')) {
            return None;
        }
        let tag = parameters(rest).find(|parameter| parameter.is("tag"));
        Some(Party { uri, tag: tag.and_then(|tag| tag.value) })
    }
}

/// The user part of a SIP URI, without a password.
pub(crate) fn user(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return None;
    }
    let (user, _) = rest.split_once('@')?;
    let user = user.split(':').next().unwrap_or_default();
    (!user.is_empty()).then_some(user)
}

/// The value on one line: each fold becomes a blank (RFC 3261 7.3.1).
pub(crate) fn unfolded(value: &str) -> Cow<'_, str> {
    if !value.contains('\n') {
        return Cow::Borrowed(value);
    }
    let lines: Vec<&str> = value.lines().map(|line| line.trim_ascii()).collect();
    Cow::Owned(lines.join(" "))
}
