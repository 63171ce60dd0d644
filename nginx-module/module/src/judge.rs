//! What becomes of an answer, by its header.

use manyhands_page::{AssetOffer, Decision, Reason, RequestHead, ResponseHead, plan};

use crate::answer::Answer;
use crate::conf;
use crate::ffi::Request;
use crate::filters::Injection;
use crate::local;
use crate::visit::{Answering, Visit};

/// Judges the answer to a main request, and edits its header. `None` where nothing of ours is done.
pub(crate) fn judge(request: Request<'_>) -> Option<()> {
    // SAFETY: the request is under way.
    let place = unsafe { conf::location(request.as_ptr()) }.place()?;
    let before = Visit::begin(request, |visit| visit.place.replace(place))?;
    // nginx may send another header than the first, such as that of a range which does not exist.
    if before.is_some() {
        return None;
    }
    let here = place.here();
    let policy = here.policy();
    let asked = request.asked();
    let target = request.method().zip(request.target());
    let reserved = target.is_some_and(|(_, (path, _))| policy.is_reserved(path));
    let visitor = here.visitor(&asked, request.address());
    if reserved {
        // What the daemon answers it counts itself.
        return Visit::with(request, |visit| {
            visit.visitor = Some(visitor);
            if visit.answering == Answering::Content {
                visit.transfer = visit.answer.as_mut().and_then(|answer| answer.transfer.take());
            }
        });
    }
    let Some((method, (path, query))) = target else {
        // No text, so no rule knows it.
        return Visit::with(request, |visit| visit.transfer = Some(here.other(&visitor)));
    };
    let status = request.status();
    if status == 404
        && let Some(mut answer) = here.beside(method, path, query, &visitor)
    {
        let transfer = answer.transfer.take();
        Visit::with(request, |visit| {
            (visit.visitor, visit.transfer) = (Some(visitor), transfer);
            visit.answer = Some(answer);
            visit.answering = Answering::Instead;
        })?;
        return Answer::of(request)?.put_header(request);
    }
    if status >= 500 {
        here.failed(path, &visitor);
    }
    let (plan, file) = {
        let answered = request.answered();
        // Only of what may be shared does it matter whether it is a file.
        let large = request.raw().headers_out.content_length_n;
        let large = u64::try_from(large).is_ok_and(|length| length >= policy.min_size());
        let file = if large { local::file(request) } else { None };
        let head = RequestHead { method, path, query, headers: &asked };
        let plan =
            plan(&head, &ResponseHead { status, headers: &answered }, policy, file.is_some());
        (plan, file)
    };
    request.edit_answered(&plan.edits)?;
    let page = matches!(plan.decision, Decision::Page(_));
    Visit::with(request, |visit| {
        visit.visitor = Some(visitor);
        match plan.decision {
            Decision::Page(rewrite) => {
                visit.page = Some(Injection::new(&rewrite.tag));
                visit.transfer = Some(here.page(&visitor));
            }
            Decision::Asset(offer) => visit.offer = Some((offer, file)),
            Decision::PassThrough(reason) => {
                visit.reason = Some(reason);
                visit.transfer = Some(here.passed(reason, plan.doubt.as_ref(), &visitor));
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

/// Settles what becomes of a file that may be shared, once nothing changes its header any more but ranges.
pub(crate) fn settle(request: Request<'_>) -> Option<()> {
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
