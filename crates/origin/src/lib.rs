//! What a mirror serves: a static root with exact, cheap ranges
