//! Who is asked where: each service that takes mail by SMTP, whether people log in there, and whether it asks us.

use super::milters::{Milter, Whose, name_for, whose};
use super::rules::RULES;
use super::settings::{Service, main_line};
use super::{Case, Found, copies, headers};
use crate::policy::Choice;

/// What a service is to us.
enum Standing {
    /// It asks us; the milters of its list, and which one we are.
    Asks(Vec<Milter>, usize),
    /// It means to, and looks elsewhere.
    Misses(String),
    /// It does not ask us.
    Without,
}

/// All that is found, with the service that it is about.
pub(super) fn look<'a>(case: &Case<'a>) -> Vec<(Option<&'a Service>, Found)> {
    let mut all = vec![(None, summary(case))];
    let mut judged = false;
    for service in case.settings.running("smtpd") {
        let standing = standing(service, case);
        judged |= matches!(standing, Standing::Asks(..)) && service.takes_logins();
        all.extend(look_at(service, &standing, case).into_iter().map(|found| (Some(service), found)));
    }
    if !judged {
        all.insert(1, (None, never_asked(case)));
    }
    let others = [recipient_delimiter(case), sendmail(case)].into_iter().flatten();
    all.extend(others.chain(headers::taken_away(case)).chain(copies::look(case)).map(|found| (None, found)));
    all
}

fn summary(case: &Case<'_>) -> Found {
    let version = case.settings.main.get("mail_version");
    let count = case.settings.running("smtpd").count();
    let services = if count == 1 { "1 service takes" } else { &format!("{count} services take") };
    Found::ok(format!("Postfix {version} in {}: {services} mail by SMTP", case.settings.directory.display()))
}

fn standing(service: &Service, case: &Case<'_>) -> Standing {
    let milters = Milter::list(service.values.get("smtpd_milters"));
    let mut missed = None;
    for (index, milter) in milters.iter().enumerate() {
        match whose(milter, service, case) {
            Whose::Ours => return Standing::Asks(milters, index),
            Whose::Missed(seen) => missed = Some(seen),
            Whose::Other => {}
        }
    }
    missed.map_or(Standing::Without, Standing::Misses)
}

fn look_at(service: &Service, standing: &Standing, case: &Case<'_>) -> Vec<Found> {
    match (standing, service.takes_logins()) {
        (Standing::Asks(milters, ours), true) => {
            RULES.iter().flat_map(|rule| rule(case, service, milters, *ours)).collect()
        }
        (Standing::Asks(..), false) => vec![asked_for_nobody(case, service)],
        (Standing::Misses(seen), _) => vec![missed(case, service, seen)],
        (Standing::Without, true) => vec![not_asked(case, service)],
        (Standing::Without, false) => vec![Found::note("nobody logs in here, and this program is not asked")],
    }
}

/// It asks us, and nobody logs in.
fn asked_for_nobody(case: &Case<'_>, service: &Service) -> Found {
    let logins = service.own_line("smtpd_sasl_auth_enable", "yes");
    let leave_out = service.own_line("smtpd_milters", "");
    if service.is_for_submission() {
        let text = "smtpd_sasl_auth_enable = no: nobody can log in here, and this program lets pass, or refuses, \
                    all that comes";
        return Found::error(text, logins);
    }
    let given_back = case.settings.is_given_back_to(service);
    let what = if given_back { "a filter gives mail back here" } else { "nobody logs in here" };
    if case.ours.unauthenticated == Choice::Refuse {
        let text = format!("{what}, and unauthenticated = \"refuse\" refuses all that comes");
        return Found::error(text, format!("{leave_out}; with any other milter that is needed here"));
    }
    if given_back {
        let text = format!("{what}, without the login: this program is asked a second time, for nothing");
        return Found::warning(text, leave_out);
    }
    Found::note(format!("{what}: this program lets pass all that comes, at the cost of one reply"))
}

fn missed(case: &Case<'_>, service: &Service, seen: &str) -> Found {
    let chroot = if service.chroot { ", for it works in a chroot" } else { "" };
    let text = format!("smtpd looks for this program at {seen}{chroot}, and listen is {}", case.ours.listen);
    Found::error(text, how_to_ask(case, service))
}

fn not_asked(case: &Case<'_>, service: &Service) -> Found {
    let text = "people log in here, and this program is not asked: they write as anybody";
    let mut advice = how_to_ask(case, service);
    if service.is_for_the_internet() {
        let without = service.own_line("smtpd_sasl_auth_enable", "no");
        advice = format!("{without}; or, where people must log in here, {advice}");
    }
    Found::error(text, advice)
}

/// The line that has a service ask us before all other milters.
fn how_to_ask(case: &Case<'_>, service: &Service) -> String {
    let Some(name) = name_for(service, case) else {
        return format!(
            "listen on a socket in Postfix's queue directory, where smtpd in its chroot finds it: listen = \
             \"unix:{}/delegation-milter/milter.sock\"",
            case.settings.queue().display()
        );
    };
    let milters = Milter::list(service.values.get("smtpd_milters"));
    let others = milters.iter().filter(|milter| whose(milter, service, case) == Whose::Other).count();
    let others = if others > 0 { ", and the others behind it" } else { "" };
    format!("{}{others}", service.own_line("smtpd_milters", &name))
}

/// No service at all both takes logins and asks us.
fn never_asked(case: &Case<'_>) -> Found {
    let advice = "have the service on which people log in ask it, as EXAMPLES in delegation-milter(8) shows; if systemd \
                  hands over the socket, listen must name the same one";
    Found::error(
        format!(
            "NOBODY IS HELD TO ANYTHING: no service takes logins and asks this program at {}",
            case.ours.listen
        ),
        advice,
    )
}

/// What is an extension must be one to both.
fn recipient_delimiter(case: &Case<'_>) -> Option<Found> {
    let postfix = case.settings.main.get("recipient_delimiter");
    let ours = case.ours.addresses.delimiters();
    let lacks = |one: &str, other: &str| one.chars().any(|c| !other.contains(c));
    let (text, advice) = (
        format!("recipient_delimiter is \"{postfix}\", and policy.recipient_delimiter \"{ours}\""),
        format!("set policy.recipient_delimiter = \"{postfix}\""),
    );
    if lacks(ours, postfix) {
        let text =
            format!("{text}: who has anna@ here may send as addresses that are somebody else's for Postfix");
        return Some(Found::warning(
            text,
            format!("{advice}, or {}", main_line("recipient_delimiter", ours)),
        ));
    }
    lacks(postfix, ours).then(|| {
        Found::warning(format!("{text}: people cannot send with an extension that they get mail at"), advice)
    })
}

/// sendmail(1) gives mail to pickup(8): no login, and `non_smtpd_milters` in place of `smtpd_milters`.
fn sendmail(case: &Case<'_>) -> Option<Found> {
    let main = &case.settings.main;
    let pickup = case.settings.running("pickup").next();
    let asks = pickup.is_some_and(|pickup| {
        let milters = Milter::list(main.get("non_smtpd_milters"));
        milters.iter().any(|milter| whose(milter, pickup, case) == Whose::Ours)
    });
    if asks && case.ours.unauthenticated == Choice::Refuse {
        let text = "non_smtpd_milters names this program, and unauthenticated = \"refuse\" refuses what programs on this \
                    machine send with sendmail(1), for it has no login; Postfix returns it to them";
        return Some(Found::warning(text, "take it out of non_smtpd_milters in main.cf"));
    }
    pickup?;
    let who = main.get("authorized_submit_users");
    Some(Found::note(format!(
        "sendmail(1) on this machine writes as anybody, without a login; authorized_submit_users = {who} says who may use it"
    )))
}
