//! The tables: rows of lines, parted by empty lines; a line that begins with `#` says what the next ones are about.
//!
//! ```text
//! ctl add_user few few                             what an administrator does first, in words of `rabbitmqctl`
//! as few /                                         who the client is, and in which virtual host; else guest in /
//! undo delete_user few                             what an administrator does last
//!
//! queue q; queue q exclusive                       what a client does, see `script.rs`
//!   channel 405 50.10 RESOURCE_LOCKED - cannot …   what it hears
//!   rabbitmq channel 406 …                         what RabbitMQ 3.10.8 says instead
//!   because a later version does as we do          why that is so
//!   rabbitmq4 ok                                   what RabbitMQ 4.3 says, where that is neither of the two
//!   because nobody needs that any more
//! ```

use std::path::Path;

use crate::client::login::Login;
use crate::site::Site;

/// The files; the first one needs nothing special.
pub(super) const FILES: [&str; 3] = ["anyone.txt", "limited.txt", "confined.txt"];

/// One file.
#[derive(Default)]
pub(super) struct Table {
    before: Vec<String>,
    after: Vec<String>,
    login: Option<(String, String)>,
    pub(super) rows: Vec<Row>,
}

/// One refusal.
pub(super) struct Row {
    pub(super) does: String,
    pub(super) hears: String,
    /// What RabbitMQ 3.10.8 says instead, and why.
    pub(super) rabbitmq: Option<(String, String)>,
    /// What RabbitMQ 4.3 says instead, and why.
    pub(super) rabbitmq4: Option<(String, String)>,
}

impl Table {
    /// Reads a file.
    pub(super) fn read(file: &str) -> Table {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/replies").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut table = Table::default();
        let mut lines = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(' ') {
                Some(("ctl", words)) => table.before.push(words.to_owned()),
                Some(("undo", words)) => table.after.push(words.to_owned()),
                Some(("as", who)) => {
                    table.login = who.split_once(' ').map(|(u, v)| (u.to_owned(), v.to_owned()));
                }
                _ => lines.push(line),
            }
        }
        let rows = lines.split(|line| line.trim().is_empty());
        table.rows = rows.filter(|lines| !lines.is_empty()).map(Row::parse).collect();
        table
    }

    /// Lets `each` run every row as the table's user, between what the administrator does first and last.
    #[track_caller]
    pub(super) fn run(&self, site: &Site, mut each: impl FnMut(&Row, &Login)) {
        let ctl = |line: &String| site.ctl(&line.split(' ').collect::<Vec<_>>());
        self.before.iter().for_each(|line| drop(ctl(line)));
        let login = match &self.login {
            Some((user, vhost)) => Login { vhost: vhost.clone().leak(), ..Login::user(user, user) },
            None => Login::default(),
        };
        self.rows.iter().for_each(|row| each(row, &login));
        self.after.iter().for_each(|line| drop(ctl(line)));
    }
}

impl Row {
    fn parse(lines: &[&str]) -> Row {
        let mut words = lines.iter().map(|line| line.trim().to_owned());
        let (does, hears) = (words.next().unwrap(), words.next());
        let hears = hears.unwrap_or_else(|| panic!("{does}: what is heard?"));
        let mut row = Row { does, hears, rabbitmq: None, rabbitmq4: None };
        let does = &row.does;
        while let Some(other) = words.next() {
            let (who, other) = other.split_once(' ').unwrap_or_default();
            let why = words.next().and_then(|why| why.strip_prefix("because ").map(str::to_owned));
            let why = why.unwrap_or_else(|| panic!("{does}: because of what?"));
            let place = match who {
                "rabbitmq" => &mut row.rabbitmq,
                "rabbitmq4" => &mut row.rabbitmq4,
                _ => panic!("{does}: who is {who:?}?"),
            };
            assert_eq!(place.replace((other.to_owned(), why)), None, "{does}");
        }
        row
    }
}
