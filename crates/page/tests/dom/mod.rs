//! Documents as a browser would see them: the tree that the HTML standard prescribes.

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use manyhands_page::Outcome;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// The tree as indented lines; adjacent texts are one. `skip` leaves out the first element that it
/// holds for.
fn lines(page: &[u8], skip: &mut dyn FnMut(&str) -> bool) -> Vec<String> {
    let mut options = ParseOpts::default();
    options.tree_builder.scripting_enabled = true;
    // It would drop one behind every script as well; a page that begins with one is never changed.
    options.tokenizer.discard_bom = false;
    let dom: RcDom = parse_document(RcDom::default(), options).from_utf8().one(page);
    let mut lines = Vec::new();
    describe(&dom.document, 0, skip, &mut lines);
    lines
}

fn describe(
    node: &Handle,
    depth: usize,
    skip: &mut dyn FnMut(&str) -> bool,
    lines: &mut Vec<String>,
) {
    let indent = " ".repeat(depth);
    match &node.data {
        NodeData::Text { contents } => {
            let text = contents.borrow();
            match lines.last_mut().filter(|last| last.starts_with(&format!("{indent}\""))) {
                Some(last) => last.push_str(&text),
                None => lines.push(format!("{indent}\"{text}")),
            }
            return;
        }
        NodeData::Comment { contents } => lines.push(format!("{indent}<!-- {contents}")),
        NodeData::Doctype { name, public_id, .. } => {
            lines.push(format!("{indent}doctype {name} {public_id}"));
        }
        NodeData::Element { name, attrs, template_contents, .. } => {
            let attributes: Vec<_> = attrs
                .borrow()
                .iter()
                .map(|attribute| format!("{}={:?}", attribute.name.local, &*attribute.value))
                .collect();
            let line = format!("<{} {}", name.local, attributes.join(" "));
            if skip(&line) {
                return;
            }
            lines.push(indent + &line);
            if let Some(contents) = template_contents.borrow().as_ref() {
                describe(contents, depth + 1, skip, lines);
            }
        }
        NodeData::Document | NodeData::ProcessingInstruction { .. } => {}
    }
    for child in node.children.borrow().iter() {
        describe(child, depth + 1, skip, lines);
    }
}

/// The tree of the rewritten page is that of the page with one more script, which is a script
/// element in the document; or the bytes are untouched.
pub(crate) fn assert_same_but_for_the_script(page: &[u8], result: &(Vec<u8>, Outcome), tag: &str) {
    let (out, outcome) = result;
    if *outcome != Outcome::Injected {
        assert_eq!(out, page);
        return;
    }
    assert_eq!(out.len(), page.len() + tag.len());
    let mut found = false;
    let rewritten = lines(out, &mut |element| {
        let ours = element == "<script defer=\"\" src=\"/.well-known/manyhands/loader.js\"";
        ours && !std::mem::replace(&mut found, true)
    });
    assert!(found, "no script in {}", String::from_utf8_lossy(out));
    let original = lines(page, &mut |_| false);
    assert_eq!(rewritten, original, "{}", String::from_utf8_lossy(page));
}
