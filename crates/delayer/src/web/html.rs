//! HTML in which only what is written in this program is markup: everything else is escaped.

use std::fmt::{Display, Write};

/// A page as it grows.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Appends markup.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Appends text, for elements and for attributes in double quotes.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Html {
        write!(Escaping(&mut self.0), "{text}").expect("a string takes any text");
        self
    }

    /// A row of a table: what it is, and the value.
    pub(super) fn row(&mut self, head: &str, value: impl Display) -> &mut Html {
        self.raw("<tr><th scope=row>").text(head).raw("</th><td>").text(value).raw("</td></tr>\n")
    }

    /// The finished page.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}
