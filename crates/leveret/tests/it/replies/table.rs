//! The tables: rows of lines, parted by empty lines; a line that begins with `#` says what the next ones are about.
//!
//! ```text
//! queue q; queue q exclusive                       what a client does, see `script.rs`
//!   channel 405 50.10 RESOURCE_LOCKED - cannot …   what it hears
//!   rabbitmq channel 406 …                         what RabbitMQ 3.10.8 says instead
//!   because a later version does as we do          why that is so
//! ```

use std::path::Path;

/// A table of rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table {
    /// Of a user who may do everything.
    Anyone,
    /// Of a user with [`PERMISSIONS`].
    Limited,
}

/// What the user of [`Table::Limited`] may configure, write and read.
pub(super) const PERMISSIONS: [&str; 3] =
    ["^mine", "^(mine|w-|amq\\.default)", "^(mine|r-|amq\\.direct)"];

/// One refusal.
pub(super) struct Row {
    pub(super) does: String,
    pub(super) hears: String,
    /// What RabbitMQ says instead, and why.
    pub(super) rabbitmq: Option<(String, String)>,
}

impl Table {
    pub(super) const ALL: [Table; 2] = [Table::Anyone, Table::Limited];

    /// All rows.
    pub(super) fn rows(self) -> Vec<Row> {
        let file = match self {
            Table::Anyone => "anyone.txt",
            Table::Limited => "limited.txt",
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/replies").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let rows = lines.split(|line| line.trim().is_empty());
        rows.filter(|lines| !lines.is_empty()).map(Row::parse).collect()
    }
}

impl Row {
    fn parse(lines: &[&str]) -> Row {
        let mut words = lines.iter().map(|line| line.trim().to_owned());
        let (does, hears) = (words.next().unwrap(), words.next());
        let hears = hears.unwrap_or_else(|| panic!("{does}: what is heard?"));
        let rabbitmq = words.next().map(|other| {
            let other =
                other.strip_prefix("rabbitmq ").unwrap_or_else(|| panic!("{does}: {other}"));
            let why = words.next().and_then(|why| why.strip_prefix("because ").map(str::to_owned));
            (other.to_owned(), why.unwrap_or_else(|| panic!("{does}: because of what?")))
        });
        assert_eq!(words.next(), None, "{does}");
        Row { does, hears, rabbitmq }
    }
}
