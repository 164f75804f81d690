//! The decision: may this login send this message, and what must change so that readers see who wrote it?
use crate::address::AddressRules; use crate::grant::GrantRules;
/// What the configuration lets the administrator choose: `[policy]`, `[envelope]`, `[delegation]`, `[[context]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
    /// `policy.recipient_delimiter` and `[domain_aliases]`.
    pub addresses: AddressRules,
    /// `[delegation]`, `[[context]]`, `policy.group_members`.
    pub grants: GrantRules,
    /// Which of the two rights wins where a principal gives both.
    pub prefer: Prefer,
    /// `policy.unknown_author`: what becomes of authors that nobody has.
    pub unknown_author: Choice,
    /// `policy.unknown_submitter`: what becomes of logins that nobody has.
    pub unknown_submitter: Choice,
    /// `policy.redirect`: whether an own Resent-From lets unknown authors pass.
    pub redirect: Choice,
    /// `policy.display_name_address`: what becomes of display text with somebody else's address.
    pub display_name_address: Choice,
    /// `policy.local_domains`, in canonical form.
    pub local_domains: Vec<String>,
    /// `[envelope]`
    pub envelope: EnvelopeRules,
}

/// Accept or refuse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// `"accept"`
    Accept,
    /// `"refuse"`
    Refuse,
}

/// `policy.prefer`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prefer {
    /// `"send-on-behalf"`
    SendOnBehalf,
    /// `"send-as"`
    SendAs,
}

/// `[envelope]`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EnvelopeRules {
    /// `envelope.check`: whether the envelope sender must be own or granted.
    pub check: bool,
    /// `envelope.on_behalf`: whose address the envelope gets.
    pub on_behalf: Return,
    /// `envelope.send_as`: `keep` or `principal`.
    pub send_as: Return,
}

/// Whose address a delegated message gets as its envelope sender, to which bounces return.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Return {
    /// The one that the client gave.
    Keep,
    /// The submitter's primary.
    Delegate,
    /// The principal's primary.
    Principal,
}
