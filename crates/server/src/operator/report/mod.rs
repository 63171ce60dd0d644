//! The same figures for a terminal and for paper.

mod html;
mod text;

use manyhands_experiment::Analysis;

/// What sharing saved a site in a period: for whoever decides, or for the board.
///
/// [`text`](Self::text) has 80 columns and no escapes; [`html`](Self::html) is one page without anything from
/// elsewhere, to be opened, printed (A4) or sent. Both say the same, and neither has a figure where the analysis has
/// none.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    site: String,
    made: u64,
    analysis: Option<Analysis>,
}

impl Report {
    /// `site` is its name, such as `example.org`; `made` is now, in seconds since the epoch. Without an analysis (no
    /// experiment is configured, or none ran in the period) the report says that, and what to do.
    #[must_use]
    pub fn new(site: impl Into<String>, made: u64, analysis: Option<Analysis>) -> Self {
        Self { site: site.into(), made, analysis }
    }

    /// For a terminal: lines of at most 80 characters.
    #[must_use]
    pub fn text(&self) -> String {
        text::of(self)
    }

    /// For a browser and paper: a whole HTML document.
    #[must_use]
    pub fn html(&self) -> String {
        html::of(self).into_string()
    }
}
