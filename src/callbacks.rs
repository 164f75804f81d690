//! The stages of the milter protocol: decode what arrives, call the session, apply what it returns.
//!
//! Negotiation asks for no more than is needed (Postfix, `MILTER_README`): MAIL and the end of the message are answered,
//! and a chunk of the body where bodies are looked at. Over TCP the DATA event is kept: with it negotiated away, Nagle's
//! algorithm and delayed acknowledgements stall every message for 40 ms.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use indymilter::{
    ActionError, Actions, Callbacks, Context, ContextActions, EomContext, MacroStage, Macros,
    NegotiateContext, ProtoOpts, SetErrorReply, SmtpReply, Status,
};
use tracing::error;

use crate::actions::{FROM, FieldBody, Modification, SENDER};
use crate::directory::lookup::Lookup;
use crate::listener::Transport;
use crate::message::{Envelope, Recipient};
use crate::metrics::Connected;
use crate::reply::{self, Reply, printable};
use crate::session::{End, Next, Outcome, Session, Steps};
use crate::site::{Current, Site};
use crate::transactions::Transactions;

/// What a connection remembers.
pub struct Connection<L> {
    session: Session<L>,
    _connected: Connected,
    /// What the MTA agreed to.
    options: ProtoOpts,
    actions: Actions,
}

/// What all connections share.
struct Shared<L> {
    site: Current<L>,
    transactions: Transactions,
    transport: Transport,
}

/// The stages, for connections that arrive over `transport`.
pub fn callbacks<L: Lookup + 'static>(
    site: Current<L>,
    transactions: Transactions,
    transport: Transport,
) -> Callbacks<Connection<L>> {
    let shared = Arc::new(Shared { site, transactions, transport });
    Callbacks::new()
        .on_negotiate(move |context, actions, options| {
            let shared = shared.clone();
            Box::pin(async move { negotiate(context, &shared, actions, options) })
        })
        .on_mail(|context, arguments| Box::pin(async move { mail(context, &arguments) }))
        .on_rcpt(|context, arguments| Box::pin(async move { recipient(context, &arguments) }))
        .on_data(|_| Box::pin(async { Status::Continue }))
        .on_header(|context, name, body| Box::pin(async move { header(context, &name, &body) }))
        .on_eoh(|context| Box::pin(end_of_header(context)))
        .on_body(|context, chunk| Box::pin(async move { body(context, &chunk).await }))
        .on_eom(|context| Box::pin(end_of_message(context)))
        .on_abort(|context| Box::pin(async move { abort(context) }))
}

/// Asks for the steps and actions that are needed, as far as the MTA offers them. Steps that it does not let us skip
/// are answered and do nothing.
fn negotiate<L: Lookup + 'static>(
    context: &mut NegotiateContext<Connection<L>>,
    shared: &Shared<L>,
    actions: Actions,
    offered: ProtoOpts,
) -> Status {
    let site = shared.site.borrow().clone();
    let mut wanted = ProtoOpts::NO_CONNECT
        | ProtoOpts::NO_HELO
        | ProtoOpts::NO_UNKNOWN
        | ProtoOpts::NOREPLY_RCPT
        | ProtoOpts::NOREPLY_HEADER
        // The verdict is said with the first chunk of the body, or at the end of the message: one answer less.
        | ProtoOpts::NOREPLY_EOH
        | ProtoOpts::LEADING_SPACE
        | ProtoOpts::SKIP;
    if shared.transport == Transport::Unix {
        wanted |= ProtoOpts::NO_DATA;
    }
    let steps = Steps { recipients: site.needs_recipients(), body: site.needs_bodies() };
    for (needed, without) in [(steps.recipients, ProtoOpts::NO_RCPT), (steps.body, ProtoOpts::NO_BODY)] {
        if !needed {
            wanted |= without;
        }
    }
    let options = wanted & offered;
    context.requested_opts = options;
    // What is assigned is what is asked for: the field starts as everything that the MTA offers.
    let actions = needed(&site) & actions;
    context.requested_actions = actions;
    // Asked for by name, they come whatever `milter_mail_macros` says. {mail_addr} is always defined, so the macros
    // of MAIL are never empty: an empty packet would leave the login of the message before in place.
    // The name of the server is for reports, the client's address for the log.
    let macros = if site.bounces.is_some() {
        c"{auth_authen} {mail_addr} {client_addr} j"
    } else {
        c"{auth_authen} {mail_addr} {client_addr}"
    };
    context.requested_macros.insert(MacroStage::Mail, macros.to_owned());
    let session = Session::new(shared.site.clone(), shared.transactions.clone(), steps);
    let _connected = Connected::new(site.metrics.clone());
    context.data = Some(Connection { session, _connected, options, actions });
    Status::Continue
}

/// The actions that the configuration can need.
fn needed<L>(site: &Site<L>) -> Actions {
    if !site.may_change() {
        return Actions::empty();
    }
    let mut needed = Actions::ADD_HEADER | Actions::CHANGE_HEADER;
    needed.set(Actions::CHANGE_SENDER, site.may_change_envelope());
    needed.set(Actions::ADD_RCPT_EXT, site.may_add_recipients());
    needed.set(Actions::REPLACE_BODY, site.needs_bodies());
    needed
}

fn mail<L: Lookup + 'static>(context: &mut Context<Connection<L>>, arguments: &[CString]) -> Status {
    let given = |name| context.macros.get(name).map(|value| value.to_string_lossy().into_owned());
    let (login, mta, client) = (given(c"{auth_authen}"), given(c"j"), given(c"{client_addr}"));
    let Some(connection) = &mut context.data else { return Status::Tempfail };
    let outcome = guarded(&mut connection.session, |session| {
        session.between(mta.as_deref(), client.as_deref());
        session.mail(login, Envelope::read(arguments.iter().map(|argument| argument.as_bytes())))
    });
    status(outcome.unwrap_or_else(deferred), &mut context.reply)
}

fn recipient<L: Lookup + 'static>(context: &mut Context<Connection<L>>, arguments: &[CString]) -> Status {
    let Some(connection) = &mut context.data else { return Status::Tempfail };
    guarded(&mut connection.session, |session| {
        session.recipient(Recipient::read(arguments.iter().map(|argument| argument.as_bytes())));
    });
    if connection.options.contains(ProtoOpts::NOREPLY_RCPT) { Status::Noreply } else { Status::Continue }
}

/// Where headers are not answered, indymilter lets go of a message at any other status, and then never answers the end
/// of the message either: whatever happens, that is where the message is deferred.
fn header<L: Lookup + 'static>(context: &mut Context<Connection<L>>, name: &CStr, body: &CStr) -> Status {
    let Some(connection) = &mut context.data else { return Status::Tempfail };
    guarded(&mut connection.session, |session| session.header(name.to_bytes(), body.to_bytes()));
    if connection.options.contains(ProtoOpts::NOREPLY_HEADER) { Status::Noreply } else { Status::Continue }
}

async fn end_of_header<L: Lookup + 'static>(context: &mut Context<Connection<L>>) -> Status {
    let queue_id = queue_id(&context.macros);
    let Some(connection) = &mut context.data else { return Status::Tempfail };
    if connection.options.contains(ProtoOpts::NOREPLY_EOH) {
        return Status::Noreply;
    }
    let judged = AssertUnwindSafe(connection.session.end_of_header(&queue_id)).catch_unwind().await;
    let outcome = unless_panicked(judged, &mut connection.session);
    status(outcome.unwrap_or_else(deferred), &mut context.reply)
}

fn queue_id(macros: &Macros) -> Cow<'_, str> {
    macros.get(c"i").map(CStr::to_string_lossy).unwrap_or_default()
}

async fn body<L: Lookup + 'static>(context: &mut Context<Connection<L>>, chunk: &[u8]) -> Status {
    let queue_id = queue_id(&context.macros);
    let Some(connection) = &mut context.data else { return Status::Tempfail };
    let skips = connection.options.contains(ProtoOpts::SKIP);
    let next = AssertUnwindSafe(connection.session.body(chunk, &queue_id)).catch_unwind().await;
    match unless_panicked(next, &mut connection.session) {
        Some(Next::More) => Status::Continue,
        // What the MTA does not let us skip comes and does nothing.
        Some(Next::Skip) => {
            if skips {
                Status::Skip
            } else {
                Status::Continue
            }
        }
        Some(Next::End(outcome)) => status(outcome, &mut context.reply),
        None => status(deferred(), &mut context.reply),
    }
}

/// Applies all modifications, or defers the message: Postfix applies none of them then.
async fn end_of_message<L: Lookup + 'static>(context: &mut EomContext<Connection<L>>) -> Status {
    let queue_id = queue_id(&context.macros);
    let Some(connection) = &mut context.data else { return Status::Tempfail };
    let agreed = connection.actions;
    let space = if connection.options.contains(ProtoOpts::LEADING_SPACE) { " " } else { "" };
    let end = AssertUnwindSafe(connection.session.end_of_message(&queue_id)).catch_unwind().await;
    let end = unless_panicked(end, &mut connection.session);
    let End { outcome, modifications, open: _open, room: _room } = end.unwrap_or_else(End::deferred);
    let applied = apply_all(&context.actions, agreed, &modifications, space);
    let applied = AssertUnwindSafe(applied).catch_unwind().await;
    let outcome = match applied {
        Ok(Ok(())) => outcome,
        Ok(Err(error)) => {
            connection.session.metrics().messages.faults.one();
            error!(reason = %printable(&error.to_string()), "a message is deferred: a modification failed");
            deferred()
        }
        Err(_) => {
            fault(&connection.session);
            deferred()
        }
    };
    status(outcome, &mut context.reply)
}

/// Applies all modifications, or none where the MTA has not agreed to them all: it does not offer some, or the connection
/// was opened before a reload.
async fn apply_all(
    actions: &impl ContextActions,
    agreed: Actions,
    modifications: &[Modification],
    space: &str,
) -> Result<(), ActionError> {
    if !agreed.contains(taken(modifications)) {
        return Err(ActionError::NotAvailable);
    }
    for modification in modifications {
        apply(actions, modification, space).await?;
    }
    Ok(())
}

/// The actions that modifications take.
fn taken(modifications: &[Modification]) -> Actions {
    let action = |modification: &Modification| match modification {
        Modification::DeleteSender(_) | Modification::ChangeSender(_) | Modification::ChangeFrom(_) => {
            Actions::CHANGE_HEADER
        }
        Modification::AddSender(_) => Actions::ADD_HEADER,
        Modification::ChangeEnvelope { .. } => Actions::CHANGE_SENDER,
        Modification::ReplaceBody(_) => Actions::REPLACE_BODY,
        Modification::AddRecipient { .. } => Actions::ADD_RCPT_EXT,
    };
    modifications.iter().map(action).collect()
}

/// Applies one modification: the only place that does. With the leading space negotiated, bodies are given with it.
async fn apply(
    actions: &impl ContextActions,
    modification: &Modification,
    space: &str,
) -> Result<(), ActionError> {
    let text = |body: &FieldBody| format!("{space}{}", body.as_str());
    match modification {
        Modification::DeleteSender(index) => {
            actions.change_header(SENDER, position(*index), None::<&str>).await
        }
        Modification::ChangeSender(body) => actions.change_header(SENDER, 1, Some(text(body))).await,
        Modification::AddSender(body) => actions.add_header(SENDER, text(body)).await,
        Modification::ChangeFrom(body) => actions.change_header(FROM, 1, Some(text(body))).await,
        Modification::ChangeEnvelope { path, parameters } => {
            actions.change_sender(path.as_str(), given(parameters)).await
        }
        Modification::ReplaceBody(body) => actions.replace_body(body).await,
        Modification::AddRecipient { path, parameters } => {
            actions.add_recipient_ext(path.as_str(), given(parameters)).await
        }
    }
}

fn given(parameters: &str) -> Option<&str> {
    Some(parameters).filter(|parameters| !parameters.is_empty())
}

/// An index as the protocol counts; one that does not fit is out of every message's range.
fn position(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

fn abort<L: Lookup + 'static>(context: &mut Context<Connection<L>>) -> Status {
    if let Some(connection) = &mut context.data {
        connection.session.abort();
    }
    Status::Continue
}

/// Runs one stage; none if it panicked.
fn guarded<L: Lookup + 'static, T>(
    session: &mut Session<L>,
    stage: impl FnOnce(&mut Session<L>) -> T,
) -> Option<T> {
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| stage(session)));
    unless_panicked(result, session)
}

/// The result of a stage. After a panic the message is given up: no stage that follows finds anything to accept.
fn unless_panicked<L: Lookup + 'static, T>(
    result: std::thread::Result<T>,
    session: &mut Session<L>,
) -> Option<T> {
    if result.is_err() {
        fault(session);
        session.abort();
    }
    result.ok()
}

fn fault<L: Lookup + 'static>(session: &Session<L>) {
    session.metrics().messages.faults.one();
    error!("a message is deferred: internal error; please report what was printed above");
}

fn deferred() -> Outcome {
    Outcome::Refuse(reply::temporary())
}

/// The status for an outcome; the text goes along.
fn status(outcome: Outcome, target: &mut SmtpReply) -> Status {
    match outcome {
        Outcome::Accept => Status::Accept,
        Outcome::Continue => Status::Continue,
        Outcome::Discard => Status::Discard,
        Outcome::Refuse(reply) => refuse(&reply, target),
    }
}

fn refuse(reply: &Reply, target: &mut SmtpReply) -> Status {
    // Postfix takes a lone percent sign out.
    let text = reply.text.replace('%', "%%");
    if let Err(error) = target.set_error_reply(reply.code, Some(reply.status), [text]) {
        error!(reason = %error, "a refusal goes out without its text");
    }
    // Postfix uses the text only if status and code agree.
    if reply.code.starts_with('5') { Status::Reject } else { Status::Tempfail }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::health::Health;

    /// Of a configuration in `conf`: its directory is read from beside it.
    const CONFIG: &str = "[directory]\nurls = [\"file:demo.ldif\"]";
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/test.toml");

    /// A session in which anna has begun a message.
    fn session() -> Session<impl Lookup + 'static> {
        let config = Config::parse(CONFIG, Path::new(FILE)).unwrap();
        let site = Arc::new(crate::open::site(config, None, &Health::default()).unwrap());
        let (_, current) = tokio::sync::watch::channel(site);
        let mut session = Session::new(current, Transactions::default(), Steps::default());
        let envelope = Envelope::read([&b"<>"[..]].into_iter());
        assert_eq!(session.mail(Some("anna".into()), envelope), Outcome::Continue);
        session
    }

    /// Each is an action that indymilter refuses unless it was agreed to, and then only behind those before it.
    #[test]
    fn what_modifications_take() {
        let text = || String::new();
        for (modifications, expected) in [
            (vec![], Actions::empty()),
            (vec![Modification::DeleteSender(1)], Actions::CHANGE_HEADER),
            (
                vec![
                    Modification::ChangeEnvelope { path: text(), parameters: text() },
                    Modification::AddRecipient { path: text(), parameters: text() },
                    Modification::ReplaceBody(vec![]),
                ],
                Actions::CHANGE_SENDER | Actions::ADD_RCPT_EXT | Actions::REPLACE_BODY,
            ),
        ] {
            assert_eq!(taken(&modifications), expected, "{modifications:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_in_any_stage_defers_the_message() {
        let mut session = session();
        assert_eq!(guarded(&mut session, |_| panic!("it is a test")), None::<()>);
        assert_eq!(session.end_of_header("4QID").await, deferred());
        assert_eq!(session.end_of_message("4QID").await.outcome, deferred());
    }
}
