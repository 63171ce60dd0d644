//! What the tag in a page costs: `bench-injection [ROUNDS]`. For a page of 100 KB and one of 1 MB, prints microseconds of CPU a page, the median of
//! interleaved rounds: the `Injector` until it is finished, which is when a host sends the rest on as it is; the `Injector` fed to the end, which
//! copies the rest; and `lol_html` over the whole document with the same insertion.

mod clock;

use std::error::Error;
use std::hint::black_box;

use lol_html::html_content::ContentType;
use lol_html::{HtmlRewriter, Settings, element};
use manyhands_page::Injector;

const TAG: &str = "<script defer src=\"/.well-known/manyhands/loader.js\"></script>";
/// As bodies arrive from a socket or a file.
const CHUNK: usize = 64 << 10;

type Measure = fn(&[u8], &mut Vec<u8>) -> Result<(), Box<dyn Error>>;

const MEASURES: [(&str, Measure); 3] = [
    ("injector", |page, out| {
        let mut injector = Injector::new(TAG);
        for chunk in page.chunks(CHUNK) {
            if injector.finished() {
                break;
            }
            injector.write(chunk, out);
        }
        Ok(())
    }),
    ("injector_copying", |page, out| {
        let mut injector = Injector::new(TAG);
        for chunk in page.chunks(CHUNK) {
            injector.write(chunk, out);
        }
        injector.end(out);
        Ok(())
    }),
    ("lol_html", |page, out| {
        let settings = Settings::new().append_element_content_handler(element!("head", |head| {
            head.prepend(TAG, ContentType::Html);
            Ok(())
        }));
        let mut rewriter = HtmlRewriter::new(settings, |chunk: &[u8]| out.extend_from_slice(chunk));
        for chunk in page.chunks(CHUNK) {
            rewriter.write(chunk)?;
        }
        rewriter.end()?;
        Ok(())
    }),
];

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = std::env::args().nth(1).map_or(Ok(15), |text| text.parse())?;
    for size in [100_000, 1_000_000] {
        let page = page(size);
        let mut times = MEASURES.map(|_| Vec::new());
        for _ in 0..rounds {
            for ((_, measure), times) in MEASURES.iter().zip(&mut times) {
                times.push(microseconds(*measure, &page)?);
            }
        }
        for ((name, _), times) in MEASURES.iter().zip(times) {
            println!("{name} {size} {:.2}", clock::median(times));
        }
    }
    Ok(())
}

/// A page's time, the mean of as many pages as make a span that the clock can tell.
fn microseconds(measure: Measure, page: &[u8]) -> Result<f64, Box<dyn Error>> {
    const PAGES: u32 = 50;
    let mut out = Vec::with_capacity(page.len() + 2 * TAG.len());
    let (result, time) = clock::cpu_time(|| {
        (0..PAGES).try_for_each(|_| {
            out.clear();
            measure(black_box(page), &mut out)
        })
    });
    result?;
    let tags = out.windows(TAG.len()).filter(|window| *window == TAG.as_bytes()).count();
    if tags != 1 {
        return Err(format!("the page has {tags} tags").into());
    }
    Ok(time.as_secs_f64() * 1e6 / f64::from(PAGES))
}

/// An article of paragraphs with links, lists and a table, about as dense in tags as a page of documentation.
fn page(size: usize) -> Vec<u8> {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>An article</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n\
         <body>\n",
    );
    let mut number = 0;
    while page.len() < size {
        number += 1;
        page.push_str(&format!(
            "<h2 id=\"section-{number}\">Section {number}</h2>\n<p>Some text with <a href=\"/page/{number}\">\
             a link</a>, <code>code</code> &amp; <em>emphasis</em>, long enough for two lines of a page \
             that somebody reads.</p>\n<ul><li>one</li><li class=\"second\">two</li></ul>\n\
             <table><tr><td>{number}</td><td>a cell</td></tr></table>\n"
        ));
    }
    page.push_str("</body>\n</html>\n");
    page.into_bytes()
}
