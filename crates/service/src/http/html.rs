//! HTML in which only what is written in this program is markup: everything else is escaped.

use std::fmt::{Display, Write};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How all pages look, in the light and in the dark.
const STYLE: &str = "<style>
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 64rem; margin: 1rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 1.6rem; }
.state { font-size: 1.1rem; padding: .6rem .8rem; border-left: .4rem solid #2a8a3e; }
.wrong { border-color: #c62828; }
table { border-collapse: collapse; } th { text-align: left; font-weight: normal; opacity: .75; }
td, th { padding: .1rem .9rem .1rem 0; vertical-align: top; overflow-wrap: anywhere; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { color: #3b78c3; white-space: nowrap; letter-spacing: -.05em; }
form { display: inline; } button { font: inherit; }
</style>
";

/// A page as it grows.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Begins a page that needs no script. With `renew` a browser asks for that address, relative
    /// to the page's own, every 5 s.
    pub fn page(title: impl Display, heading: impl Display, renew: Option<&'static str>) -> Html {
        let mut html = Html::default();
        html.raw("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n");
        html.raw("<meta name=viewport content=\"width=device-width, initial-scale=1\">\n");
        if let Some(url) = renew {
            html.raw("<meta http-equiv=refresh content=\"5; url=").raw(url).raw("\">\n");
        }
        html.raw("<title>").text(title).raw("</title>\n").raw(STYLE);
        html.raw("</head><body>\n<h1>").text(heading).raw("</h1>\n");
        html
    }

    /// A page with one sentence that says why there is no other.
    pub fn notice(status: StatusCode, heading: impl Display, sentence: &str) -> Response {
        let state = status.canonical_reason().unwrap_or("refused");
        let mut html = Html::page(format_args!("{heading}: {state}"), &heading, None);
        html.raw("<p class=\"state wrong\">").text(sentence).raw(".</p>\n");
        html.answer(status)
    }

    /// Appends markup.
    pub fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Appends text, for elements and for attributes in double quotes.
    pub fn text(&mut self, text: impl Display) -> &mut Html {
        write!(Escaping(&mut self.0), "{text}").expect("a string takes any text");
        self
    }

    /// A row of a table: what it is, and the value.
    pub fn row(&mut self, head: &str, value: impl Display) -> &mut Html {
        self.raw("<tr><th scope=row>").text(head).raw("</th><td>").text(value).raw("</td></tr>\n")
    }

    /// The finished page as an answer.
    pub fn answer(mut self, status: StatusCode) -> Response {
        self.raw("</body></html>\n");
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, kind, self.0).into_response()
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
