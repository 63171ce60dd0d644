//! HTTP decisions: what may be shared, what may be rewritten, and the streaming script injector
