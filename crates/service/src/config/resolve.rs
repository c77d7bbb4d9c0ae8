//! How assignments become a configuration: each finds its setting, whatever it is called there, and
//! the whole is checked.

use std::collections::BTreeMap;

use super::error::place;
use super::spelling::capitals;
use super::{
    Assignment, ConfigError, Elsewhere, Invalid, Loaded, Origin, Setting, Settings, environment,
    flag, nearest,
};

/// In the place of a reason that would show a part of a secret.
const SECRET_REFUSED: &str = "not a value that this setting takes (it is secret and not shown)";

impl<C: Default + Clone> Settings<C> {
    /// The settings whose values differ, by name.
    pub fn differences(&self, one: &C, other: &C) -> Vec<&'static str> {
        let (mut one, mut other) = (one.clone(), other.clone());
        let differs =
            |row: &&Setting<C>| (row.field)(&mut one).toml() != (row.field)(&mut other).toml();
        self.table.iter().filter(differs).map(|row| row.name).collect()
    }

    /// Applies `layers` to `defaults` one after the other, and checks the outcome.
    pub(super) fn resolve(
        &self,
        defaults: C,
        layers: Vec<Assignment>,
    ) -> Result<Loaded<C>, ConfigError> {
        let mut loaded = Loaded {
            config: defaults,
            origins: BTreeMap::new(),
            files: Vec::new(),
            sections: Vec::new(),
            notes: Vec::new(),
        };
        let mut layer_of = BTreeMap::new();
        for assignment in layers {
            let layer = assignment.layer();
            let setting = self.apply(&mut loaded, assignment, |setting| {
                layer.is_some() && layer_of.get(setting) == Some(&layer)
            })?;
            layer_of.insert(setting, layer);
        }
        (self.check)(&loaded.config).map_err(|Invalid { setting, reason }| ConfigError::Bad {
            name: setting.to_owned(),
            origin: loaded.origin(setting).clone(),
            reason,
        })?;
        Ok(loaded)
    }

    /// Sets one value, and says which setting it was. `twice`: whether the same layer has set it.
    fn apply(
        &self,
        loaded: &mut Loaded<C>,
        new: Assignment,
        twice: impl Fn(&str) -> bool,
    ) -> Result<&'static str, ConfigError> {
        let elsewhere = self.elsewhere(&mut loaded.config, &new);
        let (setting, values) = match (self.find(&new.name), &elsewhere) {
            (Some(setting), _) => (setting, new.values),
            (None, Some((setting, _))) => (*setting, Vec::new()),
            (None, None) => match self.secret_named_by(&new)? {
                Some((setting, text)) => (setting, vec![text]),
                None => return Err(self.unknown(&new.name, new.origin)),
            },
        };
        if twice(setting.name) {
            return Err(again(setting.name, loaded.origin(setting.name), new.origin));
        }
        let set = match elsewhere {
            Some((_, set)) => set,
            None => {
                (setting.field)(&mut loaded.config).set(&values).map_err(|reason| {
                    match setting.secret {
                        true => SECRET_REFUSED.into(),
                        false => reason,
                    }
                })
            }
        };
        if let Err(reason) = set {
            let name = setting.name.to_owned();
            return Err(ConfigError::Bad { name, origin: new.origin, reason });
        }
        loaded.origins.insert(setting.name, new.origin);
        Ok(setting.name)
    }

    /// For a name such as `password_file`: the setting that is kept elsewhere, now told where.
    fn elsewhere(
        &self,
        config: &mut C,
        new: &Assignment,
    ) -> Option<(&'static Setting<C>, Result<(), String>)> {
        if self.find(&new.name).is_some() {
            return None;
        }
        let (name, place) = Elsewhere::of(&new.name)?;
        let setting = self.find(name)?;
        let [at] = new.values.as_slice() else { return None };
        Some((setting, (setting.field)(config).refer(place, at)?))
    }

    /// For a variable `…_FILE` of a setting that holds a secret: the setting, and the file's text.
    fn secret_named_by(
        &self,
        new: &Assignment,
    ) -> Result<Option<(&'static Setting<C>, String)>, ConfigError> {
        let (Origin::Environment(_), [path]) = (&new.origin, new.values.as_slice()) else {
            return Ok(None);
        };
        let setting = new.name.strip_suffix("_file").and_then(|name| self.find(name));
        match setting.filter(|setting| self.takes_file(setting)) {
            Some(setting) => Ok(Some((setting, environment::secret_file(path)?))),
            None => Ok(None),
        }
    }

    /// Whether a variable `…_FILE` may name a file with the value.
    pub(super) fn takes_file(&self, setting: &Setting<C>) -> bool {
        setting.secret || (setting.field)(&mut C::default()).may_hold_password()
    }

    pub(super) fn find(&self, name: &str) -> Option<&'static Setting<C>> {
        match self.spelling.rows(self.table, name).as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The refusal of `name`, with the nearest name spelled as the layer spells names.
    pub(super) fn unknown(&self, name: &str, origin: Origin) -> ConfigError {
        let spell = |found: &str| match &origin {
            Origin::Environment(variable) => {
                let prefix = variable.len().saturating_sub(name.len());
                format!("{}{}", &variable[..prefix], capitals(found))
            }
            Origin::Flag(_) => flag(found),
            _ => found.to_owned(),
        };
        let rows = self.spelling.rows(self.table, name);
        let nearest = match rows.as_slice() {
            [] => self.nearest(name).map(spell),
            several => {
                let names: Vec<String> = several.iter().map(|row| spell(row.name)).collect();
                Some(names.join(" or "))
            }
        };
        let page = self.spelling.page;
        ConfigError::Unknown { name: spell(name), nearest, page, origin }
    }

    /// The name that `name` was probably meant to be; a short form if that is what was tried.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let dashes = name.replace('_', "-");
        let name = if self.spelling.loose { &*dashes } else { name };
        let shorts = || {
            let rows = self.table.iter().filter_map(|row| self.spelling.short(row.name));
            rows.filter(|short| self.find(short).is_some())
        };
        match self.spelling.short(name) {
            // The first part says nothing, and may be the wrong one.
            Some(rest) => self.find(nearest(rest, shorts())?).map(|row| row.name),
            None => nearest(name, self.table.iter().map(|row| row.name).chain(shorts())),
        }
    }
}

/// The refusal of a setting that one file, or one kind of variables, sets twice.
fn again(name: &'static str, first: &Origin, second: Origin) -> ConfigError {
    match (first, second) {
        (Origin::File { line: first, .. }, Origin::File { path, line }) => ConfigError::Syntax {
            path,
            line,
            reason: format!("{name} is already set in line {first}"),
        },
        (first, origin) => {
            let reason = format!("the same setting as {}: keep one of them", place(first, name));
            ConfigError::Bad { name: name.to_owned(), origin, reason }
        }
    }
}
