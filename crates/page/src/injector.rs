//! Puts one script element into a page while the page streams by.
//!
//! `lol_html` tokenises the beginning of the page and says where a tag may stand; the bytes
//! themselves never pass through it. What goes out is the input, with the tag at one offset, so all
//! else is identical by construction, whatever the page's encoding.
//!
//! Proven places, found before any other content: right behind the first `<head …>` tag; in a page
//! without one, in front of the first element behind the doctype or `<html …>`. In both a parser
//! puts the script into the document's head, and the rest of the tree stays as it was.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use lol_html::errors::RewritingError;
use lol_html::html_content::{Comment, Doctype, TextChunk};
use lol_html::send::{
    DocumentContentHandlers, Element, ElementContentHandlers, HtmlRewriter, Settings,
};
use lol_html::{MemorySettings, Selector};

use crate::Reason;

/// A page whose place is not found within this many bytes goes out as it is.
const MAX_SEARCHED: usize = 64 * 1024;

/// What the tokeniser may hold. Enough for one token as long as the whole search, so that the outcome
/// depends on the bytes alone and not on how they were cut into chunks.
const MAX_MEMORY: usize = 4 * MAX_SEARCHED;

/// What became of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The tag was put in.
    Injected,
    /// The page already begins with our script (a deployment behind this one): untouched.
    AlreadyThere,
    /// No proven place was found: untouched.
    NoPlace,
}

impl Outcome {
    /// Why the page is untouched, for the same counters as a refusal by its head.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Injected => None,
            Self::AlreadyThere => Some(Reason::AlreadyTagged),
            Self::NoPlace => Some(Reason::NoPlace),
        }
    }
}

/// Puts a script element into a page, streaming.
///
/// Feed every chunk of the body to [`write`](Self::write) and then call [`end`](Self::end). Once
/// [`finished`](Self::finished), chunks may as well be sent on as they are. Holds back at most
/// 64 KiB, in practice what lies between two tags. Never fails and never panics: a page it cannot
/// make sense of comes out as it went in.
///
/// ```
/// use manyhands_page::{Injector, Outcome};
///
/// let mut injector = Injector::new("<script defer src=\"/l.js\"></script>");
/// let mut out = Vec::new();
/// injector.write(b"<!doctype html><html><he", &mut out);
/// injector.write(b"ad><title>Hello</title>", &mut out);
/// assert!(injector.finished());
/// injector.end(&mut out);
/// assert_eq!(
///     String::from_utf8(out).unwrap(),
///     "<!doctype html><html><head><script defer src=\"/l.js\"></script><title>Hello</title>"
/// );
/// assert_eq!(injector.outcome(), Some(Outcome::Injected));
/// ```
pub struct Injector {
    tag: String,
    state: State,
}

enum State {
    Searching(Box<Search>),
    Finished(Outcome),
}

impl Injector {
    /// `tag` is the whole script element ([`PageRewrite::tag`](crate::PageRewrite::tag)).
    pub fn new(tag: &str) -> Self {
        let source = attribute(tag, "src").unwrap_or_default();
        Self {
            tag: tag.to_owned(),
            state: State::Searching(Box::new(Search::new(source.to_owned()))),
        }
    }

    /// Takes a chunk of the page and appends to `out` what may be sent by now.
    pub fn write(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Finished(_) => out.extend_from_slice(chunk),
            State::Searching(search) => {
                let found = search.feed(chunk);
                self.proceed(found, out);
            }
        }
    }

    /// The page is complete: appends to `out` what was held back.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if let State::Searching(search) = &mut self.state {
            let found = search.end();
            self.proceed(Some(found), out);
        }
    }

    /// Whether the decision is made: from now on bytes go out as they come in.
    pub fn finished(&self) -> bool {
        matches!(self.state, State::Finished(_))
    }

    /// What became of the page; `None` until [`finished`](Self::finished).
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Finished(outcome) => Some(outcome),
            State::Searching(_) => None,
        }
    }

    fn proceed(&mut self, found: Option<Found>, out: &mut Vec<u8>) {
        let State::Searching(search) = &mut self.state else { return };
        let outcome = match found {
            None => {
                search.release(out);
                return;
            }
            Some(Found::Place(offset)) => match search.split(offset) {
                Some((before, after)) => {
                    out.extend_from_slice(before);
                    out.extend_from_slice(self.tag.as_bytes());
                    out.extend_from_slice(after);
                    Outcome::Injected
                }
                None => {
                    out.extend_from_slice(&search.held);
                    Outcome::NoPlace
                }
            },
            Some(Found::OurTag) => {
                out.extend_from_slice(&search.held);
                Outcome::AlreadyThere
            }
            Some(Found::Nothing) => {
                out.extend_from_slice(&search.held);
                Outcome::NoPlace
            }
        };
        self.state = State::Finished(outcome);
    }
}

impl std::fmt::Debug for Injector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Injector").field("outcome", &self.outcome()).finish_non_exhaustive()
    }
}

/// The value of an attribute in a tag of our own making.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// How a search ends. Travels out of the tokeniser as the error that stops it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the search is over")]
enum Found {
    /// The tag may stand at this offset of the page.
    Place(usize),
    /// The first element is our tag.
    OurTag,
    Nothing,
}

/// The search for a place, and the bytes that wait for its end.
struct Search {
    tokeniser: HtmlRewriter<'static, fn(&[u8])>,
    prologue: Arc<Prologue>,
    /// Bytes not sent yet: those from offset `released` on.
    held: Vec<u8>,
    released: usize,
    /// Bytes the tokeniser has been given.
    searched: usize,
}

impl Search {
    fn new(source: String) -> Self {
        let prologue = Arc::new(Prologue { source, ..Prologue::default() });
        Self {
            tokeniser: tokeniser(&prologue),
            prologue,
            held: Vec::new(),
            released: 0,
            searched: 0,
        }
    }

    fn feed(&mut self, chunk: &[u8]) -> Option<Found> {
        self.held.extend_from_slice(chunk);
        let budget = MAX_SEARCHED.saturating_sub(self.searched).min(chunk.len());
        let searched = chunk.get(..budget).unwrap_or_default();
        self.searched += searched.len();
        match self.tokeniser.write(searched) {
            Ok(()) if self.searched < MAX_SEARCHED => None,
            Ok(()) => Some(self.prologue.fallback()),
            Err(error) => Some(self.found(&error)),
        }
    }

    /// A page that ends without another element: a `<head>` was seen, or there is no place.
    fn end(&mut self) -> Found {
        let idle = HtmlRewriter::new(Settings::new_send(), discard as fn(&[u8]));
        match std::mem::replace(&mut self.tokeniser, idle).end() {
            Ok(()) => self.prologue.fallback(),
            Err(error) => self.found(&error),
        }
    }

    fn found(&self, error: &RewritingError) -> Found {
        match error {
            RewritingError::ContentHandlerError(stop) => {
                stop.downcast_ref().copied().unwrap_or(Found::Nothing)
            }
            // Out of memory: what was seen before still holds.
            _ => self.prologue.fallback(),
        }
    }

    /// Sends what lies before every place that may still be found.
    fn release(&mut self, out: &mut Vec<u8>) {
        let settled = self.prologue.head().unwrap_or(self.prologue.passed.load(Relaxed));
        let count = settled.saturating_sub(self.released).min(self.held.len());
        out.extend(self.held.drain(..count));
        self.released += count;
    }

    /// What is held, on both sides of an offset of the page.
    fn split(&self, offset: usize) -> Option<(&[u8], &[u8])> {
        self.held.split_at_checked(offset.checked_sub(self.released)?)
    }
}

fn discard(_: &[u8]) {}

/// What is known of a page's beginning; shared by the tokeniser's handlers.
#[derive(Default)]
struct Prologue {
    /// The `src` of our tag.
    source: String,
    /// A doctype or an `<html>` or `<head>` tag was seen: a document, not a fragment.
    document: AtomicBool,
    /// The offset behind the `<head>` tag; 0 until it was seen.
    head: AtomicUsize,
    /// The offset behind the last token.
    passed: AtomicUsize,
}

impl Prologue {
    fn head(&self) -> Option<usize> {
        match self.head.load(Relaxed) {
            0 => None,
            offset => Some(offset),
        }
    }

    /// Where the tag goes if nothing more is learnt.
    fn fallback(&self) -> Found {
        self.head().map_or(Found::Nothing, Found::Place)
    }

    fn doctype(&self, doctype: &Doctype<'_>) -> Result<(), Found> {
        if !doctype.name().is_some_and(|name| name.eq_ignore_ascii_case("html")) {
            return Err(self.fallback());
        }
        self.document.store(true, Relaxed);
        self.pass(doctype.source_location().bytes())
    }

    fn comment(&self, comment: &Comment<'_>) -> Result<(), Found> {
        self.pass(comment.source_location().bytes())
    }

    /// Text other than white space opens the body. A byte order mark is such text.
    fn text(&self, text: &TextChunk<'_>) -> Result<(), Found> {
        if !text.as_str().bytes().all(|byte| matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ')) {
            return Err(self.fallback());
        }
        self.pass(text.source_location().bytes())
    }

    fn element(&self, element: &Element<'_, '_>) -> Result<(), Found> {
        let place = element.source_location().bytes();
        if self.head().is_none() && self.passed.load(Relaxed) != place.start {
            return Err(Found::Nothing);
        }
        match (element.tag_name().as_str(), self.head()) {
            ("html", None) => {
                if element.attributes().iter().any(|attribute| is_amp(&attribute.name())) {
                    return Err(Found::Nothing);
                }
                self.document.store(true, Relaxed);
                self.pass(place)
            }
            ("head", None) => {
                self.head.store(place.end, Relaxed);
                self.pass(place)
            }
            ("script", _) if self.is_ours(element) => Err(Found::OurTag),
            (_, Some(head)) => Err(Found::Place(head)),
            (_, None) if self.document.load(Relaxed) => Err(Found::Place(place.start)),
            (_, None) => Err(Found::Nothing),
        }
    }

    fn is_ours(&self, element: &Element<'_, '_>) -> bool {
        element.get_attribute("src").is_some_and(|source| source == self.source)
    }

    /// Notes a token that may precede the place. Tokens must follow one another without a gap: what
    /// lies in one is an end tag, which no handler sees and which may have opened the body.
    fn pass(&self, token: Range<usize>) -> Result<(), Found> {
        if self.head().is_none() && self.passed.load(Relaxed) != token.start {
            return Err(Found::Nothing);
        }
        self.passed.store(token.end, Relaxed);
        Ok(())
    }
}

/// AMP documents are validated and admit no script but AMP's own: `<html amp>`, `<html ⚡4email>`.
fn is_amp(attribute: &str) -> bool {
    attribute == "amp" || attribute.starts_with("amp4") || attribute.starts_with('⚡')
}

fn tokeniser(prologue: &Arc<Prologue>) -> HtmlRewriter<'static, fn(&[u8])> {
    static EVERY_ELEMENT: LazyLock<Option<Selector>> = LazyLock::new(|| "*".parse().ok());

    let memory = MemorySettings::new().with_max_allowed_memory_usage(MAX_MEMORY);
    let (for_doctype, for_comment) = (Arc::clone(prologue), Arc::clone(prologue));
    let (for_text, for_element) = (Arc::clone(prologue), Arc::clone(prologue));
    let document = DocumentContentHandlers::default()
        .doctype(move |doctype: &mut Doctype<'_>| Ok(for_doctype.doctype(doctype)?))
        .comments(move |comment: &mut Comment<'_>| Ok(for_comment.comment(comment)?))
        .text(move |text: &mut TextChunk<'_>| Ok(for_text.text(text)?));
    let mut settings = Settings::new_send()
        .with_strict(false)
        .with_memory_settings(memory)
        .append_document_content_handler(document);
    if let Some(selector) = EVERY_ELEMENT.as_ref() {
        let element = ElementContentHandlers::default()
            .element(move |element: &mut Element<'_, '_>| Ok(for_element.element(element)?));
        settings = settings.append_element_content_handler((Cow::Borrowed(selector), element));
    }
    HtmlRewriter::new(settings, discard as fn(&[u8]))
}
