use serde::{Deserialize, Serialize};

use crate::{Policy, PolicyError};

/// A [`Policy`] as plain values: what a configuration says, and what one process hands on to another.
///
/// Every field means what the method of [`Policy`] named after it says; what is left out has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyTerms {
    /// See [`Policy::with_prefix`].
    pub prefix: String,
    /// See [`Policy::with_origin`].
    pub origin: Option<String>,
    /// See [`Policy::with_pages`].
    pub pages: bool,
    /// See [`Policy::with_nonce`].
    pub nonce: bool,
    /// See [`Policy::with_recompress`].
    pub recompress: bool,
    /// See [`Policy::with_sizes`].
    pub min_size: u64,
    /// See [`Policy::with_sizes`].
    pub max_size: u64,
    /// See [`Policy::with_types`]; none: the default types.
    pub types: Vec<String>,
    /// See [`Policy::with_public`].
    pub public: Vec<String>,
    /// See [`Policy::with_exclude`].
    pub exclude: Vec<String>,
    /// See [`Policy::with_immutable`].
    pub immutable: Vec<String>,
    /// See [`Policy::with_queries`].
    pub queries: Vec<String>,
}

impl Default for PolicyTerms {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            prefix: policy.prefix().to_owned(),
            origin: None,
            pages: policy.pages(),
            nonce: policy.nonce(),
            recompress: policy.recompress(),
            min_size: policy.min_size(),
            max_size: policy.max_size(),
            types: Vec::new(),
            public: Vec::new(),
            exclude: Vec::new(),
            immutable: Vec::new(),
            queries: Vec::new(),
        }
    }
}

impl PolicyTerms {
    /// The policy of these terms.
    ///
    /// # Errors
    /// The first that is refused.
    pub fn check(&self) -> Result<Policy, PolicyError> {
        let mut policy = Policy::default()
            .with_pages(self.pages)
            .with_nonce(self.nonce)
            .with_recompress(self.recompress)
            .with_prefix(&self.prefix)?
            .with_sizes(self.min_size, self.max_size)?
            .with_public(&self.public)?
            .with_exclude(&self.exclude)?
            .with_immutable(&self.immutable)?
            .with_queries(&self.queries)?;
        if let Some(origin) = &self.origin {
            policy = policy.with_origin(origin)?;
        }
        if !self.types.is_empty() {
            policy = policy.with_types(&self.types)?;
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_terms_at_all_are_the_default_policy() {
        let terms: PolicyTerms = serde_json::from_str("{}").unwrap();
        assert_eq!(terms, PolicyTerms::default());
        assert_eq!(
            format!("{:?}", terms.check()),
            format!("{:?}", Ok::<_, PolicyError>(Policy::default()))
        );
    }

    #[test]
    fn terms_that_contradict_themselves_are_refused() {
        for terms in [
            PolicyTerms { prefix: "x".to_owned(), ..PolicyTerms::default() },
            PolicyTerms { origin: Some("example.org".to_owned()), ..PolicyTerms::default() },
            PolicyTerms { min_size: 2, max_size: 1, ..PolicyTerms::default() },
            PolicyTerms { types: vec!["text/html".to_owned()], ..PolicyTerms::default() },
            PolicyTerms { queries: vec!["token".to_owned()], ..PolicyTerms::default() },
        ] {
            assert!(terms.check().is_err(), "{terms:?}");
        }
    }
}
