//! What the directives of one level say, as written: `http`, `server` or `location`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use manyhands_metainfo::AssetPath;
use manyhands_page::Policy;

use crate::Directives;

/// What the directives of one level say; `None` where they say nothing.
#[derive(Debug, Default)]
pub struct Values {
    /// `manyhands`
    pub on: Option<bool>,
    /// `manyhands_state`
    pub state: Option<Rc<PathBuf>>,
    /// `manyhands_daemon`, with `unix:` in front.
    pub daemon: Option<Rc<str>>,
    /// `manyhands_prefix`, without a slash at its end.
    pub prefix: Option<Rc<str>>,
    /// `manyhands_min_size`, in bytes.
    pub min_size: Option<u64>,
    /// `manyhands_max_size`, in bytes.
    pub max_size: Option<u64>,
    /// `manyhands_types`
    pub types: Option<Rc<[String]>>,
    /// `manyhands_preload`
    pub preload: Option<Rc<[AssetPath]>>,
    /// `manyhands_site`
    pub site: Option<Rc<str>>,
    /// `manyhands_consent`
    pub consent: Option<Consent>,
    /// `manyhands_experiment`
    pub experiment: Option<bool>,
    /// `manyhands_inject`
    pub inject: Option<bool>,
    /// `manyhands_suffixes`
    pub suffixes: Option<bool>,
}

/// How visitors are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Before anything is shared.
    Ask,
    /// They are told.
    Notice,
    /// The site asks itself.
    External,
}

impl Values {
    /// Takes from the outer level what this one leaves open.
    pub fn inherit(&mut self, outer: &Self) {
        fn fill<T: Clone>(value: &mut Option<T>, outer: &Option<T>) {
            if value.is_none() {
                value.clone_from(outer);
            }
        }
        fill(&mut self.on, &outer.on);
        fill(&mut self.state, &outer.state);
        fill(&mut self.daemon, &outer.daemon);
        fill(&mut self.prefix, &outer.prefix);
        fill(&mut self.min_size, &outer.min_size);
        fill(&mut self.max_size, &outer.max_size);
        fill(&mut self.types, &outer.types);
        fill(&mut self.preload, &outer.preload);
        fill(&mut self.site, &outer.site);
        fill(&mut self.consent, &outer.consent);
        fill(&mut self.experiment, &outer.experiment);
        fill(&mut self.inject, &outer.inject);
        fill(&mut self.suffixes, &outer.suffixes);
    }

    /// What they say to whoever decides.
    #[must_use]
    pub fn directives(&self) -> Directives {
        Directives {
            site: self.site.clone(),
            prefix: self.prefix.clone(),
            min_size: self.min_size,
            max_size: self.max_size,
            types: self.types.clone(),
            preload: self.preload.clone(),
            suffixes: self.suffixes,
            inject_off: self.inject == Some(false),
            experiment_off: self.experiment == Some(false),
        }
    }

    /// Takes a directive.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn set(&mut self, name: &str, arguments: &[&str]) -> Result<(), String> {
        let only = arguments.first().copied().unwrap_or_default();
        match name {
            "manyhands" => once(&mut self.on, flag(only)),
            "manyhands_state" => once(&mut self.state, directory(only)),
            "manyhands_daemon" => once(&mut self.daemon, socket(only)),
            "manyhands_prefix" => once(&mut self.prefix, prefix(only)),
            "manyhands_min_size" => once(&mut self.min_size, size(only)),
            "manyhands_max_size" => once(&mut self.max_size, size(only)),
            "manyhands_types" => once(&mut self.types, types(arguments)),
            "manyhands_preload" => once(&mut self.preload, preload(arguments)),
            "manyhands_site" => once(&mut self.site, site(only)),
            "manyhands_consent" => once(&mut self.consent, Consent::parse(only)),
            "manyhands_experiment" => once(&mut self.experiment, flag(only)),
            "manyhands_inject" => once(&mut self.inject, flag(only)),
            "manyhands_suffixes" => once(&mut self.suffixes, flag(only)),
            _ => Err("is not a directive of this module".to_owned()),
        }
    }
}

impl Consent {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "ask" => Ok(Self::Ask),
            "notice" => Ok(Self::Notice),
            "external" => Ok(Self::External),
            _ => Err(format!(
                "\"{text}\" is no way of asking visitors; write \"ask\", \"notice\" or \"external\""
            )),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Notice => "notice",
            Self::External => "external",
        }
    }
}

fn once<T>(value: &mut Option<T>, parsed: Result<T, String>) -> Result<(), String> {
    if value.is_some() {
        return Err("it is there twice at this level; take one out".to_owned());
    }
    *value = Some(parsed?);
    Ok(())
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("\"{text}\" is neither on nor off; write \"on\" or \"off\"")),
    }
}

/// Bytes, with nginx's units.
fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    number
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| {
            format!("\"{text}\" is no size; write bytes, or a number with k, m or g behind it")
        })
}

fn directory(text: &str) -> Result<Rc<PathBuf>, String> {
    if text.is_empty() {
        return Err("the directory has no name; write the sidecar's [state] dir".to_owned());
    }
    Ok(Rc::new(PathBuf::from(text)))
}

/// What `sockaddr_un` holds, less its closing zero.
const LONGEST_SOCKET: usize = 107;

fn socket(text: &str) -> Result<Rc<str>, String> {
    let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) else {
        return Err(format!(
            "\"{text}\" is no unix socket; write unix: and the absolute path that `manyhands sidecar --socket` has"
        ));
    };
    if path.contains(':') {
        return Err(format!(
            "nginx ends the path of a unix socket at a colon, and \"{path}\" has one; move the socket"
        ));
    }
    // The reports go to a neighbour with a longer name.
    let neighbour = manyhands_bridge::events_socket(Path::new(path)).as_os_str().len();
    if neighbour > LONGEST_SOCKET {
        let longest = LONGEST_SOCKET - (neighbour - path.len());
        return Err(format!(
            "the path of a unix socket has at most {longest} bytes here, and \"{path}\" has {}; move the socket",
            path.len()
        ));
    }
    Ok(text.into())
}

fn prefix(text: &str) -> Result<Rc<str>, String> {
    Policy::default().with_prefix(text).map(|policy| policy.prefix().into()).map_err(|error| {
        format!("{error}; write it like /.well-known/manyhands, as in the include")
    })
}

fn site(text: &str) -> Result<Rc<str>, String> {
    Policy::default()
        .with_origin(text)
        .map(|_| text.into())
        .map_err(|error| format!("{error}; write what visitors' browsers show, without a path"))
}

fn types(arguments: &[&str]) -> Result<Rc<[String]>, String> {
    Policy::default()
        .with_types(arguments)
        .map(|_| arguments.iter().map(|&text| text.to_owned()).collect())
        .map_err(|error| {
            format!("{error}; take it out of the list, or write it like video/mp4 or video/*")
        })
}

fn preload(arguments: &[&str]) -> Result<Rc<[AssetPath]>, String> {
    arguments
        .iter()
        .map(|text| {
            let path = AssetPath::parse(text).ok().filter(|path| !path.is_directory());
            path.ok_or_else(|| {
                format!("\"{text}\" is not the path of a file; write it as in a URL, like /pub/big%20file.zip")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_units_of_nginx() {
        for (text, bytes) in [("0", 0), ("10", 10), ("2k", 2_048), ("3M", 3 << 20), ("4g", 4 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "k", "-1", "1.5m", "+1", "1t", "99999999999999999999", "17179869184g", "é"]
        {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_level_keeps_what_it_says_and_inherits_the_rest() {
        let mut outer = Values::default();
        outer.set("manyhands_min_size", &["1k"]).unwrap();
        outer.set("manyhands_inject", &["off"]).unwrap();
        let mut inner = Values::default();
        inner.set("manyhands_inject", &["on"]).unwrap();
        inner.inherit(&outer);
        assert_eq!((inner.inject, inner.min_size, inner.suffixes), (Some(true), Some(1_024), None));
    }

    #[test]
    fn a_socket_leaves_room_for_its_neighbour() {
        let path = |length: usize| format!("unix:/{}", "a".repeat(length - 1));
        assert!(socket(&path(100)).is_ok());
        assert!(socket(&path(101)).is_err());
        for bad in ["", "/a", "unix:", "unix:a", "unix:/a:/b", "http://a"] {
            assert!(socket(bad).is_err(), "{bad}");
        }
    }
}
