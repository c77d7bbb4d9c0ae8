//! The file layer: a TOML file and those of the directory beside it (`conf.d/*.toml`), or one file of lines, with the
//! line of every key.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    Assignment, ConfigError, FileKind, Origin, Part, Section, SectionKind, Spelling, lines, tidy,
};

/// A file larger than this is not a configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a file says.
#[derive(Default)]
pub(super) struct Contents {
    /// Settings of the daemon itself, by line.
    pub(super) assignments: Vec<Assignment>,
    /// Its sections, by line.
    pub(super) sections: Vec<Section>,
}

/// The files to read, in order: the named one or the first found, then, for TOML, those of the
/// directory beside it sorted by name. A named file must exist; one that is searched for need not.
pub(super) fn locate(
    spelling: &Spelling,
    named: Option<&Path>,
    search: &[PathBuf],
) -> Result<Vec<PathBuf>, ConfigError> {
    if let Some(path) = named {
        let directory = path.parent().unwrap_or(Path::new(""));
        let mut files = vec![path.to_owned()];
        files.extend(drop_ins(spelling, directory)?);
        return Ok(files);
    }
    for directory in search {
        let file = directory.join(spelling.file);
        if file.is_file() {
            let mut files = vec![tidy(&file)];
            files.extend(drop_ins(spelling, directory)?);
            return Ok(files);
        }
    }
    Ok(Vec::new())
}

fn drop_ins(spelling: &Spelling, directory: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if spelling.kind == FileKind::Lines {
        return Ok(Vec::new());
    }
    let folder = directory.join(spelling.drop_ins);
    let refused = |source| ConfigError::Read {
        what: "the directory of configuration files",
        path: tidy(&folder),
        source,
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(e) => return Err(refused(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(refused)?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(tidy(&path));
        }
    }
    files.sort();
    Ok(files)
}

/// Every key of the file at `path`, by line. Tables are flattened: `cert` in `[tls]` is `tls_cert`;
/// those of `kinds` are sections.
pub(super) fn read(
    path: &Path,
    kind: FileKind,
    kinds: &[SectionKind],
) -> Result<Contents, ConfigError> {
    let refused = |source| ConfigError::Read {
        what: "the configuration file",
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(refused)?.len() > FILE_BYTES_MAX {
        return Err(refused(std::io::Error::other("larger than 1 MiB")));
    }
    let text = fs::read_to_string(path).map_err(refused)?;
    if kind == FileKind::Lines {
        return Ok(Contents { assignments: lines::read(path, &text)?, sections: Vec::new() });
    }
    let mut reader = Reader { path, text: &text, found: Vec::new() };
    let mut table = DeTable::parse(&text).map_err(|e| {
        reader.syntax(e.span().map_or(0, |s| s.start), e.message().replace('\n', ", "))
    })?;
    let sections = reader.sections(table.get_mut(), kinds)?;
    reader.table("", table.get_ref())?;
    Ok(Contents { assignments: reader.finish()?, sections })
}

/// Walks a parsed file and gathers what it assigns.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    found: Vec<(usize, Assignment)>,
}

impl Reader<'_> {
    /// Takes the tables of `kinds` out of the file.
    fn sections(
        &mut self,
        file: &mut DeTable<'_>,
        kinds: &[SectionKind],
    ) -> Result<Vec<Section>, ConfigError> {
        let mut sections = Vec::new();
        for kind in kinds {
            let Some((key, value)) = file.remove_entry(kind.name) else { continue };
            let DeValue::Table(mut inside) = value.into_inner() else {
                return Err(self.unnamed(kind, key.span().start));
            };
            if !kind.is_named {
                sections.extend(self.own(kind, key.span().start, &inside)?);
                continue;
            }
            sections.extend(self.part(kind, key.span().start, &mut inside)?);
            for (name, value) in inside.iter() {
                let at = name.span().start;
                let DeValue::Table(inner) = value.get_ref() else {
                    return Err(self.unnamed(kind, at));
                };
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                if name.get_ref().is_empty() || !name.get_ref().chars().all(is_name) {
                    let reason = "a section's name is made of letters, digits, - and _";
                    return Err(self.syntax(at, reason.to_owned()));
                }
                sections.push(self.section(kind, name.get_ref(), at, inner)?);
            }
        }
        sections.sort_by_key(|(line, _)| *line);
        Ok(sections.into_iter().map(|(_, section)| section).collect())
    }

    /// Takes what is no section out of the table of `kind`, and reads it as the kind says.
    fn part(
        &mut self,
        kind: &SectionKind,
        at: usize,
        inside: &mut DeTable<'_>,
    ) -> Result<Option<(usize, Section)>, ConfigError> {
        if kind.part == Part::None {
            return Ok(None);
        }
        let mut own = DeTable::new();
        let is_own = |value: &Spanned<DeValue<'_>>| !matches!(value.get_ref(), DeValue::Table(_));
        let keys = inside.iter().filter(|(_, value)| is_own(value)).map(|(key, _)| key.clone());
        for key in keys.collect::<Vec<_>>() {
            own.extend(inside.remove_entry(&key));
        }
        if own.is_empty() && !inside.is_empty() {
            return Ok(None);
        }
        self.own(kind, at, &own)
    }

    /// What `[KIND]` itself says, as the kind's part has it.
    fn own(
        &mut self,
        kind: &SectionKind,
        at: usize,
        own: &DeTable<'_>,
    ) -> Result<Option<(usize, Section)>, ConfigError> {
        if kind.part == Part::Daemon {
            self.table("", own)?;
            return Ok(None);
        }
        self.section(kind, "", at, own).map(Some)
    }

    /// One section and its line.
    fn section(
        &self,
        kind: &SectionKind,
        name: &str,
        at: usize,
        inner: &DeTable<'_>,
    ) -> Result<(usize, Section), ConfigError> {
        let mut reader = Reader { path: self.path, text: self.text, found: Vec::new() };
        reader.table("", inner)?;
        let line = self.line(at);
        let origin = Origin::File { path: self.path.to_owned(), line };
        let assignments = reader.finish()?;
        Ok((line, Section { kind: kind.name, name: name.to_owned(), origin, assignments }))
    }

    fn unnamed(&self, kind: &SectionKind, at: usize) -> ConfigError {
        let wanted = if kind.is_named { "needs a name" } else { "is one table" };
        let reason = format!("{} {wanted}: write {} above its settings", kind.name, kind.head());
        self.syntax(at, reason)
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (key, value) in table.iter() {
            let name = format!("{prefix}{}", key.get_ref().replace('-', "_"));
            if let DeValue::Table(inner) = value.get_ref() {
                self.table(&format!("{name}_"), inner)?;
                continue;
            }
            let values = match value.get_ref() {
                DeValue::Array(items) => {
                    items.iter().map(|item| self.scalar(item)).collect::<Result<_, _>>()?
                }
                _ => vec![self.scalar(value)?],
            };
            let line = self.line(key.span().start);
            let origin = Origin::File { path: self.path.to_owned(), line };
            self.found.push((line, Assignment { name, values, origin }));
        }
        Ok(())
    }

    fn scalar(&self, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        Ok(match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(n) if n.radix() == 10 => n.as_str().to_owned(),
            DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) => n.to_string(),
                Err(_) => return Err(self.syntax(value.span().start, "number too large".into())),
            },
            DeValue::Float(n) => n.as_str().to_owned(),
            DeValue::Boolean(b) => b.to_string(),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let reason = "expected text, a number, true or false".to_owned();
                return Err(self.syntax(value.span().start, reason));
            }
        })
    }

    /// The assignments by line; refuses a name that two spellings set twice.
    fn finish(mut self) -> Result<Vec<Assignment>, ConfigError> {
        self.found.sort_by_key(|(line, _)| *line);
        for (i, (line, assignment)) in self.found.iter().enumerate() {
            let earlier = self.found[..i].iter().find(|(_, a)| a.name == assignment.name);
            if let Some((first, _)) = earlier {
                return Err(ConfigError::Syntax {
                    path: self.path.to_owned(),
                    line: *line,
                    reason: format!("{} is already set in line {first}", assignment.name),
                });
            }
        }
        Ok(self.found.into_iter().map(|(_, assignment)| assignment).collect())
    }

    fn syntax(&self, offset: usize, reason: String) -> ConfigError {
        ConfigError::Syntax { path: self.path.to_owned(), line: self.line(offset), reason }
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|b| **b == b'\n').count()
    }
}
