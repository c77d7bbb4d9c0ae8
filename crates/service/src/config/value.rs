//! The types that a setting's value can have, and how each reads and prints itself.

use std::path::PathBuf;
use std::time::Duration;

/// How many values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Exactly one.
    One,
    /// Any number: an array in the file, commas in a variable, a flag that may be repeated.
    List,
    /// True or false; the bare flag means true.
    Switch,
}

/// Where a value is kept that is not written down itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// In a file: the name with `_file`.
    File,
    /// In an environment variable: the name with `_env`.
    Environment,
}

impl Elsewhere {
    /// What `name` asks for beside a setting's own name, if it does.
    pub(super) fn of(name: &str) -> Option<(&str, Elsewhere)> {
        let file = name.strip_suffix("_file").map(|name| (name, Elsewhere::File));
        file.or_else(|| Some((name.strip_suffix("_env")?, Elsewhere::Environment)))
    }
}

/// A place in a configuration that a [`super::Setting`] reads and writes.
pub trait Field {
    /// Replaces the value by what the texts say, or says what was expected.
    fn set(&mut self, raw: &[String]) -> Result<(), String>;
    /// Takes the value from elsewhere, now or later; `None` when the type knows no such place.
    fn refer(&mut self, to: Elsewhere, at: &str) -> Option<Result<(), String>> {
        let _ = (to, at);
        None
    }
    /// The value as TOML; `None` when nothing is set.
    fn toml(&self) -> Option<String>;
    /// How many values it takes.
    fn shape(&self) -> Shape;
    /// Whether a value of this type may hold a password, so that `…_FILE` is offered.
    fn may_hold_password(&self) -> bool {
        false
    }
    /// Whether [`Field::toml`] leaves a password out, so that it cannot be read again.
    fn is_masked(&self) -> bool {
        false
    }
}

/// A single value; options and lists of it are [`Field`]s by themselves.
pub trait Scalar: Sized {
    /// Reads the text, or says what was expected, in lower case.
    fn parse(text: &str) -> Result<Self, String>;
    /// The value as TOML.
    fn toml(&self) -> String;
    /// Whether a bare flag means true.
    const SWITCH: bool = false;
    /// Whether the empty text is a value, so that an option of it is not unset by it.
    const MAY_BE_EMPTY: bool = false;
}

impl<T: Scalar> Field for T {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        let [one] = raw else {
            return Err(format!("expected one value, got {}", raw.len()));
        };
        *self = T::parse(one)?;
        Ok(())
    }

    fn toml(&self) -> Option<String> {
        Some(Scalar::toml(self))
    }

    fn shape(&self) -> Shape {
        if T::SWITCH { Shape::Switch } else { Shape::One }
    }
}

/// The empty text unsets the value, unless that is a value itself.
impl<T: Scalar> Field for Option<T> {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        *self = match raw {
            [] => None,
            [one] if one.is_empty() && !T::MAY_BE_EMPTY => None,
            [one] => Some(T::parse(one)?),
            _ => return Err(format!("expected one value, got {}", raw.len())),
        };
        Ok(())
    }

    fn toml(&self) -> Option<String> {
        self.as_ref().map(Scalar::toml)
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}

/// Every text may hold several items, parted by commas; the empty text holds none.
impl<T: Scalar> Field for Vec<T> {
    fn set(&mut self, raw: &[String]) -> Result<(), String> {
        let items = raw.iter().flat_map(|text| text.split(',')).map(str::trim);
        *self = items.filter(|item| !item.is_empty()).map(T::parse).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn toml(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(Scalar::toml).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn shape(&self) -> Shape {
        Shape::List
    }
}

/// A value that is one of a few words. They are read whatever their case, with `-` or `_`.
pub trait Word: Copy + PartialEq + 'static {
    /// Each value by its word, in the order in which they are listed.
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Word> Scalar for T {
    fn parse(text: &str) -> Result<Self, String> {
        word(text, T::WORDS)
    }

    fn toml(&self) -> String {
        let named = T::WORDS.iter().find(|(_, value)| value == self);
        quoted(named.expect("every value has a word").0)
    }
}

/// One of the words of `table`, whatever its case and whether `-` or `_` parts it.
pub fn word<T: Copy>(text: &str, table: &[(&str, T)]) -> Result<T, String> {
    let wanted = text.to_ascii_lowercase().replace('_', "-");
    table.iter().find(|(word, _)| *word == wanted).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = table.iter().map(|(word, _)| *word).collect();
        format!("expected one of {}, got {}", words.join(", "), quoted(text))
    })
}

/// `text` as a TOML basic string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Scalar for String {
    const MAY_BE_EMPTY: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn toml(&self) -> String {
        quoted(self)
    }
}

impl Scalar for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("expected a path".into()) } else { Ok(text.into()) }
    }

    fn toml(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Scalar for bool {
    const SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("expected true or false, got {}", quoted(text))),
        }
    }

    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Scalar for u16 {
    fn parse(text: &str) -> Result<Self, String> {
        whole(text, u64::from(u16::MAX)).map(|n| n as u16)
    }

    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Scalar for u32 {
    fn parse(text: &str) -> Result<Self, String> {
        whole(text, u64::from(u32::MAX)).map(|n| n as u32)
    }

    fn toml(&self) -> String {
        self.to_string()
    }
}

/// At most what TOML can write.
impl Scalar for u64 {
    fn parse(text: &str) -> Result<Self, String> {
        whole(text, i64::MAX as u64)
    }

    fn toml(&self) -> String {
        self.to_string()
    }
}

impl Scalar for f64 {
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        number.ok_or_else(|| format!("expected a number such as 0.5, got {}", quoted(text)))
    }

    fn toml(&self) -> String {
        format!("{self:?}")
    }
}

/// At most what 32 bits hold, so that a file means the same on every machine.
impl Scalar for usize {
    fn parse(text: &str) -> Result<Self, String> {
        whole(text, u64::from(u32::MAX)).map(|n| n as usize)
    }

    fn toml(&self) -> String {
        self.to_string()
    }
}

fn whole(text: &str, max: u64) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(n) if n <= max => Ok(n),
        _ => Err(format!("expected a whole number from 0 to {max}, got {}", quoted(text))),
    }
}

/// A number of bytes. Reads RabbitMQ's units: `kB MB GB TB` are powers of 1,000,
/// `k KiB M MiB G GiB T TiB` powers of 1,024; without a unit it is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(
    /// Bytes.
    pub u64,
);

/// Units by size, the one that is printed first.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

impl Size {
    fn unit(text: &str) -> Option<u64> {
        let full = match text.trim().to_ascii_lowercase().as_str() {
            "" | "b" => return Some(1),
            one @ ("k" | "m" | "g" | "t") => format!("{one}ib"),
            other => other.to_owned(),
        };
        SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&full)).map(|(_, n)| *n)
    }
}

impl Scalar for Size {
    fn parse(text: &str) -> Result<Self, String> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        digits
            .parse::<u64>()
            .ok()
            .zip(Size::unit(unit))
            .and_then(|(n, unit)| n.checked_mul(unit))
            .map(Size)
            .ok_or_else(|| {
                format!("expected a size such as \"64MiB\" or \"50MB\", got {}", quoted(text))
            })
    }

    /// The shortest exact form: 134217728 is `"128MiB"`, 50000000 is `"50MB"`.
    fn toml(&self) -> String {
        let exact =
            SIZE_UNITS.iter().filter(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit));
        match exact.min_by_key(|(_, unit)| self.0 / unit) {
            Some((name, unit)) => format!("\"{}{name}\"", self.0 / unit),
            None => self.0.to_string(),
        }
    }
}

/// Durations have a unit: `ms`, `s`, `m`, `h` or `d`; only zero may go without.
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Scalar for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let number = digits.parse::<u64>().ok();
        let factor = DURATION_UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, n)| *n);
        match (number, factor) {
            (Some(0), None) if unit.is_empty() => Some(0),
            (Some(n), Some(factor)) => n.checked_mul(factor),
            _ => None,
        }
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!("expected a duration such as \"10s\" or \"250ms\", got {}", quoted(text))
        })
    }

    fn toml(&self) -> String {
        let ms = self.as_millis() as u64;
        let exact = DURATION_UNITS.iter().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit));
        match exact {
            Some((name, unit)) => format!("\"{}{name}\"", ms / unit),
            None => "\"0s\"".into(),
        }
    }
}
