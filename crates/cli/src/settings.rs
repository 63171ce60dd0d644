//! Flags over environment over file over default, into one [`Config`].

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use manyhands::Config;
use toml::{Table, Value};

use crate::args::SettingsArgs;

const PREFIX: &str = "MANYHANDS_";
/// Variables with our prefix that are not fields.
const NOT_FIELDS: [&str; 1] = ["MANYHANDS_LOG"];

/// The annotated defaults, as `manyhands config default` prints them.
const DEFAULT: &str = include_str!("default.toml");

pub(crate) fn load(base: &Config, args: &SettingsArgs) -> anyhow::Result<Config> {
    let file = args.config.as_deref().map(read).transpose()?.unwrap_or_default();
    let config = with_flags(merge(base, file, std::env::vars())?, args);
    if let Some(path) = &args.config {
        checked(&config, path)?;
    }
    Ok(config)
}

/// The configuration that commands about a running site go by: environment over file over default.
pub(crate) fn of_file(path: Option<&Path>) -> anyhow::Result<Config> {
    let file = path.map(read).transpose()?.unwrap_or_default();
    let config = merge(&Config::default(), file, std::env::vars())?;
    if let Some(path) = path {
        checked(&config, path)?;
    }
    Ok(config)
}

/// Checks what a file has a part in, so that an error names the file, and the line where it has one. A
/// missing origin is found out later: on loopback the address listened on stands in for it.
fn checked(config: &Config, path: &Path) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.site.origin.get_or_insert_with(|| "http://127.0.0.1:8080".to_owned());
    config.check().map(drop).map_err(|error| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let place = path.display();
        match line_of(&text, error.section, error.field) {
            Some(line) => anyhow!("{place}:{line}: {error}"),
            None => anyhow!("{place}: {error}"),
        }
    })
}

/// The line of a field, counted from 1.
fn line_of(text: &str, section: &str, field: &str) -> Option<usize> {
    let mut within = false;
    text.lines()
        .position(|line| {
            let line = line.trim();
            if line.starts_with('[') {
                within = line.trim_matches(['[', ']', ' ']) == section;
            }
            within && line.split('=').next().is_some_and(|key| key.trim() == field)
        })
        .map(|at| at + 1)
}

pub(crate) fn print_default() -> anyhow::Result<()> {
    print!("{DEFAULT}");
    Ok(())
}

pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
    let config = merge(&Config::default(), read(file)?, std::env::vars())?;
    checked(&config, file)?;
    println!("{} is fine", file.display());
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))?;
    // Read as the struct first: only then an error knows its line.
    toml::from_str::<Config>(&text).map_err(|error| anyhow!("{}", locate(path, &text, &error)))?;
    text.parse().with_context(|| path.display().to_string())
}

/// `file:line: what is wrong`, on one line.
fn locate(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let problem = error.message().replace('\n', " ");
    let remedy = "see `manyhands config default` for every field";
    format!("{}:{line}: {problem}; {remedy}", path.display())
}

fn merge(
    base: &Config,
    file: Table,
    environment: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<Config> {
    let mut table = Table::try_from(base).context("the defaults have a TOML form")?;
    overlay(&mut table, file);
    for (name, text) in environment {
        let Some(field) = name.strip_prefix(PREFIX) else { continue };
        if NOT_FIELDS.contains(&name.as_str()) {
            continue;
        }
        let Some((section, field)) = field.split_once('_') else {
            bail!("{name} names no field; write it like MANYHANDS_SWARM_MIN_PREFIXES");
        };
        let mut one = Table::new();
        let mut fields = Table::new();
        fields.insert(field.to_ascii_lowercase(), value(&text));
        one.insert(section.to_ascii_lowercase(), Value::Table(fields));
        overlay(&mut table, one);
        let whole: Result<Config, _> = table.clone().try_into();
        whole.map_err(|error: toml::de::Error| {
            anyhow!("{name}: {}", error.message().replace('\n', " "))
        })?;
    }
    Ok(table.try_into()?)
}

/// A variable's text as TOML where it is TOML, else as a string: `10`, `true`, `["a"]`, `ask`.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn overlay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => overlay(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn with_flags(mut config: Config, args: &SettingsArgs) -> Config {
    if let Some(origin) = &args.origin {
        config.site.origin = Some(origin.clone());
    }
    if let Some(state) = &args.state {
        config.state.dir.clone_from(state);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(file: &str, environment: &[(&str, &str)]) -> anyhow::Result<Config> {
        let environment =
            environment.iter().map(|(name, text)| (name.to_string(), text.to_string()));
        merge(&Config::default(), file.parse()?, environment)
    }

    #[test]
    fn the_printed_defaults_are_the_defaults_and_name_every_field() {
        let printed: Config = toml::from_str(DEFAULT).unwrap();
        assert_eq!(printed, Config::default());
        // Fields that are unset by default have no value to compare: they stand there as comments.
        for (section, fields) in Table::try_from(Config::default()).unwrap() {
            let text = DEFAULT.split(&format!("[{section}]")).nth(1).unwrap();
            for field in fields.as_table().unwrap().keys() {
                assert!(text.contains(&format!("\n{field} = ")), "[{section}] {field}");
            }
        }
        for unset in ["# origin = ", "# host = ", "# salt = ", "# dir = "] {
            assert!(DEFAULT.contains(unset), "{unset}");
        }
    }

    #[test]
    fn the_environment_is_over_the_file_and_the_file_over_the_default() {
        let config = merged(
            "[swarm]\nmin_prefixes = 3\nlan = true",
            &[
                ("MANYHANDS_SWARM_MIN_PREFIXES", "5"),
                ("MANYHANDS_CONSENT_MODE", "notice"),
                ("HOME", "/"),
            ],
        )
        .unwrap();
        assert_eq!((config.swarm.min_prefixes, config.swarm.lan), (5, true));
        assert_eq!(config.consent.mode, manyhands::ConsentMode::Notice);
        assert_eq!(config.admission, Config::default().admission);
    }

    #[test]
    fn an_error_in_the_environment_names_the_variable() {
        for (name, text) in [
            ("MANYHANDS_SWARM_NOTHING", "1"),
            ("MANYHANDS_SWARM_LAN", "perhaps"),
            ("MANYHANDS_X", "1"),
        ] {
            let error = merged("", &[(name, text)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn an_error_in_a_file_names_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.toml");
        for (text, line) in
            [("[swarm]\n\nfloor = 3\n", 3), ("[swarm]\nlan = 3\n", 2), ("[swarm\n", 1)]
        {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("bad.toml:{line}: ")), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
