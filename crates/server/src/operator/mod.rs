//! What the operator sees: what sharing saves, whether to believe it, and why a file is not shared.
//!
//! Front doors: [`dashboard`], the live page below the reserved prefix, and [`Report`], the same figures for paper and
//! terminal. Both are written from an [`Analysis`](manyhands_experiment::Analysis): nothing here counts or
//! estimates, and nothing here may print a figure that the analysis does not have.
//!
//! | file | story |
//! |---|---|
//! | `headline.rs` | what is said first, and what is not said |
//! | `numbers.rs` | one way of writing each number |
//! | `words.rs` | words for what an analysis names |
//! | `parts.rs` | what both pages show |
//! | `plot.rs` | drawings: intervals, bars, the saving over time |
//! | `dashboard/` | the page, section by section, and its script |
//! | `report/` | text and printable page |
//!
//! Who is the operator is decided in `reserved/operator.rs`.

mod dashboard;
mod headline;
mod numbers;
mod parts;
mod plot;
mod report;
#[cfg(test)]
mod samples;
mod words;

pub(crate) use dashboard::{Dashboard, MirrorRow, Swarm, TopAsset, Unshared, UploadLimits};
pub use report::Report;

pub(crate) use dashboard::answer as dashboard;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use html5ever::tendril::TendrilSink;
    use html5ever::{ParseOpts, parse_document};
    use manyhands_experiment::{Analysis, Verdict};
    use manyhands_metainfo::AssetPath;
    use markup5ever_rcdom::{Handle, NodeData, RcDom};

    use super::dashboard::{content_security_policy, html};
    use super::{Dashboard, Report, samples};
    use crate::engine::Sharing;

    const VERDICTS: [Verdict; 5] = [
        Verdict::NotEnoughData,
        Verdict::SampleRatioMismatch,
        Verdict::Saves,
        Verdict::Undecided,
        Verdict::DoesNotPay,
    ];

    fn page(analysis: Option<Analysis>) -> String {
        html(&samples::dashboard(analysis)).into_string()
    }

    fn report(analysis: Option<Analysis>) -> Report {
        Report::new("library.example.org", samples::BEGAN + 28 * 86_400 + 75_000, analysis)
    }

    fn parsed(page: &str) -> RcDom {
        let mut options = ParseOpts::default();
        // What stands in for the script is read, too.
        options.tree_builder.scripting_enabled = false;
        options.tree_builder.exact_errors = true;
        parse_document(RcDom::default(), options).one(page)
    }

    /// Names and values.
    type Attributes = [(String, String)];

    /// Calls back for every element: its name, its attributes, the text right in it.
    fn each(node: &Handle, visit: &mut dyn FnMut(&str, &Attributes, &str)) {
        if let NodeData::Element { name, attrs, .. } = &node.data {
            let attributes: Vec<_> = attrs
                .borrow()
                .iter()
                .map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()))
                .collect();
            let mut text = String::new();
            for child in node.children.borrow().iter() {
                if let NodeData::Text { contents } = &child.data {
                    text.push_str(&contents.borrow());
                }
            }
            visit(&name.local, &attributes, &text);
        }
        node.children.borrow().iter().for_each(|child| each(child, visit));
    }

    /// What a person can read on it, or hear.
    fn text(page: &str) -> String {
        let mut all = String::new();
        read(&parsed(page).document, &mut all);
        super::numbers::plain(&all)
    }

    fn read(node: &Handle, all: &mut String) {
        match &node.data {
            NodeData::Text { contents } => {
                all.push_str(&contents.borrow());
                all.push('\n');
            }
            NodeData::Element { name, .. } if matches!(&*name.local, "style" | "script") => return,
            NodeData::Element { attrs, .. } => {
                let attributes = attrs.borrow();
                let label = attributes.iter().find(|it| &*it.name.local == "aria-label");
                label.iter().for_each(|label| all.push_str(&label.value));
            }
            _ => {}
        }
        node.children.borrow().iter().for_each(|child| read(child, all));
    }

    #[test]
    fn every_page_is_well_formed_whatever_the_verdict() {
        let analyses = VERDICTS.map(|verdict| Some(samples::analysis(verdict)));
        for analysis in analyses.into_iter().chain([None]) {
            for page in [page(analysis.clone()), report(analysis.clone()).html()] {
                let dom = parsed(&page);
                let errors = dom.errors.borrow();
                assert!(errors.is_empty(), "{errors:?}");
                let (mut ids, mut elements) = (Vec::new(), 0);
                each(&dom.document, &mut |name, attributes, _| {
                    elements += 1;
                    for (attribute, value) in attributes {
                        // Inline styles and handlers are what the policy refuses.
                        assert!(attribute != "style" && !attribute.starts_with("on"), "{name}");
                        assert!(!value.contains("http://") || attribute == "href", "{value}");
                        if attribute == "id" {
                            ids.push(value.clone());
                        }
                    }
                });
                assert!(elements > 15);
                let all = ids.len();
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), all, "an id is there twice");
            }
        }
    }

    /// People keep a number and forget how it was hedged: so there is none, not even a small one.
    #[test]
    fn without_an_estimate_there_is_no_share_and_no_sum_anywhere() {
        let analyses =
            [Verdict::NotEnoughData, Verdict::SampleRatioMismatch].map(samples::analysis);
        for analysis in analyses.map(Some).into_iter().chain([None]) {
            let report = report(analysis.clone());
            for said in [text(&page(analysis.clone())), text(&report.html()), report.text()] {
                assert!(!said.contains('%'), "{said}");
                assert!(!said.contains("EUR"), "{said}");
                assert!(!said.contains("per byte wanted"), "{said}");
            }
        }
        // With one there are, so that this test can fail.
        let said = text(&page(Some(samples::analysis(Verdict::Saves))));
        for part in ["47 %", "EUR 560", "per byte wanted"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn each_verdict_says_first_what_to_make_of_it() {
        for (analysis, first) in [
            (None, "No saving can be stated: it is not being measured"),
            (Some(Verdict::NotEnoughData), "Not enough data yet: about 9 more days"),
            (
                Some(Verdict::SampleRatioMismatch),
                "Nothing can be said: the experiment is not as it was set up",
            ),
            (Some(Verdict::Saves), "of all that library.example.org would have to send is saved"),
            (Some(Verdict::Undecided), "Undecided: it may save something or nothing"),
            (Some(Verdict::DoesNotPay), "It does not pay: turn it off"),
        ] {
            let analysis = analysis.map(samples::analysis);
            let mut heading = String::new();
            let page = page(analysis.clone());
            each(&parsed(&page).document, &mut |name, _, text| {
                if name == "h2" && heading.is_empty() {
                    heading = text.trim().to_owned();
                }
            });
            assert_eq!(super::numbers::plain(&heading), first);
            let (report, lines) = (report(analysis), |text: String| text.replace('\n', " "));
            assert!(text(&report.html()).contains(first), "{first}");
            assert!(lines(report.text()).contains(first), "{first}");
        }
    }

    /// Times come from browsers: they are said beside the figure, as a claim, whatever the verdict.
    #[test]
    fn what_browsers_claim_against_it_is_said_first_and_as_a_claim() {
        let claim = "Browsers claim that sharing hurts readers";
        for (verdict, says_how_much) in [(Verdict::Saves, true), (Verdict::NotEnoughData, false)] {
            let mut analysis = samples::analysis(verdict);
            analysis.warning = Some(format!("{claim}: files are complete 14 % later."));
            let report = report(Some(analysis.clone()));
            for said in [text(&page(Some(analysis.clone()))), text(&report.html()), report.text()] {
                let said = said.replace('\n', " ");
                let at = said.find(claim).unwrap();
                assert!(at < 1_200, "{said}");
                assert_eq!(said.contains("14 %"), says_how_much, "{said}");
            }
        }
    }

    #[test]
    fn a_name_that_a_stranger_chose_is_text_wherever_it_stands() {
        let name = AssetPath::parse(
            "/a%E2%80%AE/%E2%80%AE%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E'&.zip",
        );
        let name = name.unwrap();
        let mut dashboard = samples::dashboard(Some(samples::analysis(Verdict::Saves)));
        dashboard.top.iter_mut().for_each(|asset| asset.path = name.clone());
        dashboard.swarms.iter_mut().for_each(|swarm| swarm.path = name.clone());
        dashboard.unshared.iter_mut().for_each(|unshared| unshared.path = name.clone());
        dashboard.jobs.iter_mut().for_each(|job| job.path = name.clone());
        let page = html(&dashboard).into_string();
        let (mut named, mut scripts) = (0, 0);
        each(&parsed(&page).document, &mut |element, attributes, text| {
            assert_ne!(element, "img");
            scripts += usize::from(element == "script");
            let href = attributes.iter().find(|(name, _)| name == "href");
            if element == "bdi" && text.contains("onerror") {
                assert_eq!(text, "\u{fffd}\"><img src=x onerror=alert(1)>'&.zip");
                named += 1;
            }
            if let Some((_, href)) = href.filter(|(_, href)| href.contains("onerror")) {
                assert_eq!(href, name.as_str());
            }
        });
        assert_eq!((named, scripts), (14, 1));
        assert!(!page.contains('\u{202e}') && page.contains('\u{fffd}'));
    }

    #[test]
    fn the_policy_admits_this_pages_own_style_and_script_and_nothing_else() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let source = |text: &str| {
            let digest = manyhands_metainfo::Digest::of(text.as_bytes());
            format!("'sha256-{}'", STANDARD.encode(digest.as_bytes()))
        };
        let mut sources = Vec::new();
        each(&parsed(&page(None)).document, &mut |name, _, text| {
            if matches!(name, "style" | "script") {
                sources.push(format!("{name}-src {}", source(text)));
            }
        });
        let [style, script] = sources.as_slice() else { panic!("{sources:?}") };
        assert_eq!(
            content_security_policy(),
            format!(
                "default-src 'none'; {style}; {script}; img-src data:; connect-src 'self'; form-action 'self'; \
                 base-uri 'none'; frame-ancestors 'none'"
            )
        );
        each(&parsed(&report(None).html()).document, &mut |name, attributes, text| match name {
            "style" => sources.push(format!("default-src 'none'; style-src {}", source(text))),
            "meta" if attributes.iter().any(|(name, _)| name == "http-equiv") => {
                sources.extend(
                    attributes.iter().filter(|(name, _)| name == "content").map(|it| it.1.clone()),
                );
            }
            "script" => panic!("a report does nothing"),
            _ => {}
        });
        assert_eq!(sources.get(2), sources.get(3), "{sources:?}");
    }

    #[test]
    fn the_switch_offers_what_can_be_done() {
        let said = |sharing| {
            let dashboard = Dashboard { sharing, ..samples::dashboard(None) };
            let page = html(&dashboard).into_string();
            let mut buttons = Vec::new();
            each(&parsed(&page).document, &mut |name, _, text| {
                if name == "button" && text.starts_with("Switch") {
                    buttons.push(text.to_owned());
                }
            });
            (buttons.join(" "), text(&page))
        };
        let (button, text) = said(Sharing::On);
        assert_eq!(button, "Switch sharing off");
        assert!(!text.contains("Sharing is switched off."));
        let (button, text) = said(Sharing::Off);
        assert_eq!(button, "Switch sharing on");
        assert!(text.contains("Sharing is switched off."));
        let (button, text) = said(Sharing::Disabled);
        assert_eq!(button, "");
        assert!(
            text.contains("set [site] disabled = false") || text.contains("[site] disabled = true")
        );
    }

    #[test]
    fn a_report_for_a_terminal_has_80_columns_and_no_surprises() {
        let analyses = VERDICTS.map(|verdict| Some(samples::analysis(verdict)));
        for analysis in analyses.into_iter().chain([None]) {
            let text = report(analysis).text();
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{line:?}");
                assert!(!line.ends_with(' '), "{line:?}");
                assert!(!line.contains(['\u{a0}', '\u{2212}', '\t', '\u{1b}']), "{line:?}");
            }
        }
        let long = Report::new(format!("{}.example.org", "a".repeat(200)), 0, None).text();
        assert!(long.lines().all(|line| line.chars().count() <= 80), "{long}");
    }

    /// What browsers are shown in tests, and people in the documentation: as it is rendered now.
    #[test]
    fn the_sample_pages_are_as_they_are_rendered() {
        let place =
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/pages"));
        let saves = Some(samples::analysis(Verdict::Saves));
        let report = report(saves.clone());
        let early = Some(samples::analysis(Verdict::NotEnoughData));
        for (name, rendered) in [
            ("dashboard.html", page(saves)),
            ("dashboard-early.html", page(early)),
            ("report.html", report.html()),
            ("report.txt", report.text()),
        ] {
            let place = place.join(name);
            if std::env::var_os("UPDATE_PAGES").is_some() {
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::write(&place, &rendered).unwrap();
            }
            let kept = fs::read_to_string(&place).unwrap_or_default();
            assert!(
                kept == rendered,
                "{name} is not what is rendered: run with UPDATE_PAGES=1, and look at it"
            );
        }
    }
}
