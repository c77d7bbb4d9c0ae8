//! The headers of a message: those that mean something to us, by name.

use std::fmt;

use super::grammar::{BLANKS, Party, decimal, is_token};
use super::parse::{Lines, ParseError};
use super::via::Via;

/// The most headers of a message, whether they mean something to us or not.
pub const HEADERS_MAX: usize = 64;

/// A header that means something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Name {
    /// The way that the reply goes back.
    Via,
    /// Who sends it.
    From,
    /// To whom.
    To,
    /// Together with the tags: which call, here message, it belongs to.
    CallId,
    /// Number and method.
    CSeq,
    /// How long the body is.
    ContentLength,
    /// What the body is.
    ContentType,
    /// How many hops are left.
    MaxForwards,
    /// The program that asks.
    UserAgent,
    /// The program that answers.
    Server,
}

/// A row of the table of headers.
struct Row {
    name: Name,
    /// As RFC 3261 20 writes it.
    long: &'static str,
    /// The compact form (RFC 3261 7.3.3).
    compact: Option<&'static str>,
    /// Whether there may be several.
    repeats: bool,
    /// Whether a message without it is none: it could not be answered.
    needed: bool,
}

const fn row(
    name: Name,
    long: &'static str,
    compact: Option<&'static str>,
    repeats: bool,
    needed: bool,
) -> Row {
    Row { name, long, compact, repeats, needed }
}

/// In the order of [`Name`].
const ROWS: [Row; 10] = [
    row(Name::Via, "Via", Some("v"), true, true),
    row(Name::From, "From", Some("f"), false, true),
    row(Name::To, "To", Some("t"), false, true),
    row(Name::CallId, "Call-ID", Some("i"), false, true),
    row(Name::CSeq, "CSeq", None, false, true),
    row(Name::ContentLength, "Content-Length", Some("l"), false, false),
    row(Name::ContentType, "Content-Type", Some("c"), false, false),
    row(Name::MaxForwards, "Max-Forwards", None, false, false),
    row(Name::UserAgent, "User-Agent", None, true, false),
    row(Name::Server, "Server", None, true, false),
];

impl Name {
    /// The header of this name, in either form and any letter case.
    pub(crate) fn parse(text: &str) -> Option<Name> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        ROWS.iter().find(|row| is(row.long) || row.compact.is_some_and(is)).map(|row| row.name)
    }

    /// The headers without which a message cannot be answered.
    pub(crate) fn needed() -> impl Iterator<Item = Name> {
        ROWS.iter().filter(|row| row.needed).map(|row| row.name)
    }

    /// Whether there may be several of it.
    pub(crate) fn repeats(self) -> bool {
        ROWS[self as usize].repeats
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ROWS[*self as usize].long)
    }
}

/// Where a header's value is in the head.
#[derive(Clone, Copy)]
struct Field {
    name: Name,
    start: u16,
    end: u16,
}

/// The headers of a message that mean something to us. Always a Via that can be read, a `From`, a
/// `To`, a `Call-ID` and a `CSeq`; what these say may be wrong, see [`super::Request::fault`].
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    /// The lines after the first; at most [`super::parse::HEAD_BYTES_MAX`], which 16 bits count.
    head: &'a str,
    fields: [Field; HEADERS_MAX],
    count: usize,
    via: Via<'a>,
}

impl<'a> Headers<'a> {
    /// Reads the lines after the first, and says what is wrong although it can be answered.
    pub(super) fn read(
        mut lines: Lines<'a>,
    ) -> Result<(Headers<'a>, Option<ParseError>), ParseError> {
        let head = lines.rest();
        let mut fields = [Field { name: Name::Via, start: 0, end: 0 }; HEADERS_MAX];
        let mut count = 0;
        let mut known = 0_u16;
        let mut fault = None;
        let mut top = None;
        for number in 0.. {
            let start = head.len() - lines.rest().len();
            let Some(line) = lines.next() else { break };
            if number == HEADERS_MAX {
                return Err(ParseError::TooManyHeaders);
            }
            let Some((name, value)) = split_line(line) else {
                fault = fault.or(Some(ParseError::NoHeader { line: number + 2 }));
                continue;
            };
            let Some(name) = Name::parse(name) else { continue };
            let bit = 1 << name as u16;
            if known & bit != 0 && !name.repeats() {
                fault = fault.or(Some(ParseError::Repeated(name)));
            }
            known |= bit;
            if name == Name::Via && top.is_none() {
                top = Some(value);
            }
            let end = start + line.len();
            fields[count] = Field { name, start: (end - value.len()) as u16, end: end as u16 };
            count += 1;
        }
        if let Some(missing) = Name::needed().find(|&name| known & (1 << name as u16) == 0) {
            return Err(ParseError::Missing(missing));
        }
        let via = top.and_then(Via::parse).ok_or(ParseError::Bad(Name::Via))?;
        Ok((Headers { head, fields, count, via }, fault))
    }

    /// The values of all headers of a name, from the top, as they were written: folds are in them
    /// (see [`super::grammar`]).
    pub fn all(&self, name: Name) -> impl Iterator<Item = &'a str> {
        let head = self.head;
        let fields = self.fields[..self.count].iter().filter(move |field| field.name == name);
        fields.map(move |field| &head[usize::from(field.start)..usize::from(field.end)])
    }

    /// The first header of a name. That is the only one, except for Via; see [`Headers::all`].
    pub fn get(&self, name: Name) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The topmost Via: who sent this packet.
    pub fn via(&self) -> &Via<'a> {
        &self.via
    }

    /// The `Call-ID`.
    pub fn call_id(&self) -> &'a str {
        self.get(Name::CallId).unwrap_or_default()
    }

    /// The number and the method of `CSeq`.
    pub fn cseq(&self) -> Option<(u32, &'a str)> {
        let (number, method) = self.get(Name::CSeq)?.split_once(BLANKS)?;
        let method = method.trim_ascii_start();
        is_token(method).then_some((decimal(number)?, method))
    }

    /// How long the body is said to be; `None` when that is not said, or not understood.
    pub fn content_length(&self) -> Option<usize> {
        decimal(self.get(Name::ContentLength)?)
    }

    /// The URI of `From`.
    pub fn from_uri(&self) -> Option<&'a str> {
        self.party(Name::From).map(|party| party.uri)
    }

    /// Who `From` or `To` names.
    pub(crate) fn party(&self, name: Name) -> Option<Party<'a>> {
        Party::parse(self.get(name)?)
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |field: &Field| &self.head[usize::from(field.start)..usize::from(field.end)];
        let fields = &self.fields[..self.count];
        f.debug_map().entries(fields.iter().map(|field| (field.name, value(field)))).finish()
    }
}

/// Name and value of a header's line.
pub(super) fn split_line(line: &str) -> Option<(&str, &str)> {
    let colon = line.bytes().position(|byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let name = name.trim_ascii_end();
    is_token(name).then_some((name, value.trim_ascii_start()))
}
