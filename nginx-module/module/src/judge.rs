//! What becomes of an answer, by its header.

use manyhands_page::{
    self as page, AssetOffer, Decision, Policy, Reason, RequestHead, ResponseHead, decide,
};

use manyhands_nginx_worker::Here;

use crate::answer::Answer;
use crate::conf;
use crate::ffi::Request;
use crate::filters::Injection;
use crate::local;
use crate::process::now;
use crate::visit::{Answering, Visit};

/// Longest body that is counted at its end rather than on its way.
const SHORT: u64 = 1 << 20;

/// Judges the answer to a main request, and edits its header. `None` where nothing of ours is done.
pub(crate) fn judge(request: Request<'_>) -> Option<()> {
    // SAFETY: the request is under way.
    let place = unsafe { conf::location(request.as_ptr()) }.place()?;
    // nginx may send another header than the first, such as that of a range which does not exist.
    let judged = Visit::with(request, |visit| visit.place.is_some());
    if judged == Some(true) || Visit::passed(request).is_some() {
        return None;
    }
    let here = place.here();
    if is_passed_by_type(request, &here) {
        Visit::pass(request, Reason::Type);
        return Some(());
    }
    let policy = here.policy();
    let asked = request.asked();
    let target = request.method().zip(request.target());
    let reserved = target.is_some_and(|(_, (path, _))| policy.is_reserved(path));
    let visitor = here.visitor(&asked, request.address());
    if reserved {
        // What the daemon answers it counts itself.
        return Visit::begin(request, |visit| {
            visit.place = Some(place);
            visit.visitor = Some(visitor);
            if visit.answering == Answering::Content {
                visit.transfer = visit.answer.as_mut().and_then(|answer| answer.transfer.take());
            }
        });
    }
    let Some((method, (path, query))) = target else {
        // No text, so no rule knows it.
        return Visit::begin(request, |visit| {
            (visit.place, visit.transfer) = (Some(place), Some(here.other(&visitor)));
        });
    };
    let status = request.status();
    if status == 404
        && let Some(mut answer) = here.beside(method, path, query, &visitor)
    {
        let transfer = answer.transfer.take();
        Visit::begin(request, |visit| {
            visit.place = Some(place);
            (visit.visitor, visit.transfer) = (Some(visitor), transfer);
            visit.answer = Some(answer);
            visit.answering = Answering::Instead;
        })?;
        return Answer::of(request)?.put_header(request);
    }
    if status >= 500 {
        here.failed(path, &visitor);
    }
    let length = request.length();
    // Only of what may be shared does it matter whether it is a file.
    let large = length.is_some_and(|length| length >= policy.min_size());
    let file = if large { local::file(request) } else { None };
    let (edits, decision, doubt) = {
        let answered = request.answered();
        let asked = RequestHead { method, path, query, headers: &asked };
        let answered = ResponseHead { status, headers: &answered };
        let (edits, decision) = decide(&asked, &answered, policy, file.is_some());
        let mut doubt = None;
        if let Decision::PassThrough(reason) = decision {
            if is_short(request, policy) && edits.is_empty() && here.is_beyond_doubt(path) {
                Visit::pass(request, reason);
                return Some(());
            }
            doubt = page::doubt(&asked, &answered, policy, file.is_some(), reason);
        }
        (edits, decision, doubt)
    };
    request.edit_answered(&edits)?;
    let page = matches!(decision, Decision::Page(_));
    Visit::begin(request, |visit| {
        visit.place = Some(place);
        visit.visitor = Some(visitor);
        match decision {
            Decision::Page(rewrite) => {
                visit.page = Some(Injection::new(&rewrite.tag));
                visit.transfer = Some(here.page(&visitor));
            }
            Decision::Asset(offer) => visit.offer = Some((offer, file)),
            Decision::PassThrough(reason) => {
                visit.reason = Some(reason);
                visit.transfer = Some(here.passed(reason, doubt.as_ref(), &visitor));
            }
        }
    })?;
    if page {
        request.expect_other_body();
        // SAFETY: the request is under way; the flag is for its body, which is not there yet.
        unsafe { (*request.as_ptr()).set_main_filter_need_in_memory(1) };
    }
    Some(())
}

/// A whole answer that is shorter than what is shared, and short enough to be counted at its end.
fn is_short(request: Request<'_>, policy: &Policy) -> bool {
    let most = SHORT.min(policy.min_size());
    request.status() == 200 && request.length().is_some_and(|length| length < most)
}

/// Whether an answer is left alone for its type alone: what most answers are, told before all else is looked at.
fn is_passed_by_type(request: Request<'_>, here: &Here<'_, '_>) -> bool {
    let policy = here.policy();
    is_short(request, policy)
        && request.is_get_or_head()
        && request.only_type().is_some_and(|(kind, charset)| here.refuses_type(kind, charset))
        && request
            .target()
            .is_some_and(|(path, _)| !policy.is_reserved(path) && here.is_beyond_doubt(path))
}

/// Settles what becomes of a file that may be shared, once nothing changes its header any more but ranges.
pub(crate) fn settle(request: Request<'_>) -> Option<()> {
    if request.length().is_none()
        && let Some(reason) = Visit::take_passed(request)
    {
        // Compressed on its way out, for instance.
        // SAFETY: the request is under way.
        let place = unsafe { conf::location(request.as_ptr()) }.place()?;
        let here = place.here();
        let visitor = here.visitor(&request.asked(), request.address());
        return Visit::begin(request, |visit| {
            (visit.place, visit.visitor, visit.reason) = (Some(place), Some(visitor), Some(reason));
            visit.transfer = Some(here.passed(reason, None, &visitor));
        });
    }
    let (place, visitor, (offer, file)) =
        Visit::with(request, |visit| Some((visit.place?, visit.visitor?, visit.offer.take()?)))??;
    let here = place.here();
    if request.is_encoded() {
        // nginx has compressed it: what visitors get are other bytes than those of the file.
        return Visit::with(request, |visit| {
            visit.reason = Some(Reason::Encoded);
            visit.transfer = Some(here.passed(Reason::Encoded, None, &visitor));
        });
    }
    let offered = here.asset(&offer, file.as_ref(), &visitor);
    let AssetOffer { path, .. } = offer;
    Visit::with(request, |visit| {
        visit.asset = Some(path);
        visit.info_hash = offered.info_hash;
        visit.transfer = Some(offered.transfer);
    })?;
    request.edit_answered(&offered.edits)
}

/// Counts an answer that went out as it came, once it has.
pub(crate) fn count_passed(request: Request<'_>, reason: Reason) -> Option<()> {
    // SAFETY: the request is under way.
    let place = unsafe { conf::location(request.as_ptr()) }.place()?;
    let here = place.here();
    let visitor = here.visitor(&request.asked(), request.address());
    let mut transfer = here.passed(reason, None, &visitor);
    let length = if request.raw().header_only() == 0 { request.length()? } else { 0 };
    place.known().progress(&mut transfer, request.written().min(length), now());
    place.known().end(transfer, request.written() >= length, now());
    Some(())
}
