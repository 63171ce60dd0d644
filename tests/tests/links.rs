//! Every relative link in what people read leads to something that is there.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Where `[text](this)` leads, outside of fenced code.
fn links(markdown: &str) -> Vec<&str> {
    let mut code = false;
    let lines = markdown.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    let links = lines.flat_map(|line| line.split("](").skip(1));
    links.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect()
}

/// The file or folder of a link; `None` where it leads out of the tree, or to a place in the same file.
fn target(link: &str) -> Option<&str> {
    let path = link.split('#').next().unwrap_or_default();
    (!path.is_empty() && !path.contains("://") && !path.starts_with("mailto:")).then_some(path)
}

fn pages(root: &Path) -> Vec<PathBuf> {
    let mut pages = vec![root.join("tests/bench/README.md")];
    for folder in [root.to_owned(), root.join("docs")] {
        let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(found.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    pages.sort();
    pages
}

#[test]
fn relative_links_lead_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let (mut dead, mut checked) = (Vec::new(), 0);
    for page in pages(&root) {
        let text = fs::read_to_string(&page).unwrap();
        for path in links(&text).into_iter().filter_map(target) {
            checked += 1;
            let file = page.parent().unwrap().join(path).canonicalize();
            if !file.is_ok_and(|file| file.starts_with(&root)) {
                dead.push(format!("{}: {path}", page.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
    assert!(checked > 20, "only {checked} links were found: the README alone has more");
}

#[test]
fn links_are_found_and_code_is_not_taken_for_them() {
    let text = "[a](b.md) and [`c`](d/e.rs#f), [g](https://h/i)\n```\n[no](link)\n```\n[j](#k)";
    assert_eq!(links(text), ["b.md", "d/e.rs#f", "https://h/i", "#k"]);
    let targets: Vec<_> = links(text).into_iter().filter_map(target).collect();
    assert_eq!(targets, ["b.md", "d/e.rs"]);
}
