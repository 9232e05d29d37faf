//! Posts of mail services to their hooks: calls that show no key of ours, because each service
//! signs what it posts.

use http::HeaderMap;

/// The path of hooks.
pub(super) const HOOK_PATH: &str = "/v1/outcomes/hooks/{name}";

/// The path at which posts to hooks arrive behind the gate.
pub(crate) const HOOK_RPC: &str = "/mailvet.v1.Hooks/Deliver";

/// A post to a hook: an extension of the request, which no caller can make.
#[derive(Clone)]
pub(crate) struct HookCall {
    /// The name of the hook.
    pub(crate) name: String,
    /// The headers as they came, with the signature.
    pub(crate) headers: HeaderMap,
}
